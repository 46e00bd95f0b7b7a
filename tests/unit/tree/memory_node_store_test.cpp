#include "core/tree/memory_node_store.hpp"

#include <gtest/gtest.h>

#include <map>

#include "base/rng.hpp"
#include "core/tree/munro.hpp"
#include "crypto/openssl.hpp"

namespace runnel::tree {
namespace {

crypto::Digest digest(std::uint64_t number) { return crypto::hash(crypto::HashAlgorithm::sha256, base::as_bytes(std::to_string(number))); }

TEST(MemoryNodeStore, HoldsWhatWasPutLast) {
  MemoryNodeStore nodes;
  EXPECT_EQ(nodes.get(Bin{5}), std::nullopt);
  nodes.put(Bin{5}, digest(1));
  nodes.put(Bin{5}, digest(2));
  EXPECT_EQ(nodes.get(Bin{5}), digest(2));
  EXPECT_EQ(nodes.get(Bin{6}), std::nullopt) << "its neighbour";
  EXPECT_EQ(nodes.size(), 1U);
}

// Bins that are far apart, in turn put and dropped with all below them, beside a plain map.
TEST(MemoryNodeStore, IsLikeAMap) {
  constexpr std::uint64_t kSeed = 11;
  base::Rng rng{kSeed};
  MemoryNodeStore nodes;
  std::map<std::uint64_t, crypto::Digest> expected;
  for (int step = 0; step < 5'000; ++step) {
    const Bin bin = Bin::at(static_cast<unsigned>(rng.below(8)), rng.below(16));
    if (rng.below(8) == 0) {
      nodes.drop(bin);
      std::erase_if(expected, [&](const auto& node) { return bin.contains(Bin{node.first}); });
    } else {
      nodes.put(bin, digest(static_cast<std::uint64_t>(step)));
      expected.insert_or_assign(bin.number(), digest(static_cast<std::uint64_t>(step)));
    }
    ASSERT_EQ(nodes.size(), expected.size()) << "seed " << kSeed << ", step " << step;
  }
  for (std::uint64_t number = 0; number < 8'192; ++number) {
    const auto it = expected.find(number);
    EXPECT_EQ(nodes.get(Bin{number}), it == expected.end() ? std::nullopt : std::optional{it->second}) << number;
  }
}

TEST(MemoryNodeStore, AMunroGoesWhole) {
  const auto hasher = crypto::make_hasher(crypto::HashAlgorithm::sha256);
  MemoryNodeStore nodes;
  const Bin first = munro_of(ChunkIndex{1'000'000}, kDefaultMunroWidth);
  const Bin second = munro_of(ChunkIndex{1'000'032}, kDefaultMunroWidth);
  const std::vector<crypto::Digest> leaves{digest(1), digest(2), digest(3)};
  const crypto::Digest hash = build_munro(nodes, *hasher, first, leaves);
  static_cast<void>(build_munro(nodes, *hasher, second, leaves));
  EXPECT_EQ(nodes.get(first), hash);
  EXPECT_EQ(nodes.size(), 2 * (2 * kDefaultMunroWidth - 1));
  nodes.drop(first);
  EXPECT_EQ(nodes.get(first), std::nullopt);
  EXPECT_EQ(nodes.get(second), hash) << "the same leaves";
  EXPECT_EQ(nodes.size(), 2 * kDefaultMunroWidth - 1);
}

}  // namespace
}  // namespace runnel::tree
