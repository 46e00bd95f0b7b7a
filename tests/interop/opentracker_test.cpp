// Our tracker client against an unmodified opentracker.
#include <gtest/gtest.h>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/udp.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>

#include "base/bytes.hpp"
#include "net/http_get.hpp"
#include "net/tracker_client.hpp"
#include "support/child_process.hpp"
#include "support/run_until.hpp"

namespace runnel {
namespace {

using base::Endpoint;
using discovery::TrackerCondition;
using test::run_until;

namespace asio = boost::asio;
using asio::ip::tcp;
using asio::ip::udp;

const discovery::InfoHash kSwarm{{std::byte{7}}};

// A port that is free for TCP and UDP now. Opentracker cannot choose one itself; should somebody be faster, we try again.
std::uint16_t free_port(asio::io_context& io) {
  while (true) {
    tcp::acceptor acceptor(io, {asio::ip::address_v4::loopback(), 0}, false);
    const std::uint16_t port = acceptor.local_endpoint().port();
    boost::system::error_code taken;
    udp::socket socket(io, udp::v4());
    socket.bind({asio::ip::address_v4::loopback(), port}, taken);
    if (!taken) return port;
  }
}

class Opentracker : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    char name[] = "/tmp/runnel-opentracker-XXXXXX";
    ASSERT_NE(mkdtemp(name), nullptr);
    folder = name;
    // Debian's opentracker serves only swarms that are listed, and reads the list as nobody when it was started as root.
    std::filesystem::permissions(folder, std::filesystem::perms::others_all, std::filesystem::perm_options::add);
    std::ofstream(folder + "/whitelist") << base::to_hex(kSwarm.view()) << '\n';
    for (int attempt = 0; attempt < 5 && !answers(); ++attempt) start();
    ASSERT_TRUE(answers()) << "opentracker (Debian package opentracker) did not come up";
  }
  void TearDown() override { std::filesystem::remove_all(folder); }

  void start() {
    port = std::to_string(free_port(io));
    process.emplace(
        std::vector<std::string>{"opentracker", "-i", "127.0.0.1", "-p", port, "-P", port, "-d", "/", "-w", folder + "/whitelist"});
    run_until(io, [&] { return !process->running() || answers(); }, std::chrono::seconds{5});
  }

  // It reads its list after it has begun to answer, so an answer counts when it is not a refusal.
  [[nodiscard]] bool answers() {
    if (port.empty()) return false;
    net::HttpClient client(io, {});
    std::optional<std::string> body;
    const discovery::AnnounceParameters leaving{.info_hash = kSwarm, .port = 9, .event = discovery::AnnounceEvent::stopped};
    const auto url = discovery::TrackerUrl::parse("http://127.0.0.1:" + port + "/announce");
    const auto transfer =
        client.get({.url = announce_url(*url, leaving)}, [&](const auto& response) { body = response ? response->body : ""; });
    run_until(io, [&] { return body.has_value(); });
    return body && !body->empty() && body->find("failure") == std::string::npos;
  }

  asio::io_context io;
  std::string folder;
  std::string port;
  std::optional<test::ChildProcess> process;
};

struct Node {
  Node(asio::io_context& io, std::uint16_t port, std::uint8_t seed)
      : client(io, {.peer_id = {{std::byte{seed}}}, .port = port, .rng_seed = seed, .secret = {std::byte{seed}}}) {}
  net::TrackerClient::Callbacks callbacks() {
    return {.on_peers = [this](const std::vector<Endpoint>& found) { peers.insert(found.begin(), found.end()); },
            .on_state = [this](const discovery::TrackerState& s) { state = s; }};
  }
  net::TrackerClient client;
  std::set<Endpoint> peers;
  discovery::TrackerState state;
};

TEST_P(Opentracker, brings_two_of_our_announcers_together_and_lets_them_go) {
  const std::string url = GetParam() + "://127.0.0.1:" + port + "/announce";
  Node first(io, 1111, 1), second(io, 2222, 2), third(io, 3333, 3);
  ASSERT_TRUE(first.client.add(url, kSwarm, first.callbacks()));
  ASSERT_TRUE(run_until(io, [&] { return first.state.condition == TrackerCondition::working; })) << first.state.text;
  ASSERT_TRUE(second.client.add(url, kSwarm, second.callbacks()));
  ASSERT_TRUE(run_until(io, [&] { return second.state.condition == TrackerCondition::working; })) << second.state.text;
  EXPECT_EQ(second.peers, std::set{*Endpoint::parse("127.0.0.1:1111")});
  bool stopped = false;
  first.client.stop([&] { stopped = true; });
  ASSERT_TRUE(run_until(io, [&] { return stopped; }, std::chrono::seconds{3}));
  ASSERT_TRUE(third.client.add(url, kSwarm, third.callbacks()));
  ASSERT_TRUE(run_until(io, [&] { return third.state.condition == TrackerCondition::working; })) << third.state.text;
  EXPECT_EQ(third.peers, std::set{*Endpoint::parse("127.0.0.1:2222")}) << "the first has left";
}

INSTANTIATE_TEST_SUITE_P(Protocols, Opentracker, testing::Values("http", "udp"), [](const auto& suite) { return suite.param; });

}  // namespace
}  // namespace runnel
