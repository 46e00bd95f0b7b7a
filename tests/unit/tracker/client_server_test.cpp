// Our tracker client against our tracker service, over real sockets on loopback.
#include <gtest/gtest.h>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/udp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>
#include <set>

#include "base/rng.hpp"
#include "net/asio_endpoint.hpp"
#include "net/http_get.hpp"
#include "net/tracker_client.hpp"
#include "support/run_until.hpp"
#include "tracker/tracker_server.hpp"

namespace runnel {
namespace {

using base::Endpoint;
using discovery::InfoHash;
using discovery::PeerId;
using discovery::TrackerCondition;
using discovery::TrackerState;
using test::run_until;

InfoHash swarm(std::uint8_t n) {
  InfoHash id;
  id.bytes.fill(std::byte{n});
  return id;
}

// One node's tracker client and what it was told.
struct Node {
  Node(boost::asio::io_context& io, std::uint16_t port, std::uint64_t seed)
      : client(io, {.peer_id = peer_id(seed), .port = port, .rng_seed = seed, .secret = {std::byte(seed)}}) {}
  static PeerId peer_id(std::uint64_t seed) {
    PeerId id;
    base::store_big_endian(id.bytes.data(), seed);
    return id;
  }
  net::TrackerClient::Callbacks callbacks() {
    return {.on_peers = [this](const std::vector<Endpoint>& found) { peers.insert(found.begin(), found.end()); },
            .on_state = [this](const TrackerState& s) { state = s, ++states; }};
  }
  net::TrackerClient client;
  std::set<Endpoint> peers;
  TrackerState state;
  int states = 0;
};

class TrackerOnLoopback : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    auto started = tracker::TrackerServer::start(io, config());
    ASSERT_TRUE(started) << started.error();
    server = std::move(*started);
  }
  static tracker::TrackerServer::Config config() {
    return {.http = Endpoint::parse("127.0.0.1:0"), .udp = Endpoint::parse("127.0.0.1:0"), .rng_seed = 1};
  }
  [[nodiscard]] std::string url() const { return GetParam() == "http" ? server->http_url() : server->udp_url(); }

  boost::asio::io_context io;
  std::unique_ptr<tracker::TrackerServer> server;
};

TEST_P(TrackerOnLoopback, two_announcers_find_each_other) {
  Node first(io, 1111, 1), second(io, 2222, 2);
  ASSERT_TRUE(first.client.add(url(), swarm(7), first.callbacks()));
  ASSERT_TRUE(run_until(io, [&] { return first.state.condition == TrackerCondition::working; })) << first.state.text;
  ASSERT_TRUE(second.client.add(url(), swarm(7), second.callbacks()));
  ASSERT_TRUE(run_until(io, [&] { return !second.peers.empty(); })) << second.state.text;
  EXPECT_EQ(second.peers, std::set{*Endpoint::parse("127.0.0.1:1111")});
  EXPECT_TRUE(first.peers.empty()) << "it was alone when it asked";
  EXPECT_EQ(second.state.leechers, 2U);
}

TEST_P(TrackerOnLoopback, a_goodbye_takes_the_peer_off_the_list_within_a_second) {
  Node node(io, 1111, 1);
  ASSERT_TRUE(node.client.add(url(), swarm(7), node.callbacks()));
  ASSERT_TRUE(run_until(io, [&] { return server->stats().totals.peers == 1; }));
  ASSERT_TRUE(run_until(io, [&] { return node.state.condition == TrackerCondition::working; }));
  bool stopped = false;
  node.client.stop([&] { stopped = true; });
  ASSERT_TRUE(run_until(io, [&] { return stopped; }, std::chrono::seconds{2}));
  EXPECT_EQ(server->stats().totals.peers, 0U);
  EXPECT_FALSE(node.client.add(url(), swarm(8), {}));
}

