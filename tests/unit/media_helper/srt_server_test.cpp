#include "media_helper/srt_server.hpp"

#include <gtest/gtest.h>

#include <future>

#include "publish_server_fixture.hpp"

namespace runnel::media_helper {
namespace {

using test::Notices;
using test::port_of;
using test::TestProcess;

class SrtServer : public testing::Test {
 protected:
  void start(const std::string& query) {
    const auto url = parse_srt_url("srt://127.0.0.1:0?" + query);
    ASSERT_TRUE(url.has_value()) << url.error();
    auto started = start_srt_server({.url = *url, .on_notice = notices_.callback()});
    ASSERT_TRUE(started.has_value()) << started.error();
    server_ = std::move(*started);
  }
  std::vector<std::string> encoder(const std::string& query, const std::string& seconds = "2") {
    return test::encoder_command(seconds, "mpegts", server_->url() + '?' + query);
  }

  Notices notices_;
  std::unique_ptr<PublishServer> server_;
};

TEST_F(SrtServer, the_url_names_the_chosen_port_and_no_secret) {
  start("streamid=KEY&passphrase=0123456789");
  EXPECT_NE(port_of(*server_), 0);
  EXPECT_EQ(server_->url(), "srt://127.0.0.1:" + std::to_string(port_of(*server_)));
}

TEST_F(SrtServer, a_port_that_is_taken_is_told_at_once) {
  start("streamid=KEY");
  const auto url = parse_srt_url(server_->url() + "?streamid=KEY");
  const auto second = start_srt_server({.url = *url, .on_notice = {}});
  ASSERT_FALSE(second.has_value());
  EXPECT_NE(second.error().find("cannot listen"), std::string::npos);
}

TEST_F(SrtServer, ffmpeg_publishes_a_valid_transport_stream_and_the_next_one_may_come) {
  start("streamid=KEY");
  for (const char* query : {"streamid=KEY", "streamid=#!::r=KEY,m=publish"}) {
    TestProcess encoder_process{encoder(query)};
    const auto publication = server_->wait_for_publisher();
    ASSERT_NE(publication, nullptr);
    EXPECT_EQ(publication->format, "mpegts");
    const base::Bytes ts = test::read_all(*publication->bytes);
    EXPECT_EQ(encoder_process.wait(), 0);
    EXPECT_EQ(ts.size() % 188, 0U);
    EXPECT_NE(test::probe(ts, "mpegts").find("h264,320,180"), std::string::npos);
  }
  EXPECT_TRUE(notices_.wait_for("is gone", 2));
}

TEST_F(SrtServer, a_wrong_stream_id_is_refused_and_logged_once_without_it) {
  start("streamid=KEY");
  for (const char* query : {"streamid=GUESS", "latency=100"}) {
    TestProcess encoder_process{encoder(query, "20")};
    EXPECT_NE(encoder_process.wait(), 0);
  }
  EXPECT_TRUE(notices_.wait_for("wrong stream id"));
  EXPECT_EQ(notices_.count("wrong stream id"), 1U);
  EXPECT_EQ(notices_.count("GUESS"), 0U);
}

TEST_F(SrtServer, a_wrong_passphrase_is_refused_and_told_and_the_right_one_is_let_in) {
  start("streamid=KEY&passphrase=right-one-here");
  TestProcess wrong{encoder("streamid=KEY&passphrase=wrong-one-here", "20")};
  EXPECT_NE(wrong.wait(), 0);
  TestProcess right{encoder("streamid=KEY&passphrase=right-one-here")};
  const auto publication = server_->wait_for_publisher();
  ASSERT_NE(publication, nullptr);
  EXPECT_FALSE(test::read_all(*publication->bytes).empty());
  EXPECT_EQ(right.wait(), 0);
  EXPECT_TRUE(notices_.wait_for("check the passphrase"));
}

TEST_F(SrtServer, a_second_publisher_is_refused_while_the_first_one_is_live) {
  start("streamid=KEY");
  TestProcess first{encoder("streamid=KEY", "60")};
  const auto publication = server_->wait_for_publisher();
  ASSERT_NE(publication, nullptr);
  TestProcess second{encoder("streamid=KEY", "60")};
  EXPECT_NE(second.wait(), 0);
  EXPECT_TRUE(notices_.wait_for("another publisher is live"));
  EXPECT_EQ(notices_.count("is gone"), 0U);
}

TEST_F(SrtServer, a_killed_encoder_ends_the_publication) {
  start("streamid=KEY");
  TestProcess encoder_process{encoder("streamid=KEY", "60")};
  const auto publication = server_->wait_for_publisher();
  ASSERT_NE(publication, nullptr);
  std::array<std::byte, 188> part{};
  ASSERT_GT(publication->bytes->read(part), 0U);
  encoder_process.kill_hard();
  test::read_all(*publication->bytes);
  EXPECT_TRUE(notices_.wait_for("is gone"));
}

TEST_F(SrtServer, a_reader_that_gives_up_disconnects_the_publisher) {
  start("streamid=KEY");
  TestProcess encoder_process{encoder("streamid=KEY", "60")};
  server_->wait_for_publisher().reset();
  EXPECT_TRUE(notices_.wait_for("cannot be used"));
}

TEST_F(SrtServer, stopping_ends_the_publication_and_the_wait) {
  start("streamid=KEY");
  TestProcess encoder_process{encoder("streamid=KEY", "60")};
  const auto publication = server_->wait_for_publisher();
  auto waiting = std::async(std::launch::async, [&] { return server_->wait_for_publisher(); });
  server_->stop();
  EXPECT_EQ(waiting.get(), nullptr);
  test::read_all(*publication->bytes);
  server_.reset();
}

}  // namespace
}  // namespace runnel::media_helper
