#include "node/live_source.hpp"

#include <memory>

#include "base/log.hpp"
#include "net/clock.hpp"

namespace runnel::node {

LiveSource::LiveSource(net::EngineLoop& loop, LiveHost& host, LiveStream& stream, ChannelKey key)
    : loop_(loop),
      host_(host),
      stream_(stream),
      key_(std::move(key)),
      state_(key_.state()),
      epoch_offset_(state_.last_index ? state_.epoch + 1 : 0),
      indexer_(tree::kDefaultMunroWidth, swarm::kDefaultChunkSize, state_.last_index) {
  if (state_.last_index) writer_.resume(state_.epoch, media::kNoIndependent);
}

void LiveSource::publish(base::Bytes record, tree::ChunkIndex first) {
  indexer_.advance(first, record.size());
  loop_.post([&host = host_, first, now = net::wall_now(), record = std::make_shared<const base::Bytes>(std::move(record))] {
    host.publish(first, *record, now);
  });
}

void LiveSource::on_init(media::InitSegment init) {
  init.epoch += epoch_offset_;
  state_.epoch = init.epoch;
  if (!media::fits_record(init)) {
    base::log_error("cast", "the source's codec parameters are larger than any that are known: nothing of this epoch is sent");
    return;
  }
  const base::WallTime now = net::wall_now();
  publish(writer_.init(init, now), indexer_.start_at(now));
  stream_.add(init);
  began_ = true;
  remember();
}

void LiveSource::on_chunk(media::MediaChunk chunk) {
  if (!began_) return;
  chunk.epoch += epoch_offset_;
  const tree::ChunkIndex first = indexer_.start_at(net::wall_now());
  if (auto record = writer_.media(chunk, first.value())) {
    publish(std::move(*record), first);
  } else if (!told_too_large_) {
    told_too_large_ = true;
    base::log_warn("cast", "a chunk of the source is too large for a record and was left out: lower the bit rate");
  }
  stream_.add(chunk);
}

void LiveSource::on_end() {
  if (began_) {
    const base::WallTime now = net::wall_now();
    publish(writer_.end(media::StreamEnd{}, now), indexer_.start_at(now));
  }
  stream_.end();
}

void LiveSource::on_tick() {
  const base::Time now = net::steady_now();
  if (began_ && now - last_catalog_ >= kCatalogInterval) {
    last_catalog_ = now;
    const base::WallTime wall = net::wall_now();
    publish(writer_.catalog({stream_.title(), {}}, wall), indexer_.start_at(wall));
  }
  if (now - last_remembered_ >= kRememberInterval) remember();
}

void LiveSource::remember_ports(std::uint16_t listen, std::uint16_t http, std::uint16_t tracker) {
  state_.listen_port = listen;
  state_.http_port = http;
  state_.tracker_port = tracker;
  remember();
}

void LiveSource::remember() {
  last_remembered_ = net::steady_now();
  if (const auto last = indexer_.last_used()) state_.last_index = tree::ChunkIndex{last->value() + kReserve};
  if (const auto kept = key_.remember(state_); !kept) base::log_warn("cast", kept.error());
}

void LiveSource::close() {
  if (const auto last = indexer_.last_used()) state_.last_index = last;
  if (const auto kept = key_.remember(state_); !kept) base::log_warn("cast", kept.error());
}

}  // namespace runnel::node
