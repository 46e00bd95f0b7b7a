#include "core/swarm/content.hpp"

#include <gtest/gtest.h>

#include "core/tree/memory_node_store.hpp"
#include "crypto/openssl.hpp"

namespace runnel::swarm {
namespace {

using tree::Bin;
using tree::ChunkIndex;
using tree::HashInbox;
using tree::LeafCheck;

class StaticContents : public testing::TestWithParam<crypto::HashAlgorithm> {
 protected:
  // A file of two chunks, of which no more is known than its id.
  const std::unique_ptr<crypto::Hasher> hasher = crypto::make_hasher(GetParam());
  const base::Bytes first = base::Bytes(kDefaultChunkSize, std::byte{1});
  const base::Bytes second = base::Bytes(700, std::byte{2});
  const crypto::Digest left = hasher->hash(first);
  const crypto::Digest right = hasher->hash(second);
  const crypto::Digest root = hasher->hash_pair(left, right);
  tree::MemoryNodeStore nodes;
  Metadata metadata = named_by(root);
  StaticContent content{metadata, {&nodes, hasher.get(), nullptr, nullptr}};

  static Metadata named_by(const crypto::Digest& id) {
    Metadata out;
    out.id = base::to_bytes(id.view());
    out.hash = GetParam();
    return out;
  }
  base::Bytes root_unhashed() const {
    base::Bytes joined = base::to_bytes(left.view());
    base::Writer{joined}.write_view(right.view());
    return joined;
  }
};

INSTANTIATE_TEST_SUITE_P(Hashes, StaticContents, testing::ValuesIn(crypto::kHashAlgorithms),
                         [](const auto& tested) { return std::string{crypto::name(tested.param)}; });

TEST_P(StaticContents, are_found_by_their_peaks_and_last_chunk) {
  HashInbox inbox;
  const std::vector<tree::NodeHash> peaks{{Bin::leaf(ChunkIndex{0}).parent(), root}};
  ASSERT_TRUE(content.offer(peaks, inbox));
  const std::vector<tree::NodeHash> uncles{{Bin::leaf(ChunkIndex{0}), left}};
  ASSERT_TRUE(content.offer(uncles, inbox));
  EXPECT_EQ(content.check(ChunkIndex{1}, second, inbox), LeafCheck::verified);
  EXPECT_EQ(content.bytes(), kDefaultChunkSize + 700);
}

// RFC 7574 5.1 hashes leaves and nodes alike, so what the root is the hash of would pass as the file.
TEST_P(StaticContents, are_never_the_roots_two_children_joined) {
  HashInbox inbox;
  EXPECT_EQ(content.check(ChunkIndex{0}, root_unhashed(), inbox), LeafCheck::missing_hashes);
  EXPECT_FALSE(content.bytes());
}

TEST_P(StaticContents, are_never_the_roots_two_children_joined_when_a_peak_says_that_there_is_one_chunk) {
  HashInbox inbox;
  const std::vector<tree::NodeHash> peaks{{Bin::leaf(ChunkIndex{0}), root}};
  ASSERT_TRUE(content.offer(peaks, inbox));
  EXPECT_NE(content.check(ChunkIndex{0}, root_unhashed(), inbox), LeafCheck::verified);
  EXPECT_FALSE(content.bytes());
}

TEST_P(StaticContents, of_a_single_chunk_need_no_hashes) {
  const base::Bytes bytes(100, std::byte{3});
  const Metadata single = named_by(hasher->hash(bytes));
  StaticContent small{single, {&nodes, hasher.get(), nullptr, nullptr}};
  HashInbox inbox;
  EXPECT_EQ(small.check(ChunkIndex{0}, bytes, inbox), LeafCheck::verified);
  EXPECT_EQ(small.bytes(), 100U);
}

TEST_P(StaticContents, of_two_hashes_are_taken_where_the_link_tells_the_size) {
  Metadata sized = named_by(root);
  sized.content_bytes = 2 * root.size();
  StaticContent exact{sized, {&nodes, hasher.get(), nullptr, nullptr}};
  HashInbox inbox;
  EXPECT_EQ(exact.check(ChunkIndex{0}, root_unhashed(), inbox), LeafCheck::verified);
}

}  // namespace
}  // namespace runnel::swarm
