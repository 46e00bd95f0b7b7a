#include "node/transport_viewer.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "net/clock.hpp"

namespace runnel::node {
namespace {

constexpr base::Duration kLongestDelay = std::chrono::minutes{1};   // beyond it one of the two clocks is wrong

}  // namespace

TransportViewer::TransportViewer(boost::asio::io_context& io, media::HelperConfig helper, LiveStream& stream, Events events)
    : stream_(stream), events_(std::move(events)) {
  media::IngestEvents made;
  made.on_init = [this](const media::InitSegment& init) { stream_.add(init); };
  made.on_chunk = [this](media::MediaChunk chunk) {
    chunk.captured -= delay_;   // the helper saw it when it came here
    stream_.add(chunk);
  };
  made.on_notice = events_.on_notice;
  made.on_error = events_.on_error;
  media::IngestConfig config;
  config.helper = std::move(helper);
  config.fed = true;
  session_ = media::start_ingest(io, std::move(config), std::move(made));
}

std::expected<void, std::string> TransportViewer::record_to(const std::filesystem::path& file) {
  file_ = file;
  out_.open(file, std::ios::binary | std::ios::trunc);
  if (out_) return {};
  return std::unexpected("the recording " + file.string() + " can not be written: " + std::strerror(errno));
}

void TransportViewer::on_munro(const LiveHost::Munro& munro) {
  const bool gap = next_ != munro.range.first;
  next_ = tree::ChunkIndex{munro.range.last.value() + 1};
  delay_ = std::clamp(net::wall_now() - munro.signed_at, base::Duration{0}, kLongestDelay);
  base::Bytes packets = aligner_.feed(munro.bytes, gap);
  if (packets.empty()) return;
  write(packets);
  session_->feed(std::move(packets));
}

void TransportViewer::write(base::ByteView packets) {
  if (!out_.is_open()) return;
  out_.write(reinterpret_cast<const char*>(packets.data()), static_cast<std::streamsize>(packets.size()));
  out_.flush();
  if (out_) return;
  out_.close();
  events_.on_error("the recording " + file_.string() + " can not be written: " + std::strerror(errno));
}

}  // namespace runnel::node
