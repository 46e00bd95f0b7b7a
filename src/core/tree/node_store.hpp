// Where verified tree nodes are kept. Reached synchronously (docs/adr/0001): the core asks, something outside holds.
#pragma once
#include <optional>

#include "core/tree/types.hpp"
#include "crypto/hash.hpp"

namespace runnel::tree {

// One swarm's nodes. Called by the engine's owner alone. Holds verified hashes only: what comes back from get() is
// trusted, so an implementation that keeps them on disk must not return a node that a crash may have torn.
class NodeStore {
 public:
  virtual ~NodeStore() = default;
  [[nodiscard]] virtual std::optional<crypto::Digest> get(Bin bin) = 0;
  virtual void put(Bin bin, const crypto::Digest& hash) = 0;
  // Forgets `bin` and all below it. Stores that never run full (a file's) need not.
  virtual void drop(Bin) {}
};

}  // namespace runnel::tree
