#include "node/live_stream.hpp"

#include <cerrno>
#include <cstring>
#include <utility>

#include "base/log.hpp"
#include "net/clock.hpp"

namespace runnel::node {
namespace {

template <class... Fns>
struct Overloaded : Fns... {
  using Fns::operator()...;
};

// As many bytes a second as the usual window of a minute takes.
media::LiveTimeline::Config timeline_config(base::Duration window) {
  media::LiveTimeline::Config config;
  config.max_bytes = config.max_bytes * static_cast<std::size_t>(window.count()) / static_cast<std::size_t>(config.window.count());
  config.window = window;
  return config;
}

}  // namespace

// ---- recording ------------------------------------------------------------------------------------------------------

std::expected<void, std::string> LiveRecording::begin(const media::InitSegment& init) {
  if (epoch_ == init.epoch) return {};
  epoch_ = init.epoch;
  started_ = false;
  current_ = file_;
  if (++files_ > 1) current_.replace_filename(file_.stem().string() + "-" + std::to_string(files_) + file_.extension().string());
  out_.close();
  out_.clear();
  out_.open(current_, std::ios::binary | std::ios::trunc);
  return write(*init.bytes);
}

std::expected<void, std::string> LiveRecording::add(const media::MediaChunk& chunk) {
  if (epoch_ != chunk.epoch) return {};
  if (!started_ && chunk.independent) {   // a decoder can begin
    started_ = true;
    written_.push_back({chunk.epoch, current_});
  }
  return started_ ? write(*chunk.bytes) : std::expected<void, std::string>{};
}

std::vector<LiveRecording::File> LiveRecording::finish() {
  out_.close();
  epoch_.reset();
  return std::exchange(written_, {});
}

// Each fragment goes out whole: whoever is killed leaves a file that plays up to its last one.
std::expected<void, std::string> LiveRecording::write(const base::Bytes& bytes) {
  out_.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  out_.flush();
  if (out_) return {};
  return std::unexpected("the recording " + current_.string() + " can not be written: " + std::strerror(errno));
}

// ---- the stream -----------------------------------------------------------------------------------------------------

LiveStream::LiveStream(swarm::SwarmHandle handle, std::string role, swarm::Link link, base::Duration window)
    : StreamBase(handle, std::move(role), std::move(link)), timeline_(timeline_config(window)) {}

void LiveStream::record_to(std::filesystem::path file, std::function<void(std::string)> on_error) {
  recording_.emplace(std::move(file));
  on_recording_error_ = std::move(on_error);
}

void LiveStream::recorded(std::expected<void, std::string> result) {
  if (result) return;
  recording_.reset();
  on_recording_error_(result.error());
}

std::vector<LiveRecording::File> LiveStream::finish_recording() {
  return recording_ ? recording_->finish() : std::vector<LiveRecording::File>{};
}

void LiveStream::on_munro(const LiveHost::Munro& munro) {
  if (next_ != munro.range.first) reader_.gap();
  next_ = tree::ChunkIndex{munro.range.last.value() + 1};   // a record goes on there; if this ended one, the next begins anywhere
  auto result = reader_.feed(munro.bytes, true);
  if (!result) return;
  if (*result)
    on_record(std::move(**result), munro.signed_at);
  else
    base::log_debug("live", std::string{"a record was skipped: "} + std::string{media::message(result->error())});
}

void LiveStream::on_record(media::Record record, base::WallTime signed_at) {
  std::visit(Overloaded{
                 [&](media::InitSegment& init) { add(init); },
                 [&](media::MediaRecord& media) {
                   if (media.init) add(*media.init);
                   add(media.chunk);
                   lag_.record(media.chunk.captured, signed_at, net::wall_now());
                 },
                 [&](media::Catalog& catalog) {
                   if (catalog.title.empty() || catalog.title == title()) return;
                   swarm::Link link = parsed_link();
                   link.title = catalog.title.substr(0, swarm::kMaxLinkTitleSize);
                   set_link(std::move(link));
                 },
                 [&](media::StreamEnd& last) {
                   recorded_files_ = std::move(last.files);
                   end();
                 },
             },
             record.content);
}

void LiveStream::on_made(const media::MediaChunk& chunk) {
  add(chunk);
  const base::WallTime now = net::wall_now();
  lag_.record(chunk.captured, now, now);
}

void LiveStream::add(const media::InitSegment& init) {
  timeline_.add(init);
  if (recording_) recorded(recording_->begin(init));
}

void LiveStream::add(const media::MediaChunk& chunk) {
  timeline_.add(chunk);
  if (recording_) recorded(recording_->add(chunk));
}

bool LiveStream::playable() const {
  const auto& segments = timeline_.segments();
  return !segments.empty() && !segments.front().parts.empty();
}

std::string LiveStream::state_word() const {
  if (timeline_.ended()) return "ended";
  if (playable()) return "playing";
  return role() == "watch" && swarm_state().peers.empty() ? "connecting" : "waiting for media";
}

// None once it has ended: then nothing is live that one could be behind.
std::optional<double> LiveStream::lag_s() const {
  const auto newest = timeline_.newest_captured();
  if (timeline_.ended() || !newest) return std::nullopt;
  return std::max(0.0, static_cast<double>((net::wall_now() - *newest).count()) / 1e6);
}

std::optional<unsigned> LiveStream::place() const {
  constexpr double kServed = 5;   // seconds behind: pull brings what there is then
  const auto& push = swarm_state().push;
  if (!push || timeline_.ended() || lag_s().value_or(kServed) < kServed) return std::nullopt;
  return push->place;
}

void LiveStream::fill(player::StreamStatus& status) const {
  status.buffer_s = static_cast<double>(timeline_.buffered().count()) / 1e6;
  status.lag_s = lag_s();
  if (!timeline_.ended()) status.lag_parts = lag_.parts();
}

}  // namespace runnel::node
