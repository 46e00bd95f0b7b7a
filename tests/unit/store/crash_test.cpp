// kill -9 at random moments, power loss, a full disk.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <malloc.h>
#include <sched.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <iostream>
#include <numeric>
#include <random>
#include <set>
#include <thread>

#include "fixtures.hpp"

namespace runnel::store::test {
namespace {

std::uint64_t seed_of_this_run() {
  if (const char* const given = std::getenv("RUNNEL_TEST_SEED")) return std::strtoull(given, nullptr, 10);
  return std::random_device{}();
}

Time clock_now() { return Time{std::chrono::duration_cast<Duration>(std::chrono::steady_clock::now().time_since_epoch())}; }

// What the child tells the parent of, in memory that outlives it.
struct Shared {
  std::atomic<std::uint64_t> written_chunks;   // verified and handed to the store, this life and all before
  std::atomic<bool> done;
  std::atomic<bool> failed;
};

class SharedPage {
 public:
  SharedPage() : page_(::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0)) {}
  ~SharedPage() { ::munmap(page_, 4096); }
  SharedPage(const SharedPage&) = delete;
  SharedPage& operator=(const SharedPage&) = delete;
  Shared* operator->() { return static_cast<Shared*>(page_); }

 private:
  void* page_;
};

std::vector<std::uint64_t> missing_chunks(const StaticStore& store, std::uint64_t chunks) {
  std::vector<std::uint64_t> missing;
  std::uint64_t next = 0;
  for (const ChunkRange run : store.verified()) {
    for (; next < run.first.value(); ++next) missing.push_back(next);
    next = run.last.value() + 1;
  }
  for (; next < chunks; ++next) missing.push_back(next);
  return missing;
}

// A life of the child: writes missing chunks in runs of random order and length, until it is killed or has all.
void download_until_killed(const DownloadOptions& options, Content& content, std::uint64_t seed, Shared& shared) {
  TestHasher hasher;
  auto store = StaticStore::open_download(options, hasher, clock_now());
  if (!store) {
    shared.failed = true;
    return;
  }
  base::Rng rng(seed);
  std::vector<std::uint64_t> missing = missing_chunks(**store, content.chunks());
  while (!missing.empty()) {
    const std::size_t at = rng.below(missing.size());
    std::size_t count = 1;
    const std::size_t longest = 1 + rng.below(64);
    while (count < longest && at + count < missing.size() && missing[at + count] == missing[at] + count) ++count;
    if (!content.write(**store, missing[at], count, clock_now()) || !(*store)->commit(clock_now())) {
      shared.failed = true;
      return;
    }
    shared.written_chunks += count;
    missing.erase(missing.begin() + static_cast<std::ptrdiff_t>(at), missing.begin() + static_cast<std::ptrdiff_t>(at + count));
  }
  shared.done = true;
  for (;;) ::pause();   // the end comes by SIGKILL as well
}

pid_t start_child(const DownloadOptions& options, Content& content, std::uint64_t seed, Shared& shared) {
  const pid_t child = ::fork();
  if (child == 0) {
    download_until_killed(options, content, seed, shared);
    ::_exit(1);
  }
  return child;
}

void kill_and_reap(pid_t child) {
  ::kill(child, SIGKILL);
  int status = 0;
  ::waitpid(child, &status, 0);
}

TEST(Crash, kill_9_at_random_moments_loses_at_most_a_megabyte_each_and_trusts_nothing_unverified) {
  const std::uint64_t seed = seed_of_this_run();
  std::cout << "seed (RUNNEL_TEST_SEED): " << seed << '\n';
  base::Rng rng(seed);
  TempFolder folder;
  Content content(25'000'000, 1080, seed);
  const DownloadOptions options{.file = folder / "film.bin", .root = content.root(), .size = content.bytes().size()};
  SharedPage shared;
  constexpr std::uint64_t kMegabyteOfChunks = (1 << 20) / 1080;
  int kills = 0;
  std::uint64_t rehashed_lives = 0, written_in_all = 0, held = 0;
  while (!shared->done && kills < 200) {
    shared->written_chunks = 0;
    const std::uint64_t target = rng.below(1800);
    const pid_t child = start_child(options, content, rng(), *shared.operator->());
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (shared->written_chunks < target && !shared->done && !shared->failed && std::chrono::steady_clock::now() < deadline) {
      std::this_thread::yield();
    }
    for (std::uint64_t spin = rng.below(200'000); spin > 0; --spin) std::atomic_signal_fence(std::memory_order_seq_cst);
    kill_and_reap(child);
    ++kills;
    ASSERT_FALSE(shared->failed);
    const std::uint64_t written = shared->written_chunks;
    written_in_all += written;

    TestHasher hasher;
    auto store = StaticStore::open_download(options, hasher, at_ms(0));
    ASSERT_TRUE(store) << message(store.error());
    EXPECT_EQ((*store)->stats().given_up_chunks, 0U) << "nothing is claimed that is not there";
    rehashed_lives += (*store)->stats().rehashed_chunks > 0 ? 1 : 0;
    ASSERT_EQ(problem_of(**store, content, at_ms(0)), "") << "kill " << kills;
    ASSERT_GE((*store)->verified_chunks() + kMegabyteOfChunks, held + written) << "kill " << kills;
    held = (*store)->verified_chunks();
  }
  EXPECT_TRUE(shared->done);
  EXPECT_LE(written_in_all, content.chunks() + static_cast<std::uint64_t>(kills) * kMegabyteOfChunks);
  std::cout << kills << " kills, " << rehashed_lives << " of them made the next start hash again; " << written_in_all - content.chunks()
            << " chunks written twice\n";
  EXPECT_LE(rehashed_lives, static_cast<std::uint64_t>(kills) / 2) << "after most kills nothing has to be hashed";
  EXPECT_EQ(read_file(options.file), content.bytes());
}

// What a restart of the machine changes: the boot id, and what had not reached the disk.
void pretend_reboot(const std::filesystem::path& file) {
  sqlite3* db = nullptr;
  ASSERT_EQ(sqlite3_open((index_folder_beside(file) / "index.db").c_str(), &db), SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(db, "UPDATE header SET boot_id='before'", nullptr, nullptr, nullptr), SQLITE_OK);
  sqlite3_close(db);
}

class PowerLoss : public ::testing::Test {
 protected:
  // Chunks 0..199 before a sync mark and 200..399 after it, then the end without warning.
  void SetUp() override {
    SharedPage shared;
    const pid_t child = ::fork();
    if (child == 0) {
      TestHasher hasher;
      {
        static_cast<void>(content_.write(**StaticStore::open_download(options_, hasher, at_ms(0)), 0, 200, at_ms(0)));
      }
      auto store = StaticStore::open_download(options_, hasher, at_ms(0));
      const bool well = store && content_.write(**store, 200, 200, at_ms(0)) && (*store)->commit(at_ms(100));
      shared->done = well;
      shared->failed = !well;
      for (;;) ::pause();
    }
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (!shared->done && !shared->failed && std::chrono::steady_clock::now() < deadline) std::this_thread::yield();
    kill_and_reap(child);
    ASSERT_TRUE(shared->done);
  }
  std::unique_ptr<StaticStore> open() {
    auto store = StaticStore::open_download(options_, hasher_, at_ms(0));
    if (!store) {
      ADD_FAILURE() << message(store.error());
      return nullptr;
    }
    return std::move(*store);
  }
  // Bytes that never reached the disk: the file's time stays.
  void lose(std::uint64_t offset, std::size_t bytes) {
    struct stat before{};
    ASSERT_EQ(::stat(options_.file.c_str(), &before), 0);
    overwrite(options_.file, offset, Bytes(bytes));
    const timespec times[2] = {before.st_atim, before.st_mtim};
    ASSERT_EQ(::utimensat(AT_FDCWD, options_.file.c_str(), times, 0), 0);
  }

  TempFolder folder_;
  Content content_{500'000, 1000, 21};
  DownloadOptions options_{.file = folder_ / "film.bin", .root = content_.root(), .chunk_size = 1000, .size = 500'000};
  TestHasher hasher_;
};

TEST_F(PowerLoss, without_a_reboot_nothing_is_hashed) {
  auto store = open();
  ASSERT_TRUE(store);
  EXPECT_EQ(store->verified_chunks(), 400U);
  EXPECT_EQ(store->stats().rehashed_chunks, 0U);
}

TEST_F(PowerLoss, what_came_after_the_mark_is_hashed_again) {
  pretend_reboot(options_.file);
  lose(300'500, 1000);
  auto store = open();
  ASSERT_TRUE(store);
  EXPECT_EQ(store->stats().rehashed_chunks, 200U);
  EXPECT_EQ(store->verified(), (std::vector<ChunkRange>{{ChunkIndex{0}, ChunkIndex{299}}, {ChunkIndex{302}, ChunkIndex{399}}}));
  EXPECT_EQ(problem_of(*store, content_, at_ms(0)), "");
}

TEST_F(PowerLoss, a_file_changed_since_is_hashed_whole) {
  pretend_reboot(options_.file);
  overwrite(options_.file, 100'500, random_bytes(10, 3));
  auto store = open();
  ASSERT_TRUE(store);
  EXPECT_EQ(store->stats().rehashed_chunks, 400U);
  EXPECT_EQ(store->stats().given_up_chunks, 1U);
  EXPECT_EQ(problem_of(*store, content_, at_ms(0)), "");
}

TEST_F(PowerLoss, pages_of_the_tree_that_were_lost_are_made_again_where_the_chunks_are_there) {
  pretend_reboot(options_.file);
  const std::filesystem::path tree = index_folder_beside(options_.file) / "tree";
  overwrite(tree, 4096, Bytes(4096));                          // bins 127..253: chunks 64..126
  overwrite(tree, 2 * 4096 + 512, random_bytes(512, 4));       // bins 254..380, torn
  auto store = open();
  ASSERT_TRUE(store);
  EXPECT_EQ(problem_of(*store, content_, at_ms(0)), "");
  EXPECT_EQ(store->verified_chunks(), 400U);
  EXPECT_EQ(store->stats().damaged_tree_pages, 1U);
}

TEST_F(PowerLoss, without_its_tree_nothing_is_believed) {
  pretend_reboot(options_.file);
  std::filesystem::resize_file(index_folder_beside(options_.file) / "tree", 0);
  auto store = open();
  ASSERT_TRUE(store);
  EXPECT_EQ(store->verified_chunks(), 0U);
  ASSERT_TRUE(content_.write(*store, 0, content_.chunks(), at_ms(0)));
  EXPECT_TRUE(store->complete());
  EXPECT_EQ(problem_of(*store, content_, at_ms(0)), "");
}

// A file system of a few megabytes in memory, which only root can make. In a mount namespace of this process, so that nothing stays mounted
// when the test is killed.
class SmallDisk {
 public:
  SmallDisk(const std::filesystem::path& at, const char* options) : at_(at) {
    std::filesystem::create_directories(at);
    mounted_ = ::unshare(CLONE_NEWNS) == 0 && ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
               ::mount("tmpfs", at.c_str(), "tmpfs", 0, options) == 0;
    os_error_ = errno;
  }
  ~SmallDisk() {
    if (mounted_) ::umount2(at_.c_str(), MNT_DETACH);
  }
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;
  [[nodiscard]] bool mounted() const { return mounted_; }
  [[nodiscard]] std::string problem() const { return std::generic_category().message(os_error_); }

 private:
  std::filesystem::path at_;
  bool mounted_ = false;
  int os_error_ = 0;
};

TEST(DiskFull, says_so_at_once_and_goes_on_when_there_is_room_again) {
  TempFolder folder;
  SmallDisk disk(folder / "disk", "size=8m");
  if (!disk.mounted()) {
    std::cout << "not run here: a tmpfs cannot be mounted (" << disk.problem() << "); the limit on file size below tests the same path\n";
    return;
  }
  TestHasher hasher;
  Content large(9'000'000, 1000, 1), content(5'000'000, 1000, 2);
  const std::filesystem::path file = folder / "disk" / "film.bin";
  {
    const auto store =
        StaticStore::open_download({.file = file, .root = large.root(), .chunk_size = 1000, .size = 9'000'000}, hasher, at_ms(0));
    ASSERT_FALSE(store);
    EXPECT_EQ(store.error().fault, Fault::disk_full) << "what can never fit is told at the beginning";
    EXPECT_NE(message(store.error()).find(" MB more in " + (folder / "disk").string()), std::string::npos) << message(store.error());
  }
  std::filesystem::remove_all(index_folder_beside(file));
  std::filesystem::remove(file);
  const DownloadOptions options{.file = file, .root = content.root(), .chunk_size = 1000, .size = 5'000'000};
  auto store = StaticStore::open_download(options, hasher, at_ms(0));
  ASSERT_TRUE(store) << message(store.error());
  ASSERT_TRUE(content.write(**store, 0, 1000, at_ms(0)));
  const std::filesystem::path ballast = folder / "disk" / "ballast";
  write_file(ballast, Bytes(5'500'000));  // somebody else fills the disk
  std::uint64_t next = 1000;
  std::optional<Error> full;
  for (; next < content.chunks() && !full; next += full ? 0 : 100) {
    if (auto written = content.write(**store, next, 100, at_ms(1)); !written) full = written.error();
  }
  ASSERT_TRUE(full);
  EXPECT_EQ(full->fault, Fault::disk_full);
  EXPECT_NE(message(*full).find("free space in " + (folder / "disk").string()), std::string::npos) << message(*full);
  const auto committed = (*store)->commit(at_ms(1000));
  EXPECT_TRUE(committed || committed.error().fault == Fault::disk_full);
  EXPECT_EQ(problem_of(**store, content, at_ms(1)), "") << "what is claimed is whole";
  std::filesystem::remove(ballast);
  for (; next < content.chunks(); next += 100) ASSERT_TRUE(content.write(**store, next, 100, at_ms(2)));
  EXPECT_TRUE((*store)->complete());
  EXPECT_TRUE((*store)->close());
  EXPECT_EQ(read_file(file), content.bytes());
  store->reset();
  store = StaticStore::open_download(options, hasher, at_ms(0));
  ASSERT_TRUE(store);
  EXPECT_TRUE((*store)->complete());
  EXPECT_EQ((*store)->stats().rehashed_chunks, 0U);
}

TEST(DiskFull, a_limit_on_file_size_is_told_and_survived) {
  TempFolder folder;
  TestHasher hasher;
  Content content(3'000'000, 1000, 3);
  const DownloadOptions options{.file = folder / "film.bin", .root = content.root(), .chunk_size = 1000};
  auto store = StaticStore::open_download(options, hasher, at_ms(0));
  ASSERT_TRUE(store);
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto handler = ::signal(SIGXFSZ, SIG_IGN);
  const rlimit small{.rlim_cur = 1'000'000, .rlim_max = before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  const auto sized = (*store)->set_size(3'000'000);
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  ASSERT_FALSE(sized);
  EXPECT_EQ(sized.error().fault, Fault::file_too_large);
  EXPECT_FALSE((*store)->size());

  ASSERT_TRUE((*store)->set_size(3'000'000));
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  EXPECT_TRUE(content.write(**store, 900, 50, at_ms(0)));
  const auto beyond = content.write(**store, 950, 100, at_ms(0));
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  ::signal(SIGXFSZ, handler);
  ASSERT_FALSE(beyond);
  EXPECT_EQ(beyond.error().fault, Fault::file_too_large);
  EXPECT_EQ((*store)->verified(), (std::vector<ChunkRange>{{ChunkIndex{900}, ChunkIndex{949}}}));
  EXPECT_TRUE(content.write(**store, 950, 100, at_ms(0)));
  EXPECT_EQ(problem_of(**store, content, at_ms(0)), "");
}

std::uint64_t resident_bytes() {
  std::ifstream status("/proc/self/statm");
  std::uint64_t total = 0, resident = 0;
  status >> total >> resident;
  return resident * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

TEST(LargeFile, a_tree_of_50_gb_is_opened_at_once_and_never_held_in_memory) {
  TempFolder folder(std::filesystem::temp_directory_path());  // memory would not hold 50 GB, not even of holes
  TestHasher hasher;
  constexpr std::uint64_t kChunks = chunks_in(50'000'000'000, 1080);
  // The store refuses what can never fit, hole or not: on a smaller disk as many chunks, but shorter ones. The tree is the same.
  const bool fits = std::filesystem::space(folder.path()).available > 51'000'000'000;
  const std::uint32_t chunk_size = fits ? 1080 : StaticStore::kMinChunkSize;
  if (!fits) std::cout << "less than 51 GB free in " << folder.path() << ": the tree of 50 GB, with chunks of 64 bytes\n";
  crypto::Digest root{random_bytes(32, 1)};
  const DownloadOptions options{.file = folder / "film.bin", .root = root, .chunk_size = chunk_size, .size = kChunks * chunk_size};
  const Bytes chunk = random_bytes(chunk_size, 2);
  const std::vector<ByteView> chunks{chunk};
  ::malloc_trim(0);  // what earlier tests freed must not hide growth
  const std::uint64_t before = resident_bytes();
  const auto digest_of = [](Bin bin) {
    crypto::Digest digest(32);
    base::store_big_endian(digest.mutable_view().data(), base::mix64(bin.number()));
    return digest;
  };
  std::vector<std::uint64_t> places;
  base::Rng rng(7);
  for (int i = 0; i < 150; ++i) places.push_back(rng.below(kChunks - 1));
  {
    auto store = StaticStore::open_download(options, hasher, at_ms(0));
    ASSERT_TRUE(store) << message(store.error());
    for (const std::uint64_t place : places) {
      for (Bin bin = Bin::leaf(ChunkIndex{place}); bin != root_bin(kChunks); bin = bin.parent()) {
        (*store)->nodes().put(bin, digest_of(bin));
        (*store)->nodes().put(bin.sibling(), digest_of(bin.sibling()));
      }
      ASSERT_TRUE((*store)->write(ChunkIndex{place}, chunks, at_ms(0)));
    }
    EXPECT_LT(resident_bytes() - before, 16U << 20);
  }
  const auto start = std::chrono::steady_clock::now();
  auto store = StaticStore::open_download(options, hasher, at_ms(0));
  const auto took = std::chrono::steady_clock::now() - start;
  ASSERT_TRUE(store);
  EXPECT_LT(took, std::chrono::seconds(1));
  EXPECT_EQ((*store)->verified_chunks(), std::set<std::uint64_t>(places.begin(), places.end()).size());
  for (const std::uint64_t place : places) {
    for (Bin bin = Bin::leaf(ChunkIndex{place}); bin != root_bin(kChunks); bin = bin.parent()) {
      ASSERT_EQ((*store)->nodes().get(bin), digest_of(bin));
    }
  }
  EXPECT_LT(resident_bytes() - before, 16U << 20);
  std::cout << "memory grew by " << (resident_bytes() - before) / 1024 << " KiB; opened in "
            << std::chrono::duration_cast<std::chrono::microseconds>(took).count() << " us\n";
}

}  // namespace
}  // namespace runnel::store::test
