// What the engine's thread keeps for one swarm: its chunks and its tree.
#pragma once
#include <optional>
#include <vector>

#include "core/swarm/io.hpp"
#include "net/engine_loop.hpp"

namespace runnel::node {

// Engine's thread only.
class SwarmHost {
 public:
  virtual ~SwarmHost() = default;
  // As net::EngineClient says.
  virtual bool load(tree::ChunkRange range, base::Bytes& buffer, std::vector<base::ByteView>& chunks, base::Time now) = 0;
  virtual void store(std::span<const tree::ChunkRun> runs, base::Time now) = 0;
  virtual void on_event(const swarm::Event& event, base::Time now) = 0;
  // Work that is due; when to call again at the latest.
  virtual std::optional<base::Time> on_idle(base::Time now) = 0;
  // Everything to disk; the last call.
  virtual void close() = 0;
};

}  // namespace runnel::node
