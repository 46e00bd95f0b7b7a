#include "node/transport_source.hpp"

#include <algorithm>
#include <utility>

namespace runnel::node {
namespace {

constexpr std::uint64_t kWidth = tree::kDefaultMunroWidth;
constexpr std::size_t kMunroBytes = kWidth * swarm::kDefaultCompatChunkSize;

// A caster that starts again goes on behind what it has used, as with records: viewers take it for the same stream, and nothing is signed
// twice for one place.
std::uint64_t first_free(const ChannelState& state) {
  return state.last_compat_index ? (state.last_compat_index->value() / kWidth + 1) * kWidth : 0;
}

}  // namespace

TransportSource::TransportSource(LiveOutlet outlet, ChannelKey key, Setup setup)
    : LiveSource(outlet, std::move(key)),
      on_error_(std::move(setup.on_error)),
      timer_(setup.io),
      filler_(kMunroBytes),
      next_(first_free(state())) {
  media::TsEvents events;
  events.on_packets = [this](const std::shared_ptr<const base::Bytes>& packets, bool) { on_packets(*packets); };
  events.on_error = on_error_;
  ts_ = media::start_ts(setup.io, std::move(setup.helper), std::move(events));
}

void TransportSource::on_init(media::InitSegment init) {
  if (ts_) ts_->feed(init);
  stream().add(init);
  remember();
}

void TransportSource::on_chunk(media::MediaChunk chunk) {
  if (ts_) ts_->feed(chunk);
  stream().add(chunk);
}

void TransportSource::on_packets(base::ByteView packets) {
  filler_.add(packets);
  while (auto munro = filler_.take()) publish_munro(std::move(*munro));
  if (filler_.waits() && !timed_) fill_later();
}

// By the first byte that waits when the time is set; those that come meanwhile wait less.
void TransportSource::fill_later() {
  timed_ = true;
  timer_.expires_after(kLongestWait);
  timer_.async_wait([this](const boost::system::error_code& cancelled) {
    if (cancelled) return;
    timed_ = false;
    if (auto munro = filler_.fill()) publish_munro(std::move(*munro));
  });
}

void TransportSource::publish_munro(base::Bytes munro) {
  if (failed_) return;
  if (next_ + kWidth > kIndices) {
    failed_ = true;
    on_error_("this channel has sent the 4 TiB that older peers can number: cast with another key");
    return;
  }
  publish(std::move(munro), tree::ChunkIndex{next_});
  next_ += kWidth;
}

void TransportSource::on_end() {
  if (auto munro = filler_.fill()) publish_munro(std::move(*munro));
  stream().end();
}

void TransportSource::close() {
  LiveSource::close();
  timer_.cancel();
  ts_.reset();
}

void TransportSource::note_used(ChannelState& state, bool reserve) const {
  const std::uint64_t used = std::min(next_ + (reserve ? kReserve : 0), kIndices);
  state.last_compat_index = used > 0 ? std::optional{tree::ChunkIndex{used - 1}} : std::nullopt;
}

}  // namespace runnel::node
