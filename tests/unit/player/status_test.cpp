#include <boost/json/parse.hpp>

#include "unit/player/server_fixture.hpp"

namespace runnel::player::test {
namespace {

using StatusTest = ServerFixture;

TEST_F(StatusTest, status_tells_everything_known_of_each_stream) {
  TestStream& live = add_live();
  live.title_ = "bad \xff title";
  StreamStatus& s = live.status_;
  s = {.state = "playing",
       .problem = "the tracker does not answer",
       .down_bytes = 1,
       .up_bytes = 2,
       .origin_bytes = 3,
       .caster_bytes = 4,
       .down_rate = 5,
       .up_rate = 6,
       .verified = 7,
       .rejected = 8,
       .total_bytes = 9,
       .have_bytes = 10,
       .buffer_s = 11.5,
       .lag_s = 0.25,
       .lag_parts = LagParts{.source_s = 0.125, .swarm_s = 0.5},
       .chunk_delays = swarm::DelayHistogram{},
       .push = swarm::PushState{.stream_rate = 1, .uplink = 2, .slots = 3, .place = 4},
       .wanted_chunks = 12,
       .known_peers = 13};
  s.peers.push_back({.address = "192.0.2.1:5000",
                     .direction = "in",
                     .is_caster = true,
                     .down_bytes = 1,
                     .up_bytes = 2,
                     .down_rate = 3,
                     .up_rate = 4,
                     .rejected_chunks = 5,
                     .rtt_ms = 6.5,
                     .queue_delay_ms = 7.5,
                     .have_fraction = 0.5,
                     .choking_us = true,
                     .choked_by_us = false});
  s.chunk_delays->add(std::chrono::milliseconds{100});
  s.trackers = {"http://127.0.0.1:1/announce: working"};
  start();
  const Reply reply = get("/api/status");
  EXPECT_EQ(reply.headers.at("content-type"), "application/json");
  const auto root = boost::json::parse(reply.body).as_object();
  EXPECT_EQ(root.at("version").as_string(), "1.2.3");
  EXPECT_EQ(root.at("base_url").as_string(), server->base_url());
  const auto& stream = root.at("streams").as_array().at(0).as_object();
  EXPECT_EQ(stream.at("title").as_string(), "bad \xef\xbf\xbd title");
  EXPECT_EQ(stream.at("problem").as_string(), "the tracker does not answer");
  const char* kNumbers[] = {"down_bytes", "up_bytes", "origin_bytes", "caster_bytes", "down_rate",
                            "up_rate",    "verified", "rejected",     "total_bytes",  "have_bytes"};
  for (int i = 0; i < 10; ++i) EXPECT_EQ(stream.at(kNumbers[i]).to_number<int>(), i + 1) << kNumbers[i];
  EXPECT_EQ(stream.at("buffer_s").to_number<double>(), 11.5);
  EXPECT_EQ(stream.at("lag_s").to_number<double>(), 0.25);
  EXPECT_EQ(stream.at("lag_parts").at("source_s").to_number<double>(), 0.125);
  EXPECT_EQ(stream.at("lag_parts").at("swarm_s").to_number<double>(), 0.5);
  EXPECT_EQ(stream.at("wanted_chunks").to_number<int>(), 12);
  EXPECT_EQ(stream.at("known_peers").to_number<int>(), 13);
  EXPECT_NEAR(stream.at("chunk_delays").at("p99_s").to_number<double>(), 0.1, 0.005);
  EXPECT_EQ(stream.at("chunk_delays").at("counts").at(0).at(1).to_number<int>(), 1);
  EXPECT_EQ(stream.at("push").at("slots").to_number<double>(), 3);
  EXPECT_TRUE(stream.at("push").at("line_queue_s").is_null());
  EXPECT_EQ(stream.at("push").at("place").to_number<int>(), 4);
  EXPECT_EQ(stream.at("timeline").at("playable").as_bool(), false);
  EXPECT_EQ(stream.at("trackers").as_array().size(), 1U);
  const auto& peer = stream.at("peers").as_array().at(0).as_object();
  EXPECT_EQ(peer.at("address").as_string(), "192.0.2.1:5000");
  EXPECT_EQ(peer.at("direction").as_string(), "in");
  EXPECT_TRUE(peer.at("caster").as_bool());
  EXPECT_EQ(peer.at("rtt_ms").to_number<double>(), 6.5);
  EXPECT_TRUE(peer.at("choking_us").as_bool());
}

TEST_F(StatusTest, lag_is_null_where_there_is_none) {
  add_film("x");
  start();
  const auto root = boost::json::parse(get("/api/status").body);
  EXPECT_TRUE(root.at("streams").at(0).at("lag_s").is_null());
  EXPECT_TRUE(root.at("streams").at(0).at("lag_parts").is_null());
  for (const char* of_live : {"timeline", "chunk_delays", "push"}) EXPECT_TRUE(root.at("streams").at(0).at(of_live).is_null()) << of_live;
}

TEST_F(StatusTest, the_list_of_streams_leads_to_each) {
  add_film("x");
  add_live();
  start();
  const auto list = boost::json::parse(get("/streams").body).as_array();
  ASSERT_EQ(list.size(), 2U);
  EXPECT_EQ(get(std::string{list[0].at("media").as_string()}).body, "x");
  EXPECT_TRUE(list[0].at("live_ts").is_null());
  EXPECT_TRUE(list[1].at("media").is_null());
  EXPECT_TRUE(std::string_view{list[1].at("live_ts").as_string()}.ends_with("/live.ts"));
}

TEST_F(StatusTest, metrics_are_prometheus_text) {
  TestStream& live = add_live();
  live.status_.down_bytes = 123'456'789'012;
  live.status_.lag_s = 0.75;
  live.role_ = "wa\"t\\ch\n";
  add_film("x").status_.buffer_s = 2.5;
  start();
  const Reply reply = get("/metrics");
  EXPECT_EQ(reply.headers.at("content-type"), "text/plain; version=0.0.4; charset=utf-8");
  EXPECT_NE(reply.body.find("runnel_info{version=\"1.2.3\"} 1\n"), std::string::npos);
  EXPECT_NE(reply.body.find("# TYPE runnel_down_bytes_total counter\nrunnel_down_bytes_total{stream=\"" + live.id_ +
                            "\",role=\"wa\\\"t\\\\ch\\n\"} 123456789012\n"),
            std::string::npos)
      << reply.body;
  EXPECT_NE(reply.body.find("role=\"watch\"} 2.5\n"), std::string::npos);
  // A film has no lag, so only the live stream's line stands.
  const std::size_t lag = reply.body.find("runnel_lag_seconds{");
  EXPECT_EQ(reply.body.find("runnel_lag_seconds{", lag + 1), std::string::npos);
}

}  // namespace
}  // namespace runnel::player::test
