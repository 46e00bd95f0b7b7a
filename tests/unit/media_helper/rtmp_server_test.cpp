#include "media_helper/rtmp_server.hpp"

#include <gtest/gtest.h>

#include <future>
#include <list>
#include <thread>

#include "publish_server_fixture.hpp"
#include "rtmp_test_client.hpp"

namespace runnel::media_helper {
namespace {

using namespace std::chrono_literals;
using test::bytes_of;
using test::media;
using test::Notices;
using test::port_of;
using test::TestClient;
using test::TestProcess;
using test::up_to_publish;
using test::operator+;

const base::Bytes kFrame = media(kRtmpVideo, 0, bytes_of({0x17, 1, 0, 0, 0, 1, 2, 3}));

class RtmpServer : public testing::Test {
 protected:
  RtmpServer() {
    config_.url = *parse_rtmp_url("rtmp://127.0.0.1:0/live/KEY");
    config_.on_notice = notices_.callback();
  }
  void start() {
    auto started = start_rtmp_server(config_);
    ASSERT_TRUE(started.has_value()) << started.error();
    server_ = std::move(*started);
  }
  std::string publish_url(const std::string& key = "KEY") { return server_->url() + '/' + key; }

  Notices notices_;
  RtmpServerConfig config_;
  std::unique_ptr<PublishServer> server_;
};

TEST_F(RtmpServer, the_url_names_the_chosen_port_and_no_key) {
  start();
  EXPECT_NE(port_of(*server_), 0);
  EXPECT_EQ(server_->url(), "rtmp://127.0.0.1:" + std::to_string(port_of(*server_)) + "/live");
}

TEST_F(RtmpServer, a_port_that_is_taken_is_told_at_once) {
  start();
  config_.url.listen.port = port_of(*server_);
  const auto second = start_rtmp_server(config_);
  ASSERT_FALSE(second.has_value());
  EXPECT_NE(second.error().find("in use"), std::string::npos) << second.error();
}

TEST_F(RtmpServer, ffmpeg_publishes_a_valid_flv_and_may_come_back) {
  start();
  for (int round = 0; round < 2; ++round) {
    TestProcess encoder{test::encoder_command("2", "flv", publish_url())};
    const auto publication = server_->wait_for_publisher();
    ASSERT_NE(publication, nullptr);
    EXPECT_EQ(publication->format, "flv");
    EXPECT_TRUE(publication->remote.address.is_loopback());
    const base::Bytes flv = test::read_all(*publication->bytes);
    EXPECT_EQ(encoder.wait(), 0);
    EXPECT_EQ(test::probe(flv, "flv"), "h264,320,180\naac\n");
    EXPECT_FALSE(publication->bytes->error().has_value());
  }
  EXPECT_TRUE(notices_.wait_for("stopped the stream", 2));
}

TEST_F(RtmpServer, ffmpeg_with_a_wrong_key_ends_with_an_error_and_is_logged_once_without_the_key) {
  start();
  for (int round = 0; round < 2; ++round) {
    TestProcess encoder{test::encoder_command("20", "flv", publish_url("GUESS"))};
    EXPECT_NE(encoder.wait(), 0);
  }
  EXPECT_TRUE(notices_.wait_for("wrong stream key"));
  EXPECT_EQ(notices_.count("wrong stream key"), 1U);
  EXPECT_EQ(notices_.count("GUESS"), 0U);
  EXPECT_EQ(notices_.count("publisher connected"), 0U);
}

TEST_F(RtmpServer, a_killed_encoder_ends_the_publication_and_the_next_one_is_a_new_one) {
  start();
  TestProcess encoder{test::encoder_command("60", "flv", publish_url())};
  const auto publication = server_->wait_for_publisher();
  ASSERT_NE(publication, nullptr);
  std::array<std::byte, 100> part{};
  ASSERT_GT(publication->bytes->read(part), 0U);
  encoder.kill_hard();
  test::read_all(*publication->bytes);
  TestClient again{port_of(*server_)};
  ASSERT_TRUE(again.send(up_to_publish("live", "KEY")));
  const auto next = server_->wait_for_publisher();
  ASSERT_NE(next, nullptr);
  EXPECT_NE(next->bytes, publication->bytes);
}

TEST_F(RtmpServer, idle_connections_do_not_block_a_publisher) {
  config_.max_connections = 50;
  start();
  std::list<TestClient> idle;
  for (int i = 0; i < 50; ++i) {
    idle.emplace_back(port_of(*server_));
    const bool begins = i % 2 == 0;
    EXPECT_TRUE(idle.back().send(begins ? bytes_of({3, 1, 2}) : base::Bytes{}));  // the start of a handshake, or nothing
  }
  TestClient publisher{port_of(*server_)};
  ASSERT_TRUE(publisher.send(up_to_publish("live", "KEY") + kFrame));
  const auto publication = server_->wait_for_publisher();
  ASSERT_NE(publication, nullptr);
  std::array<std::byte, 1> part{};
  EXPECT_EQ(publication->bytes->read(part), 1U);
  // The limit was reached: the oldest had to go, the publisher did not.
  EXPECT_EQ(idle.front().read_to_end(), "");
  for (int i = 0; i < 60; ++i) idle.emplace_back(port_of(*server_));
  EXPECT_EQ(idle.back().send(bytes_of({3})), true);
  EXPECT_EQ(notices_.count("is gone"), 0U);
}

TEST_F(RtmpServer, a_connection_without_a_handshake_is_closed_in_time) {
  config_.timeouts.handshake = 100ms;
  start();
  TestClient client{port_of(*server_)};
  EXPECT_EQ(client.read_to_end(), "");
}

TEST_F(RtmpServer, a_connection_that_never_publishes_is_closed_in_time) {
  config_.timeouts.publish = 200ms;
  start();
  TestClient client{port_of(*server_)};
  ASSERT_TRUE(client.send(test::handshake() + test::connect("live")));
  EXPECT_NE(client.read_to_end().find("NetConnection.Connect.Success"), std::string::npos);
}

TEST_F(RtmpServer, a_publisher_that_falls_silent_is_gone_in_time) {
  config_.timeouts.silence = 200ms;
  start();
  TestClient client{port_of(*server_)};
  ASSERT_TRUE(client.send(up_to_publish("live", "KEY") + kFrame));
  const auto publication = server_->wait_for_publisher();
  EXPECT_FALSE(test::read_all(*publication->bytes).empty());
  EXPECT_TRUE(notices_.wait_for("was silent for too long"));
}

TEST_F(RtmpServer, garbage_ends_only_its_own_connection) {
  start();
  TestClient publisher{port_of(*server_)};
  ASSERT_TRUE(publisher.send(up_to_publish("live", "KEY")));
  const auto publication = server_->wait_for_publisher();
  for (const base::Bytes& garbage : {base::Bytes(5000, std::byte{0x47}), test::handshake() + base::Bytes(5000, std::byte{0xff})}) {
    TestClient client{port_of(*server_)};
    client.send(garbage);
    client.read_to_end();
  }
  EXPECT_TRUE(notices_.wait_for("not RTMP"));
  ASSERT_TRUE(publisher.send(kFrame));
  std::array<std::byte, 1> part{};
  EXPECT_EQ(publication->bytes->read(part), 1U);
}

TEST_F(RtmpServer, garbage_from_the_publisher_ends_its_queue_with_an_error) {
  start();
  TestClient publisher{port_of(*server_)};
  ASSERT_TRUE(publisher.send(up_to_publish("live", "KEY") + kFrame + base::Bytes(100, std::byte{0xff})));
  const auto publication = server_->wait_for_publisher();
  EXPECT_FALSE(test::read_all(*publication->bytes).empty());
  EXPECT_TRUE(publication->bytes->error().has_value());
}

TEST_F(RtmpServer, a_second_publisher_is_refused_while_the_first_one_is_live) {
  start();
  TestClient first{port_of(*server_)};
  ASSERT_TRUE(first.send(up_to_publish("live", "KEY")));
  const auto publication = server_->wait_for_publisher();
  TestClient second{port_of(*server_)};
  ASSERT_TRUE(second.send(up_to_publish("live", "KEY")));
  EXPECT_NE(second.read_to_end().find("NetStream.Publish.BadName"), std::string::npos);
  EXPECT_TRUE(notices_.wait_for("another publisher is live"));
  EXPECT_TRUE(first.send(kFrame));
}

TEST_F(RtmpServer, a_second_publisher_takes_over_from_a_silent_one) {
  config_.timeouts.takeover = 0ms;
  start();
  TestClient first{port_of(*server_)};
  ASSERT_TRUE(first.send(up_to_publish("live", "KEY")));
  const auto publication = server_->wait_for_publisher();
  TestClient second{port_of(*server_)};
  ASSERT_TRUE(second.send(up_to_publish("live", "KEY") + kFrame));
  const auto next = server_->wait_for_publisher();
  ASSERT_NE(next, nullptr);
  EXPECT_TRUE(test::read_all(*publication->bytes).empty());
  EXPECT_TRUE(notices_.wait_for("another one took over"));
  std::array<std::byte, 1> part{};
  EXPECT_EQ(next->bytes->read(part), 1U);
}

TEST_F(RtmpServer, a_slow_reader_pauses_the_publisher_and_loses_nothing) {
  config_.queue_limit_bytes = 64 << 10;
  start();
  constexpr int kFrames = 400;
  constexpr std::size_t kFrameBytes = 50'000;  // 20 MB in all: more than the socket buffers hold
  auto sending = std::async(std::launch::async, [port = port_of(*server_)] {
    TestClient publisher{port};
    bool sent = publisher.send(up_to_publish("live", "KEY"));
    for (int i = 0; i < kFrames; ++i) sent = sent && publisher.send(media(kRtmpVideo, 0, base::Bytes(kFrameBytes, std::byte{0x27})));
    publisher.finish();
    return sent;
  });
  const auto publication = server_->wait_for_publisher();
  // Nothing is read: what the server holds stays bounded and the publisher waits.
  const auto deadline = std::chrono::steady_clock::now() + test::kPatience;
  while (publication->bytes->level_bytes() < config_.queue_limit_bytes && std::chrono::steady_clock::now() < deadline)
    std::this_thread::yield();
  EXPECT_EQ(sending.wait_for(0s), std::future_status::timeout);
  EXPECT_LE(publication->bytes->level_bytes(), (64U << 10) + kFrameBytes + (16U << 10));
  EXPECT_EQ(test::read_all(*publication->bytes).size(), 13 + kFrames * (11 + kFrameBytes + 4));
  EXPECT_TRUE(sending.get());
}

TEST_F(RtmpServer, a_reader_that_gives_up_disconnects_the_publisher) {
  start();
  TestClient publisher{port_of(*server_)};
  ASSERT_TRUE(publisher.send(up_to_publish("live", "KEY")));
  server_->wait_for_publisher().reset();
  publisher.read_to_end();
  EXPECT_TRUE(notices_.wait_for("cannot be used"));
}

TEST_F(RtmpServer, stopping_ends_the_publication_and_the_wait_and_the_reader_may_outlive_the_server) {
  start();
  TestClient publisher{port_of(*server_)};
  ASSERT_TRUE(publisher.send(up_to_publish("live", "KEY") + kFrame));
  const auto publication = server_->wait_for_publisher();
  auto waiting = std::async(std::launch::async, [&] { return server_->wait_for_publisher(); });
  server_->stop();
  EXPECT_EQ(waiting.get(), nullptr);
  server_.reset();
  EXPECT_FALSE(test::read_all(*publication->bytes).empty());
}

}  // namespace
}  // namespace runnel::media_helper
