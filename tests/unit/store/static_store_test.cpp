#include <gtest/gtest.h>

#include <chrono>
#include <thread>

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

TEST_F(Download, learns_its_size_later_and_keeps_it) {
  Content content(50'000, 1000, 3);
  DownloadOptions without = options(content);
  without.size.reset();
  {
    auto store = open(without);
    ASSERT_TRUE(store);
    EXPECT_FALSE(store->size());
    EXPECT_EQ(content.write(*store, 0, 1, at_ms(0)).error().fault, Fault::size_unknown);
    EXPECT_TRUE(store->set_size(50'000));
    EXPECT_TRUE(store->set_size(50'000));
    EXPECT_EQ(store->set_size(50'001).error().fault, Fault::wrong_size);
    EXPECT_TRUE(content.write(*store, 0, 1, at_ms(0)));
  }
  auto store = open(without);
  ASSERT_TRUE(store);
  EXPECT_EQ(store->size(), 50'000U);
  EXPECT_EQ(store->verified_chunks(), 1U);
  store.reset();
  without.size = 50'001;
  EXPECT_EQ(open_fault(without), Fault::wrong_size);
}

TEST_F(Download, refuses_chunks_of_a_wrong_length_or_place) {
  Content content(10'500, 1000, 4);
  auto store = open(content);
  ASSERT_TRUE(store);
  const ByteView whole = content.chunk(0);
  const ByteView cut = whole.first(999);
  const auto fault = [&](std::uint64_t first, std::vector<ByteView> chunks) {
    const auto result = store->write(ChunkIndex{first}, chunks, at_ms(0));
    return result ? std::optional<Fault>{} : result.error().fault;
  };
  EXPECT_EQ(fault(0, {cut}), Fault::wrong_size);
  EXPECT_EQ(fault(10, {whole}), Fault::wrong_size) << "the last one is short";
  EXPECT_EQ(fault(11, {whole}), Fault::wrong_size);
  EXPECT_EQ(fault(9, {whole, content.chunk(10), whole}), Fault::wrong_size);
  EXPECT_EQ(fault(~std::uint64_t{0}, {whole}), Fault::wrong_size);
  EXPECT_EQ(store->verified_chunks(), 0U);
}

TEST_F(Download, commits_after_100_ms_or_640_KiB) {
  Content content(3'000'000, 1000, 5);
  auto store = open(content);
  ASSERT_TRUE(store);
  EXPECT_FALSE(store->next_commit());
  ASSERT_TRUE(content.write(*store, 0, 1, at_ms(5)));
  EXPECT_EQ(store->next_commit(), at_ms(105));
  EXPECT_TRUE(store->commit(at_ms(104)));
  EXPECT_EQ(store->stats().commits, 0U);
  EXPECT_TRUE(store->commit(at_ms(105)));
  EXPECT_EQ(store->stats().commits, 1U);
  EXPECT_EQ(store->next_commit(), at_ms(0) + StaticStore::kSyncInterval) << "then the sync mark is next";
  for (std::uint64_t i = 1; i < 3000; i += 100) ASSERT_TRUE(content.write(*store, i, std::min<std::uint64_t>(100, 3000 - i), at_ms(106)));
  EXPECT_EQ(store->stats().commits, 1 + 5U) << "four of 600 kB, and one since it is complete";
}

TEST_F(Download, puts_a_sync_mark_after_30_s) {
  Content content(100'000, 1000, 6);
  auto store = open(content);
  ASSERT_TRUE(store);
  ASSERT_TRUE(content.write(*store, 0, 10, at_ms(0)));
  ASSERT_TRUE(store->commit(at_ms(100)));
  ASSERT_TRUE(store->commit(at_ms(29'999)));
  EXPECT_EQ(store->stats().sync_marks, 0U);
  // fsync runs on another thread: commit() at each time that next_commit() names, as a timer would.
  std::optional<Time> next = store->next_commit();
  ASSERT_EQ(next, at_ms(30'000));
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (next && std::chrono::steady_clock::now() < deadline) {
    ASSERT_TRUE(store->commit(*next));
    ASSERT_TRUE(!store->next_commit() || *store->next_commit() > *next) << "the timer must not spin";
    next = store->next_commit();
    std::this_thread::yield();
  }
  EXPECT_FALSE(next) << "nothing is left to do";
  EXPECT_EQ(store->stats().sync_marks, 1U);
}

TEST_F(Download, finds_what_another_program_changed_while_it_was_away) {
  Content content(500'000, 1000, 7);
  {
    auto store = open(content);
    ASSERT_TRUE(store);
    ASSERT_TRUE(content.write(*store, 0, 400, at_ms(0)));
  }
  overwrite(folder_ / "film.bin", 123'456, random_bytes(2000, 99));
  auto store = open(content);
  ASSERT_TRUE(store);
  EXPECT_EQ(store->stats().rehashed_chunks, 400U);
  EXPECT_EQ(store->stats().given_up_chunks, 3U);
  EXPECT_EQ(store->verified(), (std::vector<ChunkRange>{{ChunkIndex{0}, ChunkIndex{122}}, {ChunkIndex{126}, ChunkIndex{399}}}));
  EXPECT_EQ(problem_of(*store, content, at_ms(0)), "");
  ASSERT_TRUE(content.write(*store, 123, 3, at_ms(0)));
  EXPECT_EQ(problem_of(*store, content, at_ms(0)), "");
}

TEST_F(Download, finds_a_file_that_was_cut_or_removed) {
  Content content(500'000, 1000, 8);
  {
    auto store = open(content);
    ASSERT_TRUE(store);
    ASSERT_TRUE(content.write(*store, 100, 400, at_ms(0)));
  }
  std::filesystem::resize_file(folder_ / "film.bin", 200'500);
  {
    auto store = open(content);
    ASSERT_TRUE(store);
    EXPECT_EQ(store->verified(), (std::vector<ChunkRange>{{ChunkIndex{100}, ChunkIndex{199}}}));
    EXPECT_EQ(std::filesystem::file_size(folder_ / "film.bin"), 500'000U);
    EXPECT_EQ(problem_of(*store, content, at_ms(0)), "");
  }
  std::filesystem::remove(folder_ / "film.bin");
  auto store = open(content);
  ASSERT_TRUE(store);
  EXPECT_EQ(store->verified_chunks(), 0U);
  ASSERT_TRUE(content.write(*store, 0, content.chunks(), at_ms(0)));
  EXPECT_TRUE(store->close());
  EXPECT_EQ(read_file(folder_ / "film.bin"), content.bytes());
}

TEST_F(Download, notices_a_change_while_it_is_open) {
  Content content(500'000, 1000, 9);
  auto store = open(content);
  ASSERT_TRUE(store);
  ASSERT_TRUE(content.write(*store, 0, 400, at_ms(0)));
  overwrite(folder_ / "film.bin", 5'500, random_bytes(100, 99));
  Bytes into(1000);
  EXPECT_TRUE(store->read(0, into, at_ms(999)));
  EXPECT_EQ(store->read(0, into, at_ms(1000)).error().fault, Fault::changed_on_disk);
  EXPECT_EQ(content.write(*store, 400, 1, at_ms(1000)).error().fault, Fault::changed_on_disk);
  const auto given_up = store->reverify({ChunkIndex{0}, ChunkIndex{499}});
  ASSERT_TRUE(given_up);
  EXPECT_EQ(*given_up, (std::vector<ChunkRange>{{ChunkIndex{5}, ChunkIndex{5}}}));
  EXPECT_EQ(problem_of(*store, content, at_ms(1000)), "");
  EXPECT_TRUE(content.write(*store, 400, 1, at_ms(1000)));
  EXPECT_EQ(store->verified_chunks(), 400U);
}

TEST_F(Download, never_writes_over_a_file_that_is_not_its_own) {
  Content content(100'000, 1000, 10);
  const Bytes other = random_bytes(100'000, 77);
  write_file(folder_ / "film.bin", other);
  EXPECT_EQ(open_fault(options(content)), Fault::exists);
  EXPECT_FALSE(std::filesystem::exists(index_folder_beside(folder_ / "film.bin"))) << "no trace is left";
  std::filesystem::remove(folder_ / "film.bin");
  {
    auto store = open(content);
    ASSERT_TRUE(store);
    ASSERT_TRUE(content.write(*store, 0, 50, at_ms(0)));
  }
  // The download makes room for another film of the same name.
  std::filesystem::rename(folder_ / "film.bin", folder_ / "old.bin");
  write_file(folder_ / "film.bin", other);
  EXPECT_EQ(open_fault(options(content)), Fault::exists);
  EXPECT_EQ(read_file(folder_ / "film.bin"), other);
}

TEST_F(Download, takes_over_a_whole_file_that_lost_its_index) {
  Content content(777'777, 1080, 11);
  write_file(folder_ / "film.bin", content.bytes());
  DownloadOptions without = options(content);
  without.size.reset();
  auto store = open(without);
  ASSERT_TRUE(store);
  EXPECT_TRUE(store->complete());
  EXPECT_EQ(problem_of(*store, content, at_ms(0)), "");
}

TEST_F(Download, refuses_the_index_of_another_swarm) {
  Content content(100'000, 1000, 12), other(100'000, 1000, 13);
  {
    ASSERT_TRUE(open(content));
  }
  EXPECT_EQ(open_fault(options(other)), Fault::other_swarm);
  DownloadOptions finer = options(content);
  finer.chunk_size = 500;
  EXPECT_EQ(open_fault(finer), Fault::other_swarm);
}

TEST_F(Download, recovers_from_a_damaged_database_by_its_tree) {
  Content content(500'000, 1000, 14);
  {
    auto store = open(content);
    ASSERT_TRUE(store);
    ASSERT_TRUE(content.write(*store, 7, 300, at_ms(0)));
  }
  write_file(index_folder_beside(folder_ / "film.bin") / "index.db", random_bytes(8192, 5));
  auto store = open(content);
  ASSERT_TRUE(store);
  EXPECT_EQ(store->verified(), (std::vector<ChunkRange>{{ChunkIndex{7}, ChunkIndex{306}}}));
  EXPECT_EQ(problem_of(*store, content, at_ms(0)), "");
}

TEST_F(Download, one_process_alone_writes_a_file) {
  Content content(100'000, 1000, 15);
  auto store = open(content);
  ASSERT_TRUE(store);
  // flock tells open files apart, not processes, so a second store in this process stands for another process.
  EXPECT_EQ(open_fault(options(content)), Fault::in_use);
  const auto second = StaticStore::open_download(options(content), hasher_, at_ms(0));
  EXPECT_NE(message(second.error()).find("film.bin is in use"), std::string::npos);
  store.reset();
  EXPECT_TRUE(open(content));
}

TEST_F(Download, says_what_is_wrong_with_a_place) {
  Content content(100'000, 1000, 16);
  DownloadOptions bad = options(content);
  bad.file = folder_ / "no such folder/film.bin";
  EXPECT_EQ(open_fault(bad), Fault::no_folder);
  bad.file = folder_.path();
  EXPECT_EQ(open_fault(bad), Fault::not_a_file);
  bad.file = "/proc/cmdline/film.bin";
  EXPECT_EQ(open_fault(bad), Fault::no_folder);
}

TEST_F(Download, works_for_one_chunk_and_for_any_count) {
  for (const std::size_t bytes : {1U, 999U, 1000U, 1001U, 3000U, 4000U, 4001U, 7000U, 65'000U}) {
    TempFolder folder;
    Content content(bytes, 1000, bytes);
    DownloadOptions here = options(content);
    here.file = folder / "film.bin";
    here.preallocate = true;
    auto store = open(here);
    ASSERT_TRUE(store);
    for (std::uint64_t i = content.chunks(); i-- > 0;) ASSERT_TRUE(content.write(*store, i, 1, at_ms(0)));
    EXPECT_TRUE(store->complete());
    EXPECT_TRUE(store->reverify({ChunkIndex{0}, ChunkIndex{content.chunks() - 1}})->empty());
    EXPECT_TRUE(store->close());
    EXPECT_EQ(read_file(here.file), content.bytes());
  }
}

TEST_F(Download, keeps_and_resumes_trees_of_every_hash) {
  for (const auto algorithm : crypto::kHashAlgorithms) {
    SCOPED_TRACE(crypto::name(algorithm));
    Content content(300'000, 1024, 17, algorithm);
    TestHasher hasher(algorithm);
    DownloadOptions here = options(content);
    here.file = folder_ / std::string{crypto::name(algorithm)};
    for (int round = 0; round < 2; ++round) {
      auto store = StaticStore::open_download(here, hasher, at_ms(0));
      ASSERT_TRUE(store);
      if (round == 0) {
        ASSERT_TRUE(content.write(**store, 0, 200, at_ms(0)));
      }
      EXPECT_EQ((*store)->verified_chunks(), 200U);
      EXPECT_EQ(problem_of(**store, content, at_ms(0)), "");
    }
  }
}

}  // namespace
}  // namespace runnel::store::test