TEST_P(TrackerOnLoopback, one_client_announces_many_swarms_apart) {
  Node node(io, 1111, 1), other(io, 2222, 2);
  for (std::uint8_t i = 0; i < 20; ++i) ASSERT_TRUE(node.client.add(url(), swarm(i), node.callbacks()));
  ASSERT_TRUE(run_until(io, [&] { return server->stats().totals.swarms == 20; }));
  ASSERT_TRUE(other.client.add(url(), swarm(19), other.callbacks()));
  ASSERT_TRUE(run_until(io, [&] { return !other.peers.empty(); }));
  node.client.remove(swarm(19));
  ASSERT_TRUE(run_until(io, [&] { return server->stats().totals.peers == 20; }));
  ASSERT_TRUE(node.client.add(url(), swarm(19), node.callbacks())) << "again, right after the goodbye";
  ASSERT_TRUE(run_until(io, [&] { return server->stats().totals.peers == 21; }));
}

TEST_P(TrackerOnLoopback, a_seed_is_told_of_leechers_only) {
  Node leecher(io, 1111, 1), seed(io, 2222, 2), second_seed(io, 3333, 3);
  leecher.client.set_stats(swarm(7), {.left = 5});
  seed.client.set_stats(swarm(7), {.left = 0});
  second_seed.client.set_stats(swarm(7), {.left = 0});
  ASSERT_TRUE(leecher.client.add(url(), swarm(7), leecher.callbacks()));
  ASSERT_TRUE(seed.client.add(url(), swarm(7), seed.callbacks()));
  ASSERT_TRUE(run_until(io, [&] { return server->stats().totals.peers == 2; }));
  ASSERT_TRUE(second_seed.client.add(url(), swarm(7), second_seed.callbacks()));
  ASSERT_TRUE(run_until(io, [&] { return second_seed.state.condition == TrackerCondition::working; }));
  EXPECT_EQ(second_seed.peers, std::set{*Endpoint::parse("127.0.0.1:1111")});
  EXPECT_EQ(server->stats().totals.seeds, 2U);
}

INSTANTIATE_TEST_SUITE_P(Protocols, TrackerOnLoopback, testing::Values("http", "udp"), [](const auto& suite) { return suite.param; });

TEST(TrackerClient, tells_that_a_tracker_is_down_and_when_it_tries_again) {
  boost::asio::io_context io;
  boost::asio::ip::tcp::acceptor taken(io, {boost::asio::ip::address_v4::loopback(), 0});
  const std::string url = "http://127.0.0.1:" + std::to_string(taken.local_endpoint().port()) + "/announce";
  taken.close();
  Node node(io, 1111, 1);
  ASSERT_TRUE(node.client.add(url, swarm(1), node.callbacks()));
  ASSERT_TRUE(run_until(io, [&] { return node.state.condition == TrackerCondition::failing; }));
  EXPECT_NE(node.state.text.find("next try in 1"), std::string::npos) << node.state.text;
  EXPECT_NE(node.state.text.find("cannot reach"), std::string::npos) << node.state.text;
  bool stopped = false;
  node.client.stop([&] { stopped = true; });
  EXPECT_TRUE(run_until(io, [&] { return stopped; }, std::chrono::milliseconds{500})) << "nobody there to say goodbye to";
}

TEST(TrackerClient, an_unknown_name_is_told_not_crashed_on) {
  boost::asio::io_context io;
  Node node(io, 1111, 1);
  const std::string name(64, 'a');  // a label too long for any name server to be asked (RFC 1035 2.3.4)
  ASSERT_TRUE(node.client.add("udp://" + name + ":6969", swarm(1), node.callbacks()));
  ASSERT_TRUE(run_until(io, [&] { return node.state.condition == TrackerCondition::failing; }));
  EXPECT_NE(node.state.text.find("cannot find aaa"), std::string::npos) << node.state.text;
}

TEST(TrackerClient, refuses_what_is_no_tracker_url_and_more_than_its_limit) {
  boost::asio::io_context io;
  Node node(io, 1111, 1);
  EXPECT_FALSE(node.client.add("ftp://tracker.example/", swarm(1), {}));
  EXPECT_FALSE(node.client.add("udp://127.0.0.1", swarm(1), {}));
  std::size_t added = 0;
  for (std::size_t i = 0; i < net::kMaxAnnouncers + 10; ++i) {
    added += node.client.add("udp://127.0.0.1:" + std::to_string(1000 + i), swarm(1), {}) ? 1 : 0;
  }
  EXPECT_EQ(added, net::kMaxAnnouncers);
}

