#include <random>

#include "player/hls_live.hpp"
#include "unit/player/server_fixture.hpp"

namespace runnel::player::test {
namespace {

class LiveTest : public ServerFixture {
 public:
  // `count` chunks of 100 ms from number `first` on.
  void feed(TestStream& s, std::uint32_t epoch, int first, int count, std::size_t padding = 0) {
    on_service([&] {
      for (int i = first; i < first + count; ++i) s.timeline_->add(live_chunk(epoch, i, padding));
    });
  }
  void begin(TestStream& s, std::uint32_t epoch = 0) {
    on_service([&] { s.timeline_->add(live_init(epoch)); });
  }
};

std::size_t count_of(const std::string& text, const std::string& what) {
  std::size_t count = 0;
  for (std::size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) ++count;
  return count;
}

TEST_F(LiveTest, master_names_codecs_and_picture) {
  TestStream& live = add_live();
  start();
  begin(live);
  feed(live, 0, 0, 15);
  const Reply reply = get(path(live, "master.m3u8"));
  EXPECT_EQ(reply.status, 200U);
  EXPECT_EQ(reply.headers.at("content-type"), "application/vnd.apple.mpegurl");
  EXPECT_EQ(reply.headers.at("cache-control"), "no-store");
  EXPECT_NE(reply.body.find("CODECS=\"avc1.64001f,mp4a.40.2\",RESOLUTION=1280x720,FRAME-RATE=30.000\nlive.m3u8\n"), std::string::npos)
      << reply.body;
}

TEST_F(LiveTest, playlist_lists_segments_parts_and_the_next_part) {
  TestStream& live = add_live();
  start();
  begin(live);
  feed(live, 0, 0, 25);
  const std::string expected =
      "#EXTM3U\n#EXT-X-VERSION:6\n#EXT-X-INDEPENDENT-SEGMENTS\n#EXT-X-TARGETDURATION:1\n"
      "#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,CAN-SKIP-UNTIL=6.000000,PART-HOLD-BACK=0.600000\n#EXT-X-PART-INF:PART-TARGET=0.200000\n"
      "#EXT-X-MEDIA-SEQUENCE:0\n#EXT-X-DISCONTINUITY-SEQUENCE:0\n#EXT-X-MAP:URI=\"init-0.mp4\"\n"
      "#EXT-X-PROGRAM-DATE-TIME:2023-11-14T22:13:20.000Z\n"
      "#EXT-X-PART:DURATION=0.200000,URI=\"part-0.m4s\",INDEPENDENT=YES\n#EXT-X-PART:DURATION=0.200000,URI=\"part-1.m4s\"\n"
      "#EXT-X-PART:DURATION=0.200000,URI=\"part-2.m4s\"\n#EXT-X-PART:DURATION=0.200000,URI=\"part-3.m4s\"\n"
      "#EXT-X-PART:DURATION=0.200000,URI=\"part-4.m4s\"\n#EXTINF:1.000000,\nseg-0.m4s\n"
      "#EXT-X-PROGRAM-DATE-TIME:2023-11-14T22:13:21.000Z\n"
      "#EXT-X-PART:DURATION=0.200000,URI=\"part-5.m4s\",INDEPENDENT=YES\n#EXT-X-PART:DURATION=0.200000,URI=\"part-6.m4s\"\n"
      "#EXT-X-PART:DURATION=0.200000,URI=\"part-7.m4s\"\n#EXT-X-PART:DURATION=0.200000,URI=\"part-8.m4s\"\n"
      "#EXT-X-PART:DURATION=0.200000,URI=\"part-9.m4s\"\n#EXTINF:1.000000,\nseg-1.m4s\n"
      "#EXT-X-PROGRAM-DATE-TIME:2023-11-14T22:13:22.000Z\n"
      "#EXT-X-PART:DURATION=0.200000,URI=\"part-10.m4s\",INDEPENDENT=YES\n#EXT-X-PART:DURATION=0.200000,URI=\"part-11.m4s\"\n"
      "#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"part-12.m4s\"\n";
  EXPECT_EQ(get(path(live, "live.m3u8")).body, expected);
}

TEST_F(LiveTest, segments_are_their_parts_and_parts_their_chunks) {
  TestStream& live = add_live();
  start();
  begin(live);
  feed(live, 0, 0, 25);
  EXPECT_EQ(get(path(live, "init-0.mp4")).body, "init0;");
  EXPECT_EQ(get(path(live, "part-0.m4s")).body, "chunk0;chunk1;");
  EXPECT_EQ(get(path(live, "seg-1.m4s")).body, "chunk10;chunk11;chunk12;chunk13;chunk14;chunk15;chunk16;chunk17;chunk18;chunk19;");
  EXPECT_EQ(get(path(live, "seg-1.m4s")).headers.at("content-type"), "video/mp4");
  EXPECT_EQ(HttpClient{port()}.request("HEAD", path(live, "seg-1.m4s")).headers.at("content-length"), "80");
}

TEST_F(LiveTest, what_is_not_there_is_not_found) {
  TestStream& live = add_live({.window = seconds{2}});
  start();
  begin(live);
  feed(live, 0, 0, 65);
  for (const auto* name : {"seg-0.m4s", "seg-6.m4s", "seg-999.m4s", "part-0.m4s", "part-999.m4s", "part-.m4s", "part-x.m4s", "init-1.mp4",
                           "init-99999999999.mp4", "seg--1.m4s", "media", "", "x"})
    EXPECT_EQ(get(path(live, name)).status, 404U) << name;
}

TEST_F(LiveTest, a_delta_update_leaves_out_what_is_farther_from_the_end_than_the_boundary) {
  TestStream& live = add_live();
  start();
  begin(live);
  feed(live, 0, 0, 105);   // segments 0 to 9, and half a second of segment 10
  const std::string full = get(path(live, "live.m3u8?_HLS_msn=10&_HLS_part=0")).body;
  const std::string delta = get(path(live, "live.m3u8?_HLS_msn=10&_HLS_part=0&_HLS_skip=YES")).body;
  // Segment 3 ends 6.4 s before the playlist, segment 4 only 5.4 s.
  const std::string head =
      "#EXTM3U\n#EXT-X-VERSION:9\n#EXT-X-INDEPENDENT-SEGMENTS\n#EXT-X-TARGETDURATION:1\n"
      "#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,CAN-SKIP-UNTIL=6.000000,PART-HOLD-BACK=0.600000\n#EXT-X-PART-INF:PART-TARGET=0.200000\n"
      "#EXT-X-MEDIA-SEQUENCE:0\n#EXT-X-DISCONTINUITY-SEQUENCE:0\n#EXT-X-SKIP:SKIPPED-SEGMENTS=4\n#EXT-X-MAP:URI=\"init-0.mp4\"\n";
  EXPECT_TRUE(delta.starts_with(head)) << delta;
  const std::string rest = delta.substr(head.size());
  EXPECT_TRUE(rest.starts_with("#EXT-X-PROGRAM-DATE-TIME:2023-11-14T22:13:24.000Z\n#EXTINF:1.000000,\nseg-4.m4s\n")) << delta;
  EXPECT_TRUE(full.ends_with(rest)) << full;
  EXPECT_EQ(get(path(live, "live.m3u8?_HLS_skip=v2")).body, delta);
}

TEST_F(LiveTest, there_is_no_delta_update_of_a_short_playlist) {
  TestStream& live = add_live();
  start();
  begin(live);
  feed(live, 0, 0, 70);   // the first segment ends exactly at the boundary
  EXPECT_EQ(get(path(live, "live.m3u8?_HLS_skip=YES")).body, get(path(live, "live.m3u8")).body);
  feed(live, 0, 70, 35);
  EXPECT_EQ(get(path(live, "live.m3u8?_HLS_skip=perhaps")).body, get(path(live, "live.m3u8")).body);
}

TEST_F(LiveTest, a_delta_update_names_the_map_of_its_first_segment) {
  TestStream& live = add_live();
  start();
  begin(live, 5);
  feed(live, 5, 0, 20);
  begin(live, 6);
  feed(live, 6, 0, 90);
  const std::string body = get(path(live, "live.m3u8?_HLS_skip=YES")).body;
  EXPECT_NE(body.find("#EXT-X-DISCONTINUITY-SEQUENCE:0\n#EXT-X-SKIP:SKIPPED-SEGMENTS=4\n#EXT-X-MAP:URI=\"init-6.mp4\"\n"),
            std::string::npos)
      << body;
  EXPECT_EQ(count_of(body, "init-5.mp4"), 0U);
}

TEST_F(LiveTest, the_window_moves_and_the_sequence_never_goes_back) {
  TestStream& live = add_live({.window = seconds{3}});
  start();
  begin(live);
  feed(live, 0, 0, 105);
  const std::string body = get(path(live, "live.m3u8")).body;
  EXPECT_NE(body.find("#EXT-X-MEDIA-SEQUENCE:7\n"), std::string::npos) << body;
  EXPECT_EQ(body.find("seg-6.m4s"), std::string::npos);
}

TEST_F(LiveTest, a_new_epoch_is_a_discontinuity_with_its_own_map) {
  TestStream& live = add_live({.window = seconds{4}});
  start();
  begin(live, 5);
  feed(live, 5, 0, 15);
  begin(live, 6);
  feed(live, 6, 0, 15);
  std::string body = get(path(live, "live.m3u8")).body;
  EXPECT_NE(body.find("seg-1.m4s\n#EXT-X-DISCONTINUITY\n#EXT-X-MAP:URI=\"init-6.mp4\"\n"), std::string::npos) << body;
  EXPECT_NE(body.find("#EXT-X-DISCONTINUITY-SEQUENCE:0\n"), std::string::npos);
  feed(live, 6, 15, 20);
  body = get(path(live, "live.m3u8")).body;   // the discontinuity's segment comes first now: its tag still stands
  EXPECT_NE(body.find("#EXT-X-MEDIA-SEQUENCE:1\n"), std::string::npos) << body;
  feed(live, 6, 35, 40);
  body = get(path(live, "live.m3u8")).body;
  EXPECT_NE(body.find("#EXT-X-DISCONTINUITY-SEQUENCE:1\n"), std::string::npos) << body;
  EXPECT_EQ(count_of(body, "#EXT-X-DISCONTINUITY\n"), 0U);
  EXPECT_EQ(count_of(body, "init-6.mp4"), 1U);
}

TEST_F(LiveTest, the_playlist_ends_with_the_stream) {
  TestStream& live = add_live();
  start();
  begin(live);
  feed(live, 0, 0, 15);
  on_service([&] { live.timeline_->end(); });
  const std::string body = get(path(live, "live.m3u8")).body;
  EXPECT_TRUE(body.ends_with("#EXTINF:0.500000,\nseg-1.m4s\n#EXT-X-ENDLIST\n")) << body;
  EXPECT_EQ(body.find("PRELOAD-HINT"), std::string::npos);
}

TEST_F(LiveTest, master_waits_for_the_first_media) {
  TestStream& live = add_live();
  start();
  HttpClient client{port()};
  client.send("GET " + path(live, "master.m3u8") + " HTTP/1.1\r\nHost: localhost\r\n\r\n");
  begin(live);
  feed(live, 0, 0, 11);
  EXPECT_EQ(client.read_reply().status, 200U);
}

TEST_F(LiveTest, master_says_to_try_again_when_no_media_comes) {
  config.limits.first_media = milliseconds{50};
  config.start_ts = [](auto&, auto, auto) { return std::unique_ptr<media::TsSession>{}; };   // never called
  TestStream& live = add_live();
  start();
  for (const auto* name : {"master.m3u8", "live.m3u8", "live.ts"}) {
    const Reply reply = get(path(live, name));
    EXPECT_EQ(reply.status, 503U) << name;
    EXPECT_EQ(reply.headers.at("retry-after"), "2");
    EXPECT_FALSE(reply.body.empty());
  }
  on_service([&] { live.timeline_->end(); });
  EXPECT_EQ(get(path(live, "master.m3u8")).status, 404U);
}

TEST_F(LiveTest, a_blocking_reload_waits_for_the_part_it_names) {
  TestStream& live = add_live();
  start();
  begin(live);
  feed(live, 0, 0, 23);   // segment 2 has part 0, and one chunk of part 1
  HttpClient client{port()};
  EXPECT_EQ(client.get(path(live, "live.m3u8?_HLS_msn=2&_HLS_part=0")).status, 200U);
  client.send("GET " + path(live, "live.m3u8?_HLS_msn=2&_HLS_part=1") + " HTTP/1.1\r\nHost: localhost\r\n\r\n");
  // A later request answered shows that the server has seen the earlier one and holds it back.
  EXPECT_EQ(get("/healthz").status, 200U);
  feed(live, 0, 23, 1);
  const Reply reply = client.read_reply();
  EXPECT_EQ(reply.status, 200U);
  EXPECT_NE(reply.body.find("URI=\"part-11.m4s\"\n"), std::string::npos) << reply.body;
}

TEST_F(LiveTest, a_part_past_a_segments_last_means_the_first_of_the_next) {
  media::LiveTimeline timeline{{}};
  timeline.add(live_init(0));
  for (int i = 0; i < 20; ++i) timeline.add(live_chunk(0, i));
  // Segments 0 (complete, parts 0..4) and 1 (growing, all five parts complete).
  EXPECT_EQ(reload_state(timeline, {0, 99}), ReloadState::ready);
  EXPECT_EQ(reload_state(timeline, {1, 4}), ReloadState::ready);
  EXPECT_EQ(reload_state(timeline, {1, 5}), ReloadState::wait);
  EXPECT_EQ(reload_state(timeline, {1, std::nullopt}), ReloadState::wait);
  EXPECT_EQ(reload_state(timeline, {3, 0}), ReloadState::wait);
  EXPECT_EQ(reload_state(timeline, {4, 0}), ReloadState::too_far);
  EXPECT_EQ(reload_state(timeline, {~std::uint64_t{0}, 0}), ReloadState::too_far);
  timeline.add(live_chunk(0, 20));
  EXPECT_EQ(reload_state(timeline, {1, std::nullopt}), ReloadState::ready);
  EXPECT_EQ(reload_state(timeline, {1, 5}), ReloadState::ready);
  EXPECT_EQ(reload_state(timeline, {2, 0}), ReloadState::wait);
  timeline.end();
  EXPECT_EQ(reload_state(timeline, {9, 0}), ReloadState::ready);
}

TEST_F(LiveTest, refuses_malformed_and_far_directives) {
  TestStream& live = add_live();
  start();
  begin(live);
  feed(live, 0, 0, 25);
  for (const auto* query :
       {"_HLS_msn=x", "_HLS_msn=", "_HLS_part=1", "_HLS_msn=2&_HLS_part=-1", "_HLS_msn=5", "_HLS_msn=99999999999999999999"})
    EXPECT_EQ(get(path(live, std::string{"live.m3u8?"} + query)).status, 400U) << query;
}

TEST_F(LiveTest, a_blocking_reload_gives_up_when_the_stream_stands_still) {
  TestStream& live = add_live({.target_part = milliseconds{20}, .target_segment = milliseconds{30}});
  start();
  begin(live);
  // Segments of two short chunks: a target duration of 40 ms.
  on_service([&] {
    for (int i = 0; i < 5; ++i) {
      media::MediaChunk chunk = live_chunk(0, i % 2 == 0 ? 0 : 1);
      chunk.media_time = milliseconds{20 * i};
      chunk.duration = milliseconds{20};
      live.timeline_->add(chunk);
    }
  });
  EXPECT_EQ(get(path(live, "live.m3u8?_HLS_msn=3")).status, 503U);
}

TEST_F(LiveTest, the_hinted_part_is_waited_for_even_across_segments) {
  TestStream& live = add_live();
  start();
  begin(live);
  feed(live, 0, 0, 20);
  EXPECT_TRUE(get(path(live, "live.m3u8")).body.ends_with("URI=\"part-10.m4s\"\n"));
  HttpClient client{port()};
  client.send("GET " + path(live, "part-10.m4s") + " HTTP/1.1\r\nHost: localhost\r\n\r\n");
  EXPECT_EQ(get("/healthz").status, 200U);
  feed(live, 0, 20, 2);
  EXPECT_EQ(client.read_reply().body, "chunk20;chunk21;");
}

TEST_F(LiveTest, a_client_that_leaves_while_waiting_leaves_nothing_behind) {
  config.limits.connections = 1;
  TestStream& live = add_live();
  start();
  {
    HttpClient client{port()};
    client.send("GET " + path(live, "master.m3u8") + " HTTP/1.1\r\nHost: localhost\r\n\r\n");
  }
  const auto limit = std::chrono::steady_clock::now() + seconds{5};   // sooner than the wait for media ends
  unsigned status = 0;
  while (status != 200 && std::chrono::steady_clock::now() < limit) status = get("/healthz").status;
  EXPECT_EQ(status, 200U);
}

}  // namespace
}  // namespace runnel::player::test
