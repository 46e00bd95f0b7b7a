// The source's side of a live channel: CMAF chunks become records, records get their indices and go to the engine.
#pragma once
#include <functional>
#include <memory>
#include <optional>

#include "core/swarm/content.hpp"
#include "media/record.hpp"
#include "media/sessions.hpp"
#include "node/channel_key.hpp"
#include "node/live_host.hpp"
#include "node/live_stream.hpp"

namespace runnel::node {

// Service thread; `host` belongs to the engine's thread and is reached by posting.
class LiveSource {
 public:
  static constexpr base::Duration kCatalogInterval = std::chrono::seconds{10};   // docs/STREAM.md
  static constexpr base::Duration kRememberInterval = std::chrono::seconds{5};
  // Indices kept free ahead of what is written down: more than are used between two writes, even with a fast clock.
  static constexpr std::uint64_t kReserve = 60 * swarm::kLiveIndicesPerSecond;

  LiveSource(net::EngineLoop& loop, LiveHost& host, LiveStream& stream, ChannelKey key);

  void on_init(media::InitSegment init);
  void on_chunk(media::MediaChunk chunk);
  void on_end();
  // Each second or so: the catalog, and what must survive a restart.
  void on_tick();
  // Ports that the next run should use again.
  void remember_ports(std::uint16_t listen, std::uint16_t http, std::uint16_t tracker);
  [[nodiscard]] const ChannelKey& key() const { return key_; }
  void close();

 private:
  void publish(base::Bytes record, tree::ChunkIndex first);
  void remember();

  net::EngineLoop& loop_;
  LiveHost& host_;
  LiveStream& stream_;
  ChannelKey key_;
  ChannelState state_;
  std::uint32_t epoch_offset_ = 0;   // added to the ingest's epochs: they begin at 0 in each run
  media::RecordWriter writer_;
  swarm::LiveIndexer indexer_;
  base::Time last_catalog_{};
  base::Time last_remembered_{};
  bool began_ = false;
  bool told_too_large_ = false;
};

}  // namespace runnel::node
