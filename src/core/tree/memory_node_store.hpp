// Tree nodes in memory: live windows, small static swarms, the simulator.
#pragma once
#include <functional>

#include <boost/unordered/unordered_flat_map.hpp>

#include "core/tree/node_store.hpp"

namespace runnel::tree {

class MemoryNodeStore final : public NodeStore {
 public:
  std::optional<crypto::Digest> get(Bin bin) override {
    const auto it = nodes_.find(bin);
    return it == nodes_.end() ? std::nullopt : std::optional{it->second};
  }
  void put(Bin bin, const crypto::Digest& hash) override { nodes_.insert_or_assign(bin, hash); }
  void drop(Bin bin) override {
    if (!bin.is_leaf()) {
      drop(bin.left());
      drop(bin.right());
    }
    nodes_.erase(bin);
  }
  [[nodiscard]] std::size_t size() const { return nodes_.size(); }

 private:
  boost::unordered_flat_map<Bin, crypto::Digest, std::hash<Bin>> nodes_;
};

}  // namespace runnel::tree
