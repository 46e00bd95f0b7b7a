#include "core/tree/hash_tree.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include "base/rng.hpp"
#include "core/tree/memory_node_store.hpp"
#include "core/tree/munro.hpp"
#include "crypto/openssl.hpp"

namespace runnel::tree {
namespace {

using crypto::Digest;

// A static swarm of n small chunks, whole tree known.
struct Content {
  explicit Content(std::uint64_t n, crypto::HashAlgorithm algorithm = crypto::HashAlgorithm::sha256)
      : hasher(crypto::make_hasher(algorithm)), tree(nodes, *hasher), chunks(n) {
    std::vector<NodeHash> level;
    for (std::uint64_t i = 0; i < HashTree::root_bin(n).range().count(); ++i) {
      level.push_back({Bin::leaf(ChunkIndex{i}), i < n ? leaf(i) : Digest{crypto::digest_size(algorithm)}});
    }
    while (level.size() > 1) {
      std::vector<NodeHash> above;
      for (std::size_t i = 0; i < level.size(); i += 2) {
        nodes.put(level[i].bin, level[i].hash);
        nodes.put(level[i + 1].bin, level[i + 1].hash);
        above.push_back({level[i].bin.parent(), parent_of(*hasher, level[i].hash, level[i + 1].hash)});
      }
      level = std::move(above);
    }
    root = level[0].hash;
    tree.set_content(n, root);
  }
  Digest leaf(std::uint64_t i) { return hasher->hash(base::as_bytes("chunk " + std::to_string(i))); }

