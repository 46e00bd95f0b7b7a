#include "node/live_source.hpp"

#include <memory>

#include "base/log.hpp"
#include "net/clock.hpp"

namespace runnel::node {

// ---- what all sources do --------------------------------------------------------------------------------------------

void LiveSource::publish(base::Bytes bytes, tree::ChunkIndex first) {
  outlet_.loop.post([&host = outlet_.host, first, now = net::wall_now(), bytes = std::make_shared<const base::Bytes>(std::move(bytes))] {
    host.publish(first, *bytes, now);
  });
}

void LiveSource::on_tick() {
  if (net::steady_now() - last_remembered_ >= kRememberInterval) remember();
}

void LiveSource::remember_ports(std::uint16_t listen, std::uint16_t http, std::uint16_t tracker) {
  state_.listen_port = listen;
  state_.http_port = http;
  state_.tracker_port = tracker;
  remember();
}

void LiveSource::remember(bool reserve) {
  last_remembered_ = net::steady_now();
  note_used(state_, reserve);
  if (const auto kept = key_.remember(state_); !kept) base::log_warn("cast", kept.error());
}

void LiveSource::close() { remember(false); }

// ---- records --------------------------------------------------------------------------------------------------------

RecordSource::RecordSource(LiveOutlet outlet, ChannelKey key)
    : LiveSource(outlet, std::move(key)),
      epoch_offset_(state().last_index ? state().epoch + 1 : 0),
      indexer_(tree::kDefaultMunroWidth, swarm::kDefaultChunkSize, state().last_index) {
  if (state().last_index) writer_.resume(state().epoch, media::kNoIndependent);
}

void RecordSource::publish_record(base::Bytes record, tree::ChunkIndex first) {
  indexer_.advance(first, record.size());
  writer_.follow(indexer_.last_used()->value());
  publish(std::move(record), first);
}

void RecordSource::on_init(media::InitSegment init) {
  init.epoch += epoch_offset_;
  state().epoch = init.epoch;
  if (!media::fits_record(init)) {
    base::log_error("cast", "the source's codec parameters are larger than any that are known: nothing of this epoch is sent");
    return;
  }
  const base::WallTime now = net::wall_now();
  publish_record(writer_.init(init, now), indexer_.start_at(now));
  stream().add(init);
  began_ = true;
  end_.reset();
  remember();
}

void RecordSource::on_chunk(media::MediaChunk chunk) {
  if (!began_) return;
  chunk.epoch += epoch_offset_;
  const tree::ChunkIndex first = indexer_.start_at(net::wall_now());
  if (auto record = writer_.media(chunk, first.value())) {
    publish_record(std::move(*record), first);
  } else if (!told_too_large_) {
    told_too_large_ = true;
    base::log_warn("cast", "a chunk of the source is too large for a record and was left out: lower the bit rate");
  }
  stream().on_made(chunk);
}

void RecordSource::on_end() {
  if (began_) {
    end_.emplace();
    publish_end();
  }
  stream().end();
}

void RecordSource::publish_end() {
  last_end_ = net::steady_now();
  const base::WallTime now = net::wall_now();
  publish_record(writer_.end(*end_, now), indexer_.start_at(now));
}

void RecordSource::on_recorded(media::StreamEnd end) {
  if (!end_) return;   // the publisher is back: the next END names these files as well
  end_ = std::move(end);
  publish_end();
}

void RecordSource::on_tick() {
  LiveSource::on_tick();
  const base::Time now = net::steady_now();
  if (end_) {
    // Without a recording the last minute is what the link still plays, and stays in the window.
    if (!end_->files.empty() && now - last_end_ >= kEndInterval) publish_end();
    return;
  }
  if (began_ && now - last_catalog_ >= kCatalogInterval) {
    last_catalog_ = now;
    const base::WallTime wall = net::wall_now();
    publish_record(writer_.catalog({stream().title(), {}}, wall), indexer_.start_at(wall));
  }
}

void RecordSource::note_used(ChannelState& state, bool reserve) const {
  if (const auto last = indexer_.last_used()) state.last_index = tree::ChunkIndex{last->value() + (reserve ? kReserve : 0)};
}

}  // namespace runnel::node
