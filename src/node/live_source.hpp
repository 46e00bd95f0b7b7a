// The source's side of a live channel: CMAF chunks become what its swarm carries, get their indices and go to the engine.
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

// Where a source's bytes go: the engine's thread, reached by posting, and the stream that the caster's own players see.
struct LiveOutlet {
  net::EngineLoop& loop;
  LiveHost& host;   // of the engine's thread
  LiveStream& stream;
};

// Service thread.
class LiveSource {
 public:
  static constexpr base::Duration kRememberInterval = std::chrono::seconds{5};

  LiveSource(LiveOutlet outlet, ChannelKey key) : outlet_(outlet), key_(std::move(key)), state_(key_.state()) {}
  virtual ~LiveSource() = default;

  virtual void on_init(media::InitSegment init) = 0;
  virtual void on_chunk(media::MediaChunk chunk) = 0;
  virtual void on_end() = 0;
  // The stream has ended, and its recording is shared: viewers are told by an END, signed anew now and then (docs/STREAM.md).
  virtual void on_recorded(media::StreamEnd) {}
  // Each second or so: what must survive a restart.
  virtual void on_tick();
  // Ports that the next run should use again.
  void remember_ports(std::uint16_t listen, std::uint16_t http, std::uint16_t tracker);
  virtual void close();

 protected:
  // What was used is written into `state`, and `reserve` more: none of it is used again.
  virtual void note_used(ChannelState& state, bool reserve) const = 0;
  void publish(base::Bytes bytes, tree::ChunkIndex first);
  void remember(bool reserve = true);
  [[nodiscard]] LiveStream& stream() const { return outlet_.stream; }
  [[nodiscard]] ChannelState& state() { return state_; }

 private:
  LiveOutlet outlet_;
  ChannelKey key_;
  ChannelState state_;
  base::Time last_remembered_{};
};

// Records (docs/STREAM.md), at indices that tell the time.
class RecordSource final : public LiveSource {
 public:
  static constexpr base::Duration kCatalogInterval = std::chrono::seconds{10};   // docs/STREAM.md
  static constexpr base::Duration kEndInterval = std::chrono::seconds{10};
  // Indices kept free ahead of what is written down: more than are used between two writes, even with a fast clock.
  static constexpr std::uint64_t kReserve = 60 * swarm::kLiveIndicesPerSecond;

  RecordSource(LiveOutlet outlet, ChannelKey key);

  void on_init(media::InitSegment init) override;
  void on_chunk(media::MediaChunk chunk) override;
  void on_end() override;
  void on_recorded(media::StreamEnd end) override;
  void on_tick() override;

 protected:
  void note_used(ChannelState& state, bool reserve) const override;

 private:
  void publish_end();
  void publish_record(base::Bytes record, tree::ChunkIndex first);

  std::uint32_t epoch_offset_ = 0;   // added to the ingest's epochs: they begin at 0 in each run
  media::RecordWriter writer_;
  swarm::LiveIndexer indexer_;
  base::Time last_catalog_{};
  std::optional<media::StreamEnd> end_;   // since the stream has ended
  base::Time last_end_{};
  bool began_ = false;
  bool told_too_large_ = false;
};

}  // namespace runnel::node