  MemoryNodeStore nodes;
  std::unique_ptr<crypto::Hasher> hasher;
  HashTree tree;
  std::uint64_t chunks;
  Digest root;
};

struct Receiver {
  explicit Receiver(const Content& content) : hasher(crypto::make_hasher(content.hasher->algorithm())), tree(nodes, *hasher) {
    tree.set_content(content.chunks, content.root);
  }
  MemoryNodeStore nodes;
  std::unique_ptr<crypto::Hasher> hasher;
  HashTree tree;
};

TEST(Bin, numbers_are_those_of_the_rfc) {
  // RFC 7574 4.2 and 5.6.1: seven chunks have the peaks 3, 9 and 12.
  EXPECT_EQ(Bin::leaf(ChunkIndex{4}).number(), 8U);
  EXPECT_EQ(Bin::at(1, 0).number(), 1U);
  EXPECT_EQ(Bin::at(2, 1).number(), 11U);
  const auto peaks = HashTree::peaks(7);
  ASSERT_EQ(peaks.size(), 3U);
  EXPECT_EQ(peaks[0].number(), 3U);
  EXPECT_EQ(peaks[1].number(), 9U);
  EXPECT_EQ(peaks[2].number(), 12U);
  EXPECT_EQ(HashTree::root_bin(7).number(), 7U);
}

TEST(HashTree, asks_for_the_uncles_of_the_rfcs_example) {
  // RFC 7574 5.2: of seven chunks, chunk 4 needs the nodes 10, 13 and 3.
  Content content{7};
  std::vector<NodeHash> proof;
  ASSERT_TRUE(uncles(content.tree, ChunkIndex{4}, HashTree::root_bin(7), [](ChunkRange) { return false; }, proof));
  ASSERT_EQ(proof.size(), 3U);
  EXPECT_EQ(proof[0].bin.number(), 3U);
  EXPECT_EQ(proof[1].bin.number(), 13U);
  EXPECT_EQ(proof[2].bin.number(), 10U);
}

RC_GTEST_PROP(HashTree, any_order_of_chunks_verifies_with_the_least_proofs, ()) {
  const auto n = *rc::gen::inRange<std::uint64_t>(1, 70);
  Content content{n};
  Receiver receiver{content};
  std::vector<std::uint64_t> order(n);
  for (std::uint64_t i = 0; i < n; ++i) order[i] = i;
  base::Rng rng{*rc::gen::arbitrary<std::uint64_t>()};
  std::shuffle(order.begin(), order.end(), rng);
  std::vector<bool> got(HashTree::root_bin(n).range().count());
  const auto has = [&](ChunkRange r) {
    for (std::uint64_t i = r.first.value(); i <= r.last.value() && i < got.size(); ++i) {
      if (got[i]) return true;
    }
    return false;
  };
  for (const std::uint64_t i : order) {
    std::vector<NodeHash> proof;
    RC_ASSERT(uncles(content.tree, ChunkIndex{i}, HashTree::root_bin(n), has, proof));
    HashInbox inbox;
    for (const NodeHash& node : proof) inbox.offer(node.bin, node.hash);
    RC_ASSERT(receiver.tree.verify_leaf(ChunkIndex{i}, content.leaf(i), inbox) == LeafCheck::verified);
    got[i] = true;
  }
}

TEST(HashTree, a_false_chunk_or_hash_never_passes) {
  Content content{13};
  for (std::uint64_t i = 0; i < 13; ++i) {
    std::vector<NodeHash> proof;
    ASSERT_TRUE(uncles(content.tree, ChunkIndex{i}, HashTree::root_bin(13), [](ChunkRange) { return false; }, proof));
    HashInbox honest;
    for (const NodeHash& node : proof) honest.offer(node.bin, node.hash);
    Receiver receiver{content};
    EXPECT_EQ(receiver.tree.verify_leaf(ChunkIndex{i}, content.leaf(i + 1), honest), LeafCheck::mismatch);
    for (std::size_t bad = 0; bad < proof.size(); ++bad) {
      if (proof[bad].bin.range().first.value() >= 13) continue;   // known to be zero: an offer for it is not looked at
      HashInbox inbox;
      for (std::size_t k = 0; k < proof.size(); ++k) inbox.offer(proof[k].bin, k == bad ? content.leaf(99) : proof[k].hash);
      EXPECT_EQ(receiver.tree.verify_leaf(ChunkIndex{i}, content.leaf(i), inbox), LeafCheck::mismatch);
    }
    EXPECT_EQ(receiver.nodes.size(), 1U) << "nothing but the root may be trusted";
    EXPECT_EQ(receiver.tree.verify_leaf(ChunkIndex{i}, content.leaf(i), HashInbox{}), LeafCheck::missing_hashes);
  }
}

TEST(HashTree, a_block_of_leaf_hashes_is_checked_at_once) {
  Content content{100};
  Receiver receiver{content};
  for (const std::uint64_t block : {0U, 3U, 1U, 2U}) {
    const Bin top = Bin::at(5, block);
    HashInbox inbox;
    std::vector<NodeHash> proof;
    for (Bin node = top; node != HashTree::root_bin(100); node = node.parent())
      inbox.offer(node.sibling(), *content.tree.known(node.sibling()));
    std::vector<Digest> leaves;
    for (std::uint64_t i = 0; i < 32; ++i) leaves.push_back(*content.tree.known(Bin::leaf(ChunkIndex{block * 32 + i})));
    auto wrong = leaves;
    wrong[1] = content.leaf(77);
    EXPECT_EQ(receiver.tree.verify_leaves(top, wrong, inbox), LeafCheck::mismatch);
    EXPECT_EQ(receiver.tree.verify_leaves(top, leaves, inbox), LeafCheck::verified);
    for (std::uint64_t i = block * 32; i < block * 32 + 32 && i < 100; ++i) {
      EXPECT_EQ(receiver.tree.verify_leaf(ChunkIndex{i}, content.leaf(i), HashInbox{}), LeafCheck::verified);
    }
  }
}

RC_GTEST_PROP(HashTree, peaks_tell_the_size_and_only_the_true_one, ()) {
  const auto n = *rc::gen::inRange<std::uint64_t>(1, 200);
  Content content{n, crypto::HashAlgorithm::sha1};
  std::vector<NodeHash> peaks;
  for (const Bin bin : HashTree::peaks(n)) peaks.push_back({bin, *content.tree.known(bin)});
  MemoryNodeStore nodes;
  HashTree tree{nodes, *content.hasher};
  auto fewer = peaks;
  fewer.pop_back();
  RC_ASSERT(tree.learn_peaks(fewer, content.root) == std::nullopt);
  auto wrong = peaks;
  wrong.back().hash.mutable_view()[0] ^= std::byte{1};
  RC_ASSERT(tree.learn_peaks(wrong, content.root) == std::nullopt);
  RC_ASSERT(nodes.size() == 0U);
  RC_ASSERT(tree.learn_peaks(peaks, content.root) == n);
  // All that others need as uncles between the peaks and the root is known now.
  for (const Bin peak : HashTree::peaks(n)) {
    for (Bin node = peak; node != HashTree::root_bin(n); node = node.parent())
      RC_ASSERT(tree.known(node.sibling()) == content.tree.known(node.sibling()));
  }
}

TEST(HashInbox, keeps_the_newest_offers_within_its_limit) {
  HashInbox inbox;
  for (std::uint64_t i = 0; i < 10 * HashInbox::kMaxOffers; ++i) inbox.offer(Bin{i}, Digest{32});
  EXPECT_LE(inbox.size(), HashInbox::kMaxOffers);
  EXPECT_NE(inbox.find(Bin{10 * HashInbox::kMaxOffers - 1}), nullptr);
  EXPECT_EQ(inbox.find(Bin{0}), nullptr);
}

TEST(Munro, leaves_that_a_record_does_not_use_are_zero_and_proved_so) {
  const auto hasher = crypto::make_hasher(crypto::HashAlgorithm::sha256);
  MemoryNodeStore source;
  std::vector<Digest> leaves;
  for (int i = 0; i < 19; ++i) leaves.push_back(hasher->hash(base::as_bytes(std::to_string(i))));
  const Bin munro = munro_of(ChunkIndex{5 * 32 + 3}, 32);
  EXPECT_EQ(munro.range(), (ChunkRange{ChunkIndex{160}, ChunkIndex{191}}));
  const Digest root = build_munro(source, *hasher, munro, leaves);

  HashTree source_tree{source, *hasher};
  MemoryNodeStore sink;
  HashTree sink_tree{sink, *hasher};
  sink_tree.trust(munro, root);
  std::vector<NodeHash> proof;
  ASSERT_TRUE(uncles(source_tree, ChunkIndex{178}, munro, [](ChunkRange) { return false; }, proof));
  HashInbox inbox;
  for (const NodeHash& node : proof) inbox.offer(node.bin, node.hash);
  EXPECT_EQ(sink_tree.verify_leaf(ChunkIndex{178}, leaves[18], inbox), LeafCheck::verified);
  // The last chunk's own proof shows that nothing follows it.
  EXPECT_TRUE(sink_tree.known(Bin::leaf(ChunkIndex{179}))->is_zero());
  EXPECT_TRUE(sink_tree.known(Bin::at(2, 180 / 4))->is_zero());
  EXPECT_TRUE(sink_tree.known(Bin::at(3, 184 / 8))->is_zero());
}

}  // namespace
}  // namespace runnel::tree