TEST(TrackerClient, a_link_cannot_aim_requests_at_other_pages_of_a_private_network) {
  boost::asio::io_context io;
  Node node(io, 1111, 1);
  ASSERT_TRUE(node.client.add("http://127.0.0.1:9/admin/reboot", swarm(1), node.callbacks()));
  ASSERT_TRUE(run_until(io, [&] { return node.state.condition == TrackerCondition::failing; }));
  EXPECT_NE(node.state.text.find("must begin with /announce"), std::string::npos) << node.state.text;
}

TEST(TrackerClient, may_be_destroyed_with_everything_under_way) {
  boost::asio::io_context io;
  auto server = tracker::TrackerServer::start(io, {.http = Endpoint::parse("127.0.0.1:0"), .udp = Endpoint::parse("127.0.0.1:0")});
  ASSERT_TRUE(server);
  for (int steps = 0; steps < 12; ++steps) {
    auto node = std::make_unique<Node>(io, 1111, 1);
    ASSERT_TRUE(node->client.add((*server)->http_url(), swarm(1), node->callbacks()));
    ASSERT_TRUE(node->client.add((*server)->udp_url(), swarm(1), node->callbacks()));
    ASSERT_TRUE(node->client.add("http://localhost:1/announce", swarm(1), node->callbacks()));
    io.restart();
    for (int i = 0; i < steps; ++i) io.run_one_for(std::chrono::milliseconds{20});
    node.reset();
    io.restart();
    io.poll();
  }
}

TEST(TrackerServer, a_taken_port_is_a_message) {
  boost::asio::io_context io;
  auto first = tracker::TrackerServer::start(io, {.http = Endpoint::parse("127.0.0.1:0"), .udp = Endpoint::parse("127.0.0.1:0")});
  ASSERT_TRUE(first);
  const auto http = tracker::TrackerServer::start(io, {.http = (*first)->http_endpoint()});
  ASSERT_FALSE(http);
  EXPECT_NE(http.error().find("(TCP): Address already in use"), std::string::npos) << http.error();
  const auto udp = tracker::TrackerServer::start(io, {.udp = (*first)->udp_endpoint()});
  ASSERT_FALSE(udp);
  EXPECT_NE(udp.error().find("(UDP): Address already in use"), std::string::npos) << udp.error();
  const auto store = tracker::TrackerServer::start(io, {.store = "paper"});
  ASSERT_FALSE(store);
  EXPECT_NE(store.error().find("unknown tracker store"), std::string::npos);
}

TEST(TrackerServer, connections_are_limited_in_all_and_for_each_address) {
  using boost::asio::ip::tcp;
  boost::asio::io_context io;
  for (const auto& limits : {tracker::HttpLimits{.connections = 5}, tracker::HttpLimits{.connections_per_address = 5}}) {
    auto handle = [](std::string_view, const base::IpAddress&) { return tracker::HttpReply{}; };
    auto server = tracker::HttpServer::listen(io, *Endpoint::parse("127.0.0.1:0"), limits, handle);
    ASSERT_TRUE(server) << server.error();
    std::vector<tcp::socket> clients;
    int refused = 0;
    for (int i = 0; i < 12; ++i) {
      clients.emplace_back(io);
      clients.back().connect(net::to_asio<tcp::endpoint>((*server)->endpoint()));
      clients.back().async_wait(tcp::socket::wait_read, [&](boost::system::error_code error) { refused += error ? 0 : 1; });
    }
    ASSERT_TRUE(run_until(io, [&] { return refused == 7; })) << refused;
    EXPECT_EQ((*server)->connections(), 5U);
    for (tcp::socket& client : clients) client.close();
    EXPECT_TRUE(run_until(io, [&] { return (*server)->connections() == 0; }));
  }
}

