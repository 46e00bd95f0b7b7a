#include <gtest/gtest.h>

#include "fixtures.hpp"

namespace runnel::store::test {
namespace {

class Download : public ::testing::Test {
 protected:
  DownloadOptions options(const Content& content) {
    return {.file = folder_ / "film.bin", .root = content.root(), .chunk_size = content.chunk_size(), .size = content.bytes().size()};
  }
  std::unique_ptr<StaticStore> open(const Content& content) { return open(options(content)); }
  std::unique_ptr<StaticStore> open(const DownloadOptions& with) {
    auto store = StaticStore::open_download(with, hasher_, at_ms(0));
    if (!store) {
      ADD_FAILURE() << message(store.error());
      return nullptr;
    }
    return std::move(*store);
  }
  Fault open_fault(const DownloadOptions& with) {
    const auto store = StaticStore::open_download(with, hasher_, at_ms(0));
    if (store) {
      ADD_FAILURE() << "it opened";
      return Fault::io_failed;
    }
    EXPECT_FALSE(message(store.error()).empty());
    return store.error().fault;
  }

  TempFolder folder_;
  TestHasher hasher_;
};

TEST_F(Download, holds_what_was_written_and_nothing_else) {
  Content content(100'000, 1080, 1);
  auto store = open(content);
  ASSERT_TRUE(store);
  EXPECT_TRUE(content.write(*store, 10, 5, at_ms(0)));
  EXPECT_TRUE(content.write(*store, 15, 1, at_ms(0)));
  EXPECT_TRUE(content.write(*store, 92, 1, at_ms(0)));   // the short last chunk
  EXPECT_EQ(store->verified(), (std::vector<ChunkRange>{{ChunkIndex{10}, ChunkIndex{15}}, {ChunkIndex{92}, ChunkIndex{92}}}));
  EXPECT_EQ(problem_of(*store, content, at_ms(0)), "");
  Bytes into(4000);
  EXPECT_EQ(store->read(0, into, at_ms(0)).error().fault, Fault::not_held);
  EXPECT_EQ(store->read(14 * 1080 + 100, into, at_ms(0)), 2 * 1080 - 100U) << "up to the gap";
  EXPECT_EQ(store->read(99'000 + 500, into, at_ms(0)).value_or(0), 500U) << "up to the end";
  EXPECT_EQ(store->read(100'000, into, at_ms(0)), 0U);
}

TEST_F(Download, resumes_after_an_orderly_end_without_hashing) {
  Content content(300'000, 1080, 2);
  {
    auto store = open(content);
    ASSERT_TRUE(store);
    ASSERT_TRUE(content.write(*store, 0, 100, at_ms(0)));
  }
  auto store = open(content);
  ASSERT_TRUE(store);
  EXPECT_EQ(store->verified_chunks(), 100U);
  EXPECT_EQ(store->stats().rehashed_chunks, 0U);
  EXPECT_EQ(problem_of(*store, content, at_ms(0)), "");
  ASSERT_TRUE(content.write(*store, 100, content.chunks() - 100, at_ms(1)));
  EXPECT_TRUE(store->complete());
  EXPECT_TRUE(store->close());
  EXPECT_EQ(read_file(folder_ / "film.bin"), content.bytes());
}

}  // namespace
}  // namespace runnel::store::test
