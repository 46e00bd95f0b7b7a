// What holds for every store, and what holds for the SQLite file alone.
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/resource.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>

#include "tracker/memory_store.hpp"
#include "tracker/sqlite_store.hpp"

namespace runnel::tracker {
namespace {

using base::Endpoint;
using base::Time;
using base::WallTime;
using discovery::InfoHash;
using namespace std::chrono_literals;

InfoHash swarm(std::uint32_t n) {
  InfoHash id;
  base::store_big_endian(id.bytes.data(), n);
  return id;
}
PeerRecord peer(std::uint32_t host, std::uint16_t port, Time seen, bool seed = false) {
  const auto address = base::IpAddress::v4({11, std::uint8_t(host >> 16), std::uint8_t(host >> 8), std::uint8_t(host)});
  discovery::PeerId id;
  base::store_big_endian(id.bytes.data(), host);
  return {.endpoint = {address, port}, .peer_id = id, .seed = seed, .last_seen = seen};
}
const Time kNow{1'000'000s};
const WallTime kWall{1'700'000'000s};
bool anyone(const PeerRecord&) { return true; }

class Folder {
 public:
  Folder() {
    char name[] = "/tmp/runnel-store-XXXXXX";
    path_ = mkdtemp(name);
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  [[nodiscard]] std::string file(const char* name = "tracker.db") const { return path_ + '/' + name; }

 private:
  std::string path_;
};

class AnyStore : public testing::TestWithParam<const char*> {
 protected:
  std::unique_ptr<TrackerStore> open(StoreLimits limits = {}) {
    const std::string spec = GetParam() == std::string{"memory"} ? "memory" : "sqlite:" + folder.file();
    auto store = open_store({.spec = spec, .limits = limits, .expiry = 300s, .now = kNow, .wall = kWall});
    if (!store) throw std::runtime_error(store.error());
    return std::move(*store);
  }
  std::set<Endpoint> all(const TrackerStore& store, const InfoHash& id) {
    std::vector<Endpoint> out;
    store.sample(id, 1'000'000, anyone, rng, out);
    return {out.begin(), out.end()};
  }
  Folder folder;
  base::Rng rng{1};
};

TEST_P(AnyStore, remembers_counts_and_forgets) {
  const auto store = open();
  EXPECT_FALSE(store->counts(swarm(1)));
  EXPECT_EQ(store->update(swarm(1), peer(1, 1, kNow)), UpdateOutcome::stored);
  EXPECT_EQ(store->update(swarm(1), peer(2, 1, kNow, true)), UpdateOutcome::stored);
  EXPECT_EQ(store->update(swarm(2), peer(1, 1, kNow)), UpdateOutcome::stored);
  EXPECT_EQ(store->counts(swarm(1))->seeders, 1U);
  EXPECT_EQ(store->counts(swarm(1))->leechers, 1U);
  store->update(swarm(1), peer(1, 1, kNow, true));
  store->count_completed(swarm(1));
  EXPECT_EQ(store->counts(swarm(1))->seeders, 2U);
  EXPECT_EQ(store->counts(swarm(1))->completed, 1U);
  EXPECT_EQ(store->totals().peers, 3U);
  EXPECT_EQ(store->totals().seeds, 2U);
  EXPECT_EQ(store->totals().swarms, 2U);
  store->remove(swarm(1), peer(1, 1, kNow).endpoint);
  store->remove(swarm(1), peer(1, 1, kNow).endpoint);
  store->remove(swarm(9), peer(1, 1, kNow).endpoint);
  store->remove(swarm(2), peer(1, 1, kNow).endpoint);
  EXPECT_EQ(store->totals().swarms, 1U);
  EXPECT_EQ(store->totals().seeds, 1U);
  EXPECT_EQ(all(*store, swarm(1)).size(), 1U);
}

TEST_P(AnyStore, forgets_those_not_seen_for_long_whatever_their_order) {
  const auto store = open();
  for (std::uint32_t i = 0; i < 100; ++i) store->update(swarm(i % 7), peer(i, 1, kNow + i * 1s));
  for (std::uint32_t i = 0; i < 10; ++i) store->update(swarm(i % 7), peer(i, 1, kNow + 200s));
  store->expire(kNow + 50s);
  EXPECT_EQ(store->totals().peers, 60U);
  store->expire(kNow + 150s);
  EXPECT_EQ(store->totals().peers, 10U);
  store->expire(kNow + 201s);
  EXPECT_EQ(store->totals().peers, 0U);
  EXPECT_EQ(store->totals().swarms, 0U);
}

TEST_P(AnyStore, samples_without_repeats_and_everyone_in_turn) {
  const auto store = open();
  for (std::uint32_t i = 0; i < 97; ++i) store->update(swarm(1), peer(i, 1, kNow, i % 2 == 0));
  std::map<Endpoint, int> drawn;
  for (int i = 0; i < 400; ++i) {
    std::vector<Endpoint> out;
    store->sample(swarm(1), 10, [](const PeerRecord& p) { return p.seed; }, rng, out);
    EXPECT_EQ(out.size(), 10U);
    EXPECT_EQ(std::set<Endpoint>(out.begin(), out.end()).size(), 10U);
    for (const Endpoint& e : out) ++drawn[e];
  }
  EXPECT_EQ(drawn.size(), 49U);
  for (const auto& [endpoint, times] : drawn) EXPECT_GT(times, 20) << endpoint.to_string() << " of 82 expected";
  std::vector<Endpoint> none;
  store->sample(swarm(2), 10, anyone, rng, none);
  store->sample(swarm(1), 0, anyone, rng, none);
  EXPECT_TRUE(none.empty());
}

TEST_P(AnyStore, its_limits_are_reached) {
  const auto store = open({.max_swarms = 3, .max_peers = 20, .max_peers_per_swarm = 8, .max_peers_per_address = 4});
  for (std::uint32_t i = 0; i < 3; ++i) EXPECT_EQ(store->update(swarm(i), peer(i, 1, kNow)), UpdateOutcome::stored);
  EXPECT_EQ(store->update(swarm(3), peer(1, 1, kNow)), UpdateOutcome::full);
  for (std::uint32_t i = 0; i < 50; ++i) EXPECT_EQ(store->update(swarm(0), peer(100 + i, 1, kNow)), UpdateOutcome::stored);
  EXPECT_EQ(all(*store, swarm(0)).size(), 8U);
  EXPECT_TRUE(all(*store, swarm(0)).contains(peer(149, 1, kNow).endpoint)) << "the newcomer is in";
  for (std::uint16_t port = 1; port <= 10; ++port) store->update(swarm(1), peer(7, port, kNow + port * 1s));
  const auto at_one_address = all(*store, swarm(1));
  EXPECT_EQ(at_one_address.size(), 5U);
  EXPECT_TRUE(at_one_address.contains(peer(7, 10, kNow).endpoint));
  EXPECT_FALSE(at_one_address.contains(peer(7, 1, kNow).endpoint)) << "the oldest went";
  for (std::uint32_t i = 0; store->totals().peers < 20; ++i)
    ASSERT_EQ(store->update(swarm(2), peer(200 + i, 1, kNow)), UpdateOutcome::stored);
  EXPECT_EQ(store->update(swarm(2), peer(300, 1, kNow)), UpdateOutcome::full);
  EXPECT_EQ(store->update(swarm(2), peer(200, 1, kNow)), UpdateOutcome::stored) << "who is in may come again";
}

INSTANTIATE_TEST_SUITE_P(Stores, AnyStore, testing::Values("memory", "sqlite"), [](const auto& suite) { return std::string{suite.param}; });

OpenStore opening(const std::string& spec, base::Duration later = {}, StoreLimits limits = {}) {
  return {.spec = spec, .limits = limits, .expiry = 300s, .now = kNow + later, .wall = kWall + later};
}

TEST(SqliteStore, comes_back_with_what_was_flushed) {
  Folder folder;
  const std::string spec = "sqlite:" + folder.file();
  {
    auto store = *open_store(opening(spec));
    for (std::uint32_t i = 0; i < 100; ++i) store->update(swarm(i % 3), peer(i, 5, kNow, i % 2 == 0));
    store->count_completed(swarm(1));
    store->remove(swarm(0), peer(0, 5, kNow).endpoint);
    ASSERT_TRUE(store->flush(kNow, kWall));
    store->remove(swarm(0), peer(3, 5, kNow).endpoint);
    store->update(swarm(1), peer(1, 5, kNow + 250s));
    ASSERT_TRUE(store->flush(kNow + 250s, kWall + 250s));
  }
  auto store = *open_store(opening(spec, 260s));
  EXPECT_EQ(store->totals().peers, 98U);
  EXPECT_EQ(store->totals().seeds, 49U);
  EXPECT_EQ(store->counts(swarm(1))->completed, 1U);
  store->expire(kNow + 1s);
  EXPECT_EQ(store->totals().peers, 1U) << "ages came back too";
  auto gone = *open_store(opening("sqlite:" + folder.file("other.db"), 10'000s));
  EXPECT_EQ(gone->totals().peers, 0U);
}

TEST(SqliteStore, expired_peers_do_not_come_back) {
  Folder folder;
  const std::string spec = "sqlite:" + folder.file();
  {
    auto store = *open_store(opening(spec));
    store->update(swarm(1), peer(1, 5, kNow));
    ASSERT_TRUE(store->flush(kNow, kWall));
  }
  EXPECT_EQ((*open_store(opening(spec, 299s)))->totals().peers, 1U);
  EXPECT_EQ((*open_store(opening(spec, 301s)))->totals().peers, 0U);
}

TEST(SqliteStore, a_wall_clock_that_went_back_makes_nobody_immortal) {
  Folder folder;
  const std::string spec = "sqlite:" + folder.file();
  {
    auto store = *open_store(opening(spec));
    store->update(swarm(1), peer(1, 5, kNow));
    ASSERT_TRUE(store->flush(kNow, kWall));
  }
  OpenStore earlier = opening(spec);
  earlier.wall -= std::chrono::hours{1000};
  auto store = *open_store(earlier);
  EXPECT_EQ(store->totals().peers, 1U);
  store->expire(kNow + 1s);
  EXPECT_EQ(store->totals().peers, 0U);
}

TEST(SqliteStore, one_file_serves_one_tracker) {
  Folder folder;
  const std::string spec = "sqlite:" + folder.file();
  const auto first = open_store(opening(spec));
  ASSERT_TRUE(first);
  const auto second = open_store(opening(spec));
  ASSERT_FALSE(second);
  EXPECT_NE(second.error().find("in use by another tracker"), std::string::npos) << second.error();
}

TEST(SqliteStore, what_is_no_file_of_ours_is_left_alone_with_a_message) {
  Folder folder;
  std::ofstream(folder.file("text")) << std::string(5000, 'x');
  const auto text = open_store(opening("sqlite:" + folder.file("text")));
  ASSERT_FALSE(text);
  EXPECT_NE(text.error().find("not a database"), std::string::npos) << text.error();
  EXPECT_EQ(std::filesystem::file_size(folder.file("text")), 5000U);
  const auto nowhere = open_store(opening("sqlite:" + folder.file("no/such/folder.db")));
  ASSERT_FALSE(nowhere);
  EXPECT_NE(nowhere.error().find("cannot be opened"), std::string::npos) << nowhere.error();
  EXPECT_FALSE(open_store(opening("sqlite:")));
  EXPECT_FALSE(open_store(opening("redis://127.0.0.1")));
}

TEST(SqliteStore, more_rows_than_one_flush_takes_go_with_the_next) {
  Folder folder;
  const std::string spec = "sqlite:" + folder.file();
  const std::size_t count = kMaxRowsPerFlush + 10;
  {
    auto store = *open_store(opening(spec));
    for (std::uint32_t i = 0; i < count; ++i) store->update(swarm(1), peer(i, 5, kNow));
    ASSERT_TRUE(store->flush(kNow, kWall));
  }
  {
    auto store = *open_store(opening(spec));
    EXPECT_EQ(store->totals().peers, kMaxRowsPerFlush);
    for (std::uint32_t i = 0; i < count; ++i) store->update(swarm(1), peer(i, 5, kNow));
    ASSERT_TRUE(store->flush(kNow, kWall));
    ASSERT_TRUE(store->flush(kNow, kWall));
  }
  EXPECT_EQ((*open_store(opening(spec)))->totals().peers, count);
}

TEST(SqliteStore, writes_the_whole_table_anew_when_too_many_changes_waited) {
  Folder folder;
  const std::string spec = "sqlite:" + folder.file();
  {
    auto store = *open_store(opening(spec, {}, {.max_unwritten = 100}));
    for (std::uint32_t i = 0; i < 90; ++i) store->update(swarm(1), peer(i, 5, kNow));
    ASSERT_TRUE(store->flush(kNow, kWall));
    for (std::uint32_t i = 0; i < 1000; ++i) store->update(swarm(1), peer(i, 6, kNow));
    store->remove(swarm(1), peer(0, 5, kNow).endpoint);
    ASSERT_TRUE(store->flush(kNow, kWall));
  }
  EXPECT_EQ((*open_store(opening(spec)))->totals().peers, 1089U);
}

// A file size limit of the process stands for the full disk.
TEST(SqliteStore, goes_on_in_memory_while_the_disk_is_full_and_catches_up_later) {
  Folder folder;
  const std::string spec = "sqlite:" + folder.file();
  rlimit before{};
  getrlimit(RLIMIT_FSIZE, &before);
  const auto previous = std::signal(SIGXFSZ, SIG_IGN);
  {
    auto store = *open_store(opening(spec));
    const rlimit full{.rlim_cur = 4096, .rlim_max = before.rlim_max};
    for (std::uint32_t i = 0; i < 2000; ++i) store->update(swarm(1), peer(i, 5, kNow));
    setrlimit(RLIMIT_FSIZE, &full);
    const auto refused = store->flush(kNow, kWall);
    setrlimit(RLIMIT_FSIZE, &before);
    ASSERT_FALSE(refused);
    EXPECT_FALSE(refused.error().empty());
    EXPECT_EQ(store->totals().peers, 2000U);
    const auto written = store->flush(kNow, kWall);
    ASSERT_TRUE(written) << written.error();
  }
  std::signal(SIGXFSZ, previous);
  EXPECT_EQ((*open_store(opening(spec)))->totals().peers, 2000U);
}

}  // namespace
}  // namespace runnel::tracker
