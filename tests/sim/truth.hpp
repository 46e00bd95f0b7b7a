// What the content of a swarm really is: the judge of every byte that a node stores or sends. One copy for all nodes.
#pragma once
#include <bitset>
#include <deque>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include <boost/unordered/unordered_flat_map.hpp>

#include "base/rng.hpp"
#include "base/time.hpp"
#include "core/swarm/metadata.hpp"
#include "core/tree/memory_node_store.hpp"
#include "core/tree/types.hpp"
#include "core/wire/types.hpp"
#include "sim/crypto_kit.hpp"

namespace runnel::sim {

class Truth {
 public:
  virtual ~Truth() = default;
  // nullopt: there is no such chunk. The view lives as long as the truth.
  [[nodiscard]] virtual std::optional<base::ByteView> chunk(tree::ChunkIndex index) const = 0;
  [[nodiscard]] const swarm::Metadata& metadata() const { return metadata_; }
  // How to read the swarm's messages.
  [[nodiscard]] wire::Format format() const;
  // The true hash tree, as the origin of the content made it.
  [[nodiscard]] tree::MemoryNodeStore& nodes() { return nodes_; }

 protected:
  swarm::Metadata metadata_;
  tree::MemoryNodeStore nodes_;
};

// Pseudo-random bytes.
class FileTruth final : public Truth {
 public:
  FileTruth(std::uint64_t bytes, std::uint32_t chunk_size, const CryptoKit& crypto, base::Rng rng);
  [[nodiscard]] std::optional<base::ByteView> chunk(tree::ChunkIndex index) const override;
  [[nodiscard]] std::uint64_t bytes() const { return content_.size(); }
  [[nodiscard]] std::uint64_t chunks() const { return (bytes() + metadata_.chunk_size - 1) / metadata_.chunk_size; }

 private:
  base::Bytes content_;
};

// Records as they were published; each takes one munro or more, the first chunk of each munro at its start.
class LiveTruth final : public Truth {
 public:
  struct Munro {
    tree::ChunkIndex first;
    std::size_t chunks = 0;
    std::size_t record = 0;          // its number, from 0
    base::Time published;            // when the record was complete at the source
  };
  struct Record {
    base::Bytes bytes;
    tree::ChunkIndex first;
    tree::ChunkIndex independent;    // where the newest independent record began: what its header says
    base::Time published;
  };
  LiveTruth(const CryptoKit& crypto, std::uint32_t chunk_size, std::uint64_t window_chunks);

  [[nodiscard]] std::optional<base::ByteView> chunk(tree::ChunkIndex index) const override;
  // A record of so many pseudo-random bytes. The reference lives as long as the truth.
  const Record& publish(tree::ChunkIndex first, std::size_t bytes, bool independent, base::Time now, base::Rng& rng);
  [[nodiscard]] const std::deque<Record>& records() const { return records_; }
  // In the order of publication.
  [[nodiscard]] const std::vector<Munro>& munros() const { return munros_; }
  // The position in munros() of the one that holds `index`.
  [[nodiscard]] std::optional<std::size_t> munro_at(tree::ChunkIndex index) const;
  [[nodiscard]] std::uint64_t bytes() const { return bytes_; }

 private:
  std::deque<Record> records_;
  std::vector<Munro> munros_;
  std::unordered_map<std::uint64_t, std::size_t> by_number_;   // munro number -> position
  std::uint64_t bytes_ = 0;
};

// One node's hash tree: only which nodes it trusts, since all true nodes look alike. What it trusts and is not true is kept
// and counted.
class TruthNodeStore final : public tree::NodeStore {
 public:
  // `origin`: what this node puts is the truth.
  TruthNodeStore(tree::MemoryNodeStore& truth, bool origin) : truth_(truth), origin_(origin) {}
  std::optional<crypto::Digest> get(tree::Bin bin) override;
  void put(tree::Bin bin, const crypto::Digest& hash) override;
  void drop(tree::Bin bin) override;
  void trust_everything() { all_ = true; }
  [[nodiscard]] std::uint64_t false_nodes() const { return false_nodes_; }

 private:
  [[nodiscard]] bool knows(tree::Bin bin) const;

  tree::MemoryNodeStore& truth_;
  bool origin_;
  bool all_ = false;
  // Bins by number, which stand close together in a live window: a seventh of what a set of them takes.
  static constexpr std::uint64_t kPage = 512;
  boost::unordered_flat_map<std::uint64_t, std::bitset<kPage>> known_;
  tree::MemoryNodeStore lies_;
  std::uint64_t false_nodes_ = 0;
};

}  // namespace runnel::sim