TEST(TrackerServer, random_bytes_on_both_sockets_leave_it_at_work) {
  const std::uint64_t seed = 20240601;
  SCOPED_TRACE("seed " + std::to_string(seed));
  base::Rng rng(seed);
  boost::asio::io_context io;
  auto started = tracker::TrackerServer::start(io, {.http = Endpoint::parse("127.0.0.1:0"), .udp = Endpoint::parse("127.0.0.1:0")});
  ASSERT_TRUE(started);
  const auto noise = [&](std::size_t size) {
    std::string bytes(size, '\0');
    for (char& c : bytes) c = static_cast<char>(rng());
    return bytes;
  };
  boost::asio::ip::udp::socket udp(io, {boost::asio::ip::udp::v4(), 0});
  const auto udp_at = net::to_asio<boost::asio::ip::udp::endpoint>(*(*started)->udp_endpoint());
  const auto http_at = net::to_asio<boost::asio::ip::tcp::endpoint>(*(*started)->http_endpoint());
  for (int i = 0; i < 500; ++i) {
    std::string datagram = noise(rng.below(300));
    // Half of them look like announces and scrapes, with ids that were never given out.
    if (i % 2 == 0 && datagram.size() >= 16) datagram.replace(8, 4, std::string("\0\0\0", 3) + static_cast<char>(rng.below(4)));
    udp.send_to(boost::asio::buffer(datagram), udp_at);
    io.poll();
  }
  for (int i = 0; i < 60; ++i) {
    boost::asio::ip::tcp::socket tcp(io);
    tcp.connect(http_at);
    boost::system::error_code ignored;
    const std::string bytes = (i % 3 == 0 ? "GET /announce?" : "") + noise(rng.below(20'000));
    boost::asio::write(tcp, boost::asio::buffer(bytes), ignored);
    io.poll();
  }
  Node node(io, 1111, 1);
  ASSERT_TRUE(node.client.add((*started)->udp_url(), swarm(1), node.callbacks()));
  ASSERT_TRUE(node.client.add((*started)->http_url(), swarm(2), node.callbacks()));
  EXPECT_TRUE(run_until(io, [&] { return (*started)->stats().totals.swarms == 2; }));
}

TEST(TrackerServer, serves_ipv4_and_ipv6_on_one_socket_and_tells_each_of_the_other_over_http) {
  boost::asio::io_context io;
  auto started = tracker::TrackerServer::start(io, {.http = Endpoint::parse("[::]:0"), .udp = Endpoint::parse("[::]:0")});
  ASSERT_TRUE(started) << started.error();
  const std::string port = std::to_string((*started)->http_endpoint()->port);
  Node first(io, 1111, 1), second(io, 2222, 2), third(io, 3333, 3);
  ASSERT_TRUE(first.client.add("http://[::1]:" + port + "/announce", swarm(1), first.callbacks()));
  ASSERT_TRUE(run_until(io, [&] { return first.state.condition == TrackerCondition::working; })) << first.state.text;
  ASSERT_TRUE(second.client.add("http://127.0.0.1:" + port + "/announce", swarm(1), second.callbacks()));
  ASSERT_TRUE(run_until(io, [&] { return !second.peers.empty(); }));
  EXPECT_EQ(second.peers, std::set{*Endpoint::parse("[::1]:1111")});
  const std::string udp_port = std::to_string((*started)->udp_endpoint()->port);
  ASSERT_TRUE(third.client.add("udp://[::1]:" + udp_port, swarm(1), third.callbacks()));
  ASSERT_TRUE(run_until(io, [&] { return third.state.condition == TrackerCondition::working; }));
  EXPECT_EQ(third.peers, std::set{*Endpoint::parse("[::1]:1111")}) << "UDP carries the family that it came over";
}

TEST(TrackerClient, announces_over_both_families_of_a_name) {
  boost::asio::io_context io;
  auto started = tracker::TrackerServer::start(io, {.http = Endpoint::parse("[::]:0")});
  ASSERT_TRUE(started) << started.error();
  net::Resolver resolver(io);
  std::size_t families = 0;
  resolver.resolve("localhost", 1, [&](const net::Resolver::Result& result) {
    ASSERT_TRUE(result) << result.error();
    std::set<bool> seen;
    for (const Endpoint& e : *result) seen.insert(e.address.is_v4());
    families = seen.size();
  });
  ASSERT_TRUE(run_until(io, [&] { return families > 0; }));
  Node node(io, 1111, 1);
  ASSERT_TRUE(
      node.client.add("http://localhost:" + std::to_string((*started)->http_endpoint()->port) + "/announce", swarm(1), node.callbacks()));
  EXPECT_TRUE(run_until(io, [&] { return (*started)->stats().totals.peers == families; }));
  EXPECT_EQ(node.client.states().size(), families);
}

}  // namespace
}  // namespace runnel
