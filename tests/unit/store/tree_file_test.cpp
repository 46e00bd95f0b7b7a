#include "store/tree_file.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include "fixtures.hpp"

namespace runnel::store::test {
namespace {

TreeFile open_tree(const std::filesystem::path& path, std::size_t digest_bytes = 32, std::size_t pages = 8, bool read_only = false) {
  auto file = File::open(path, OpenMode::create);
  if (!file) throw std::runtime_error(message(file.error()));
  return TreeFile(std::move(*file), digest_bytes, read_only, pages);
}

crypto::Digest digest(std::uint64_t seed, std::size_t size = 32) { return crypto::Digest{random_bytes(size, seed)}; }

TEST(TreePageLayout, fills_a_page_without_overlap) {
  for (const std::size_t size : {20U, 28U, 32U, 48U, 64U}) {
    const TreePageLayout layout(size);
    const std::size_t bitmap_end = TreePageLayout::kHeaderBytes + (layout.nodes_per_page + 7) / 8;
    EXPECT_LE(bitmap_end, layout.digest_offset(layout.nodes_per_page - 1)) << size;
  }
  // docs/STORE.md names them.
  EXPECT_EQ(TreePageLayout(20).nodes_per_page, 202U);
  EXPECT_EQ(TreePageLayout(28).nodes_per_page, 145U);
  EXPECT_EQ(TreePageLayout(32).nodes_per_page, 127U);
  EXPECT_EQ(TreePageLayout(48).nodes_per_page, 84U);
  EXPECT_EQ(TreePageLayout(64).nodes_per_page, 63U);
}

TEST(TreeFile, keeps_zero_hashes_apart_from_missing_ones) {
  TempFolder folder;
  TreeFile tree = open_tree(folder / "tree");
  EXPECT_FALSE(tree.get(Bin{6}));
  tree.put(Bin{6}, crypto::Digest{32});
  EXPECT_EQ(tree.get(Bin{6}), crypto::Digest{32});
}

RC_GTEST_PROP(TreeFileProperty, gives_back_what_was_put_through_few_pages_and_after_reopening, ()) {
  TempFolder folder;
  const std::size_t size = *rc::gen::element<std::size_t>(20, 32, 48, 64);
  const auto bins = *rc::gen::container<std::vector<std::uint64_t>>(
      rc::gen::oneOf(rc::gen::inRange<std::uint64_t>(0, 5000), rc::gen::inRange<std::uint64_t>(0, 1ULL << 36)));
  {
    TreeFile tree = open_tree(folder / "tree", size, 3);
    for (const std::uint64_t bin : bins) tree.put(Bin{bin}, digest(bin, size));
    for (const std::uint64_t bin : bins) RC_ASSERT(tree.get(Bin{bin}) == digest(bin, size));
    RC_ASSERT(tree.flush().has_value());
  }
  TreeFile tree = open_tree(folder / "tree", size, 2, true);
  for (const std::uint64_t bin : bins) RC_ASSERT(tree.get(Bin{bin}) == digest(bin, size));
  RC_ASSERT(tree.damaged_pages() == 0U);
}

RC_GTEST_PROP(TreeFileProperty, a_torn_page_is_an_empty_page, ()) {
  TempFolder folder;
  {
    TreeFile tree = open_tree(folder / "tree");
    for (std::uint64_t bin = 0; bin < 300; ++bin) tree.put(Bin{bin}, digest(bin));
    RC_ASSERT(tree.flush().has_value());
  }
  // The second page: some of its bytes are of another write.
  const auto from = *rc::gen::inRange<std::uint64_t>(0, 4000);
  const auto length = *rc::gen::inRange<std::uint64_t>(1, 96);
  overwrite(folder / "tree", 4096 + from, random_bytes(length, *rc::gen::arbitrary<std::uint64_t>()));
  TreeFile tree = open_tree(folder / "tree");
  const bool damaged = !tree.get(Bin{130});
  for (std::uint64_t bin = 0; bin < 300; ++bin) {
    const auto got = tree.get(Bin{bin});
    if (damaged && bin >= 127 && bin < 254) {
      RC_ASSERT(!got.has_value());
    } else {
      RC_ASSERT(got == digest(bin));
    }
  }
  RC_ASSERT(tree.damaged_pages() == (damaged ? 1U : 0U));
  tree.put(Bin{130}, digest(130));
  RC_ASSERT(tree.flush().has_value());
  RC_ASSERT(open_tree(folder / "tree").get(Bin{130}) == digest(130));
}

TEST(TreeFile, a_page_in_the_wrong_place_is_not_believed) {
  TempFolder folder;
  {
    TreeFile tree = open_tree(folder / "tree");
    for (std::uint64_t bin = 0; bin < 254; ++bin) tree.put(Bin{bin}, digest(bin));
    ASSERT_TRUE(tree.flush());
  }
  const Bytes all = read_file(folder / "tree");
  overwrite(folder / "tree", 4096, ByteView{all}.first(4096));
  TreeFile tree = open_tree(folder / "tree");
  EXPECT_TRUE(tree.get(Bin{3}));
  EXPECT_FALSE(tree.get(Bin{127}));
}

}  // namespace
}  // namespace runnel::store::test
