// The tracker as a process, killed without warning: what it had written is there again.
#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <boost/json/parse.hpp>
#include <filesystem>
#include <optional>

#include "core/discovery/http_announce.hpp"
#include "net/http_get.hpp"
#include "support/child_process.hpp"
#include "support/run_until.hpp"

namespace runnel {
namespace {

class KilledTracker : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/runnel-killed-XXXXXX";
    ASSERT_NE(mkdtemp(name), nullptr);
    folder = name;
  }
  void TearDown() override {
    process.reset();
    std::filesystem::remove_all(folder);
  }

  void start() {
    process.reset();
    process.emplace(std::vector<std::string>{RUNNEL_TRACKER_SERVICE, "sqlite:" + folder + "/tracker.db"});
    const auto line = process->read_line();
    ASSERT_TRUE(line);
    url = boost::json::parse(*line).at("http").as_string().c_str();
  }

  std::string fetch(const std::string& from) {
    net::HttpClient client(io, {});
    std::optional<std::string> body;
    const auto transfer = client.get({.url = from}, [&](const auto& response) { body = response ? response->body : ""; });
    test::run_until(io, [&] { return body.has_value(); });
    return body.value_or("");
  }

  std::int64_t peers() {
    const std::string stats = fetch(url.substr(0, url.rfind('/')) + "/stats");
    return boost::json::parse(stats).at("peers").to_number<std::int64_t>();
  }

  void announce(std::uint16_t port) {
    discovery::AnnounceParameters p{.info_hash = {{std::byte{1}}}, .port = port};
    base::store_big_endian(p.peer_id.bytes.data(), port);
    ASSERT_FALSE(fetch(announce_url(*discovery::TrackerUrl::parse(url), p)).empty());
  }

  [[nodiscard]] std::uintmax_t written() const {
    std::error_code none;
    const auto size = std::filesystem::file_size(folder + "/tracker.db-wal", none);
    return none ? 0 : size;
  }

  boost::asio::io_context io;
  std::string folder;
  std::string url;
  std::optional<test::ChildProcess> process;
};

TEST_F(KilledTracker, comes_back_with_every_peer_it_had_written) {
  constexpr int kRounds = 5, kPeersPerRound = 20;
  std::uint16_t port = 1000;
  for (int round = 0; round < kRounds; ++round) {
    start();
    ASSERT_EQ(peers(), round * kPeersPerRound) << "round " << round;
    for (int i = 0; i < kPeersPerRound; ++i) announce(port++);
    // The flush after the last announce is the one that counts: wait for a transaction that began after it.
    for (int flushes = 0; flushes < 2; ++flushes) {
      const auto before = written();
      announce(port - 1);
      ASSERT_TRUE(test::run_until(io, [&] { return written() > before; }));
    }
    process->end(SIGKILL);
  }
  start();
  EXPECT_EQ(peers(), kRounds * kPeersPerRound);
}

TEST_F(KilledTracker, ends_cleanly_on_sigterm_and_writes_the_last_second) {
  start();
  for (std::uint16_t port = 1; port <= 10; ++port) announce(port);
  process->end(SIGTERM);
  start();
  EXPECT_EQ(peers(), 10);
}

}  // namespace
}  // namespace runnel
