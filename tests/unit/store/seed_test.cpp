#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "fixtures.hpp"
#include "store/cache.hpp"

namespace runnel::store::test {
namespace {

class Seed : public ::testing::Test {
 protected:
  SeedOptions options(std::uint32_t chunk_size = 1080) {
    return {.file = folder_ / "film.bin",
            .cache_folder = folder_ / "cache",
            .chunk_size = chunk_size,
            .progress = {.report = [this](std::uint64_t done, std::uint64_t) { hashed_ = done; }}};
  }
  std::unique_ptr<StaticStore> open(const SeedOptions& with) {
    hashed_ = 0;
    auto store = StaticStore::open_seed(with, hasher_, at_ms(0));
    if (!store) {
      ADD_FAILURE() << message(store.error());
      return nullptr;
    }
    return std::move(*store);
  }
  Fault open_fault(const SeedOptions& with) {
    const auto store = StaticStore::open_seed(with, hasher_, at_ms(0));
    return store ? Fault::io_failed : store.error().fault;
  }

  TempFolder folder_;
  TestHasher hasher_;
  std::uint64_t hashed_ = 0;
};

TEST_F(Seed, has_the_root_and_every_node_of_the_file) {
  for (const std::size_t bytes : {1U, 1079U, 1080U, 1081U, 3 * 1080U, 4 * 1080U, 7 * 1080U + 5, 300'000U}) {
    Content content(bytes, 1080, bytes);
    write_file(folder_ / "film.bin", content.bytes());
    auto store = open(options());
    ASSERT_TRUE(store);
    EXPECT_EQ(store->root(), content.root());
    EXPECT_TRUE(store->complete());
    EXPECT_TRUE(store->read_only());
    EXPECT_EQ(store->size(), bytes);
    EXPECT_EQ(problem_of(*store, content, at_ms(0)), "") << bytes;
    EXPECT_EQ(content.write(*store, 0, 1, at_ms(0)).error().fault, Fault::read_only);
  }
}

TEST_F(Seed, has_nothing_to_commit_ever) {
  Content content(300'000, 1080, 4);
  write_file(folder_ / "film.bin", content.bytes());
  for (int opened = 0; opened < 2; ++opened) {   // hashed, and from the cache
    auto store = open(options());
    ASSERT_TRUE(store);
    EXPECT_EQ(store->next_commit(), std::nullopt) << "a caster's timer must rest";
    ASSERT_TRUE(store->commit(at_ms(60'000)));
    EXPECT_EQ(store->next_commit(), std::nullopt);
  }
}

TEST_F(Seed, hashes_a_file_once) {
  Content content(3'000'000, 1080, 1);
  write_file(folder_ / "film.bin", content.bytes());
  {
    ASSERT_TRUE(open(options()));
  }
  EXPECT_EQ(hashed_, 3'000'000U);
  auto store = open(options());
  ASSERT_TRUE(store);
  EXPECT_EQ(hashed_, 0U);
  EXPECT_EQ(problem_of(*store, content, at_ms(0)), "");
  auto beside_it = open(options());
  ASSERT_TRUE(beside_it) << "several may share one file";
  EXPECT_EQ(hashed_, 0U);
  ASSERT_TRUE(open(options(2000)));
  EXPECT_EQ(hashed_, 3'000'000U) << "another chunk size is another tree";
}

TEST_F(Seed, hashes_a_file_again_that_changed) {
  Content content(300'000, 1080, 2);
  write_file(folder_ / "film.bin", content.bytes());
  {
    ASSERT_TRUE(open(options()));
  }
  overwrite(folder_ / "film.bin", 10, random_bytes(3, 8));
  auto store = open(options());
  ASSERT_TRUE(store);
  EXPECT_EQ(hashed_, 300'000U);
  EXPECT_NE(store->root(), content.root());
}

TEST_F(Seed, stops_serving_a_file_that_changes_meanwhile) {
  Content content(300'000, 1080, 3);
  write_file(folder_ / "film.bin", content.bytes());
  auto store = open(options());
  ASSERT_TRUE(store);
  overwrite(folder_ / "film.bin", 2000, random_bytes(3, 8));
  Bytes into(1080);
  EXPECT_EQ(store->read(0, into, at_ms(1000)).error().fault, Fault::changed_on_disk);
  EXPECT_EQ(store->read(0, into, at_ms(1001)).error().fault, Fault::changed_on_disk);
  const auto given_up = store->reverify({ChunkIndex{0}, ChunkIndex{277}});
  ASSERT_TRUE(given_up);
  EXPECT_EQ(*given_up, (std::vector<ChunkRange>{{ChunkIndex{1}, ChunkIndex{1}}}));
  EXPECT_TRUE(store->read(0, into, at_ms(1002)));
  EXPECT_FALSE(store->complete());
  EXPECT_EQ(problem_of(*store, content, at_ms(1002)), "");
}

TEST_F(Seed, notices_at_once_that_a_file_was_cut) {
  Content content(300'000, 1080, 4);
  write_file(folder_ / "film.bin", content.bytes());
  auto store = open(options());
  ASSERT_TRUE(store);
  std::filesystem::resize_file(folder_ / "film.bin", 100'000);
  Bytes into(1080);
  EXPECT_EQ(store->read(99'500, into, at_ms(1)).error().fault, Fault::changed_on_disk);
}

TEST_F(Seed, says_what_is_wrong_with_a_file) {
  EXPECT_EQ(open_fault(options()), Fault::not_found);
  write_file(folder_ / "film.bin", {});
  EXPECT_EQ(open_fault(options()), Fault::empty_file);
  std::filesystem::remove(folder_ / "film.bin");
  std::filesystem::create_directory(folder_ / "film.bin");
  EXPECT_EQ(open_fault(options()), Fault::not_a_file);
}

TEST_F(Seed, can_be_cancelled_while_it_hashes_and_leaves_nothing) {
  write_file(folder_ / "film.bin", random_bytes(8 << 20, 5));
  SeedOptions with = options();
  with.progress.cancelled = [this] { return hashed_ > 0; };
  EXPECT_EQ(open_fault(with), Fault::cancelled);
  EXPECT_GT(hashed_, 0U);
  EXPECT_TRUE(std::filesystem::is_empty(folder_ / "cache"));
}

TEST_F(Seed, uses_the_index_of_a_finished_download) {
  Content content(300'000, 1080, 6);
  {
    auto store = StaticStore::open_download({.file = folder_ / "film.bin", .root = content.root(), .size = 300'000}, hasher_, at_ms(0));
    ASSERT_TRUE(store);
    ASSERT_TRUE(content.write(**store, 0, content.chunks(), at_ms(0)));
  }
  auto store = open(options());
  ASSERT_TRUE(store);
  EXPECT_EQ(hashed_, 0U);
  EXPECT_FALSE(std::filesystem::exists(folder_ / "cache"));
  EXPECT_EQ(problem_of(*store, content, at_ms(0)), "");
  store.reset();
  overwrite(folder_ / "film.bin", 0, random_bytes(1, 1));
  ASSERT_TRUE(open(options()));
  EXPECT_EQ(hashed_, 300'000U) << "but not after it changed";
}

TEST_F(Seed, builds_a_tree_again_whose_pages_were_damaged) {
  Content content(3'000'000, 1080, 7);
  write_file(folder_ / "film.bin", content.bytes());
  {
    ASSERT_TRUE(open(options()));
  }
  const auto entries = Cache::open(folder_ / "cache", 0)->list();
  ASSERT_EQ(entries->size(), 1U);
  overwrite(entries->front().folder / "tree", 3 * 4096 + 100, random_bytes(50, 1));
  {
    auto store = open(options());
    ASSERT_TRUE(store);
    EXPECT_NE(problem_of(*store, content, at_ms(0)), "");
    EXPECT_EQ(store->stats().damaged_tree_pages, 1U);
  }
  auto store = open(options());
  ASSERT_TRUE(store);
  EXPECT_EQ(problem_of(*store, content, at_ms(0)), "");
}

class CacheFolder : public ::testing::Test {
 protected:
  // A seed of that size, used at that second.
  std::filesystem::path add(const std::string& name, std::size_t bytes, std::int64_t used_s) {
    write_file(folder_ / name, random_bytes(bytes, used_s));
    const auto before = names();
    EXPECT_TRUE(StaticStore::open_seed({.file = folder_ / name, .cache_folder = folder_ / "cache"}, hasher_, at_ms(0)));
    std::filesystem::path made;
    for (const auto& n : names()) {
      if (std::ranges::find(before, n) == before.end()) made = n;
    }
    const timespec times[2] = {{used_s, 0}, {used_s, 0}};
    EXPECT_EQ(::utimensat(AT_FDCWD, (made / "lock").c_str(), times, 0), 0);
    return made;
  }
  std::vector<std::filesystem::path> names() {
    std::vector<std::filesystem::path> found;
    std::error_code ignored;
    for (const auto& entry : std::filesystem::directory_iterator(folder_ / "cache", ignored)) found.push_back(entry.path());
    return found;
  }

  TempFolder folder_;
  TestHasher hasher_;
};

TEST_F(CacheFolder, lists_entries_by_last_use) {
  const auto b = add("b", 100'000, 2000), a = add("a", 2'000'000, 1000);
  auto cache = Cache::open(folder_ / "cache", 1 << 30);
  ASSERT_TRUE(cache);
  const auto list = cache->list();
  ASSERT_TRUE(list);
  ASSERT_EQ(list->size(), 2U);
  EXPECT_EQ((*list)[0].folder, a);
  EXPECT_EQ((*list)[1].folder, b);
  EXPECT_EQ(std::chrono::system_clock::to_time_t((*list)[0].last_used), 1000);
  EXPECT_GT((*list)[0].bytes, (*list)[1].bytes);
  EXPECT_FALSE((*list)[0].in_use);
}

TEST_F(CacheFolder, evicts_the_least_recently_used_first_and_only_as_many_as_needed) {
  const auto b = add("b", 500'000, 2000), a = add("a", 500'000, 1000), c = add("c", 500'000, 3000);
  const std::uint64_t each = Cache::open(folder_ / "cache", 0)->list()->front().bytes;
  auto cache = Cache::open(folder_ / "cache", 5 * each / 2);
  ASSERT_TRUE(cache);
  EXPECT_EQ(cache->evict(), each);
  EXPECT_FALSE(std::filesystem::exists(a));
  EXPECT_TRUE(std::filesystem::exists(b));
  EXPECT_TRUE(std::filesystem::exists(c));
  EXPECT_EQ(cache->evict(), 0U);
  EXPECT_EQ(names().size(), 2U) << "nothing half removed is left";
}

TEST_F(CacheFolder, never_evicts_what_is_in_use) {
  const auto a = add("a", 500'000, 1000);
  auto held = StaticStore::open_seed({.file = folder_ / "a", .cache_folder = folder_ / "cache"}, hasher_, at_ms(0));
  ASSERT_TRUE(held);
  auto cache = Cache::open(folder_ / "cache", 0);
  EXPECT_TRUE(cache->list()->front().in_use);
  EXPECT_EQ(cache->evict(), 0U);
  EXPECT_TRUE(std::filesystem::exists(a));
  held->reset();
  EXPECT_GT(cache->evict().value_or(0), 0U);
  EXPECT_FALSE(std::filesystem::exists(a));
}

TEST_F(CacheFolder, holds_downloads_without_a_name) {
  Content content(500'000, 1080, 9);
  auto cache = Cache::open(folder_ / "cache", 0);
  const auto place = cache->place_for(content.root(), 1080);
  ASSERT_TRUE(place);
  const DownloadOptions options{.file = place->file, .index_folder = place->index_folder, .root = content.root(), .size = 500'000};
  {
    auto store = StaticStore::open_download(options, hasher_, at_ms(0));
    ASSERT_TRUE(store);
    ASSERT_TRUE(content.write(**store, 0, 100, at_ms(0)));
    EXPECT_EQ(cache->evict(), 0U);
  }
  EXPECT_EQ((*StaticStore::open_download(options, hasher_, at_ms(0)))->verified_chunks(), 100U);
  EXPECT_GT(cache->evict().value_or(0), 100'000U);
  EXPECT_TRUE(names().empty());
}

TEST_F(CacheFolder, leaves_foreign_files_alone) {
  std::filesystem::create_directories(folder_ / "cache" / "photos");
  auto cache = Cache::open(folder_ / "cache", 0);
  EXPECT_EQ(cache->evict(), 0U);
  EXPECT_TRUE(std::filesystem::exists(folder_ / "cache" / "photos"));
}

}  // namespace
}  // namespace runnel::store::test
