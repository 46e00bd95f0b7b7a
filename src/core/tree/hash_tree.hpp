// Merkle trees of RFC 7574 5 (static) and 6.1.2 (live, under signed munros): checking and proving chunks.
#pragma once
#include <algorithm>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "core/tree/node_store.hpp"
#include "core/tree/types.hpp"
#include "crypto/hash.hpp"

namespace runnel::tree {

struct NodeHash {
  Bin bin;
  crypto::Digest hash;
};

// hash(left ++ right), or zero if both are (RFC 7574 5.1).
crypto::Digest parent_of(crypto::Hasher& hasher, const crypto::Digest& left, const crypto::Digest& right);

// Hashes that one peer offered and nothing has confirmed yet. One per channel, so that a liar spoils only its own chunks.
class HashInbox {
 public:
  // Room for the uncles of a few blocks in flight; past it the oldest offers go.
  static constexpr std::size_t kMaxOffers = 256;

  void offer(Bin bin, const crypto::Digest& hash);
  [[nodiscard]] const crypto::Digest* find(Bin bin) const;
  void clear() { offers_.clear(); }
  [[nodiscard]] std::size_t size() const { return offers_.size(); }

 private:
  std::vector<NodeHash> offers_;   // in order of arrival; short, so searched from the back
};

enum class LeafCheck {
  verified,
  missing_hashes,   // an uncle is neither known nor offered: drop the chunk, without an ACK (RFC 7574 5.3)
  mismatch,         // the chunk or an offered hash is false
};

// The verified part of a swarm's hash tree. Nodes in the store are trusted: a static tree begins with its root, a live one
// with each munro whose signature held. One owner.
class HashTree {
 public:
  // `store` and `hasher` outlive the tree.
  HashTree(NodeStore& store, crypto::Hasher& hasher) : store_(store), hasher_(hasher) {}

  // Static content: from here on leaves at and past `chunks` are zero hashes (RFC 7574 5.1), and the root is trusted.
  void set_content(std::uint64_t chunks, const crypto::Digest& root);
  [[nodiscard]] std::optional<std::uint64_t> chunk_count() const { return chunks_; }
  // The lowest node above all leaves of a tree of `chunks` chunks.
  static Bin root_bin(std::uint64_t chunks);

  // A node that a signature vouches for (RFC 7574 6.1.2.1).
  void trust(Bin bin, const crypto::Digest& hash) { store_.put(bin, hash); }
  // Known, or zero because it lies past the content's end.
  [[nodiscard]] std::optional<crypto::Digest> known(Bin bin);

  // Climbs from a leaf to the first trusted node (RFC 7574 5.2) and, if it holds, trusts everything on the way.
  [[nodiscard]] LeafCheck verify_leaf(ChunkIndex index, const crypto::Digest& leaf, const HashInbox& inbox);
  // A full set of leaf hashes under an untrusted or trusted node: `leaves` are those of `block`, in order. When they hash up,
  // with the inbox's uncles, to a trusted node, all of them are trusted.
  [[nodiscard]] LeafCheck verify_leaves(Bin block, std::span<const crypto::Digest> leaves, const HashInbox& inbox);

  // The peaks of `chunks` chunks, widest first (RFC 7574 5.6.1).
  static std::vector<Bin> peaks(std::uint64_t chunks);
  // How many chunks a static swarm has, if these peaks hash up to `root` (RFC 7574 5.6.2). Then they are trusted, and the nodes
  // between them and the root with them; unless the size is known already and another.
  [[nodiscard]] std::optional<std::uint64_t> learn_peaks(std::span<const NodeHash> peaks, const crypto::Digest& root);

  [[nodiscard]] crypto::Hasher& hasher() { return hasher_; }

 private:
  struct Step {
    NodeHash node;
    NodeHash sibling;
  };
  static constexpr std::size_t kMaxHeight = 62;
  // Climbs from an untrusted node; nullopt: an uncle is missing. `first` tells whether the trusted node on top agrees.
  std::optional<bool> climb(NodeHash node, const HashInbox& inbox);

  NodeStore& store_;
  crypto::Hasher& hasher_;
  std::optional<std::uint64_t> chunks_;
  std::vector<Step> path_;                 // scratch of climb(), kept to avoid an allocation per chunk
  std::vector<NodeHash> level_;            // scratch of verify_leaves()
};

// The hashes that a receiver lacks for `index`, highest first (RFC 7574 5.3, 5.4), appended to `out`. `has(range)` tells
// whether the receiver holds any chunk of a range: then it knows that node. Climbs no further than `top`. False when a
// hash is missing here.
template <class Has>
[[nodiscard]] bool uncles(HashTree& tree, ChunkIndex index, Bin top, Has has, std::vector<NodeHash>& out) {
  const std::size_t start = out.size();
  for (Bin node = Bin::leaf(index); node != top; node = node.parent()) {
    const Bin sibling = node.sibling();
    if (has(sibling.range())) break;
    const auto hash = tree.known(sibling);
    if (!hash) return false;
    out.push_back({sibling, *hash});
  }
  std::reverse(out.begin() + static_cast<std::ptrdiff_t>(start), out.end());
  return true;
}

}  // namespace runnel::tree
