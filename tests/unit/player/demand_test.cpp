#include "player/hls_demand.hpp"
#include "unit/player/server_fixture.hpp"

namespace runnel::player::test {
namespace {

media::TrackInfo track(media::TrackKind kind, std::uint32_t number, std::string codecs, std::string language = "", std::string title = "") {
  media::TrackInfo info;
  info.kind = kind;
  info.number = number;
  info.codecs = std::move(codecs);
  info.language = std::move(language);
  info.title = std::move(title);
  if (kind == media::TrackKind::video) {
    info.width = 1920;
    info.height = 1080;
    info.frame_rate = 24;
    info.bit_rate = 4'000'000;
  }
  if (kind == media::TrackKind::audio) {
    info.channels = 2;
    info.bit_rate = 128'000;
  }
  return info;
}

media::DemandIndex film_index() {
  media::DemandIndex index;
  index.tracks = {track(media::TrackKind::video, 0, "avc1.640028"), track(media::TrackKind::audio, 0, "mp4a.40.2", "en"),
                  track(media::TrackKind::audio, 1, "opus", "de", "Deutsch"), track(media::TrackKind::subtitle, 0, "wvtt", "en")};
  for (int i = 0; i < 3; ++i) index.segments.push_back({seconds{4 * i}, i < 2 ? milliseconds{4000} : milliseconds{1500}});
  index.duration = milliseconds{9500};
  return index;
}

class FakeDemand final : public media::DemandSession {
 public:
  struct Log {
    int started = 0;
    int alive = 0;
    int index_calls = 0;
    bool hold = false;
    std::string index_error;
    std::string segment_error;
    std::vector<std::string> segments;   // asked for, in order
    std::vector<std::function<void()>> held;
  };
  FakeDemand(boost::asio::io_context& io, Log& log) : io_(io), log_(log) {
    ++log_.started;
    ++log_.alive;
  }
  ~FakeDemand() override { --log_.alive; }
  void index(Callback<media::DemandIndex> callback) override {
    ++log_.index_calls;
    later([this, callback] {
      if (!log_.index_error.empty()) return callback(std::unexpected(log_.index_error));
      callback(film_index());
    });
  }
  void init(std::uint32_t number, Callback<Segment> callback) override {
    later([number, callback] { callback(bytes("init" + std::to_string(number))); });
  }
  void segment(std::uint32_t number, std::uint32_t part, Callback<Segment> callback) override {
    const std::string name = std::to_string(number) + '/' + std::to_string(part);
    log_.segments.push_back(name);
    later([this, name, callback] {
      if (!log_.segment_error.empty()) return callback(std::unexpected(log_.segment_error));
      callback(bytes("segment" + name));
    });
  }

 private:
  static Segment bytes(const std::string& text) { return std::make_shared<const base::Bytes>(base::to_bytes(base::as_bytes(text))); }
  void later(std::function<void()> call) {
    auto guarded = [weak = std::weak_ptr{alive_}, call = std::move(call)] {
      if (!weak.expired()) call();
    };
    if (log_.hold) {
      log_.held.push_back(std::move(guarded));
    } else {
      boost::asio::post(io_, std::move(guarded));
    }
  }
  boost::asio::io_context& io_;
  Log& log_;
  std::shared_ptr<int> alive_ = std::make_shared<int>();
};

class DemandTest : public ServerFixture {
 public:
  DemandTest() {
    config.start_demand = [this](boost::asio::io_context& context, media::DemandConfig, media::ContentReader&) {
      return std::make_unique<FakeDemand>(context, log);
    };
  }
  ~DemandTest() override { stop(); }
  void release() {
    on_service([this] {
      const auto held = std::exchange(log.held, {});
      for (const auto& call : held) call();
    });
  }
  FakeDemand::Log log;
};

TEST_F(DemandTest, master_groups_audio_and_subtitles_around_the_picture) {
  TestStream& film = add_film("bytes");
  start();
  const Reply reply = get(path(film, "master.m3u8"));
  EXPECT_EQ(reply.status, 200U);
  EXPECT_EQ(
      reply.body,
      "#EXTM3U\n#EXT-X-VERSION:6\n#EXT-X-INDEPENDENT-SEGMENTS\n"
      "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"audio\",NAME=\"en\",LANGUAGE=\"en\",DEFAULT=YES,AUTOSELECT=YES,CHANNELS=\"2\",URI=\"track-1."
      "m3u8\"\n"
      "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"audio\",NAME=\"Deutsch\",LANGUAGE=\"de\",DEFAULT=NO,AUTOSELECT=YES,CHANNELS=\"2\",URI=\"track-2."
      "m3u8\"\n"
      "#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID=\"subtitles\",NAME=\"en\",LANGUAGE=\"en\",DEFAULT=NO,AUTOSELECT=YES,URI=\"track-3.m3u8\"\n"
      "#EXT-X-STREAM-INF:BANDWIDTH=4128000,CODECS=\"avc1.640028,mp4a.40.2,opus\",RESOLUTION=1920x1080,FRAME-RATE=24.000,"
      "AUDIO=\"audio\",SUBTITLES=\"subtitles\"\ntrack-0.m3u8\n");
}

TEST_F(DemandTest, mpv_is_sent_to_the_films_own_bytes) {
  TestStream& film = add_film("bytes");
  start();
  const Reply reply = get(path(film, "master.m3u8"), {{"User-Agent", "libmpv"}});
  EXPECT_EQ(reply.status, 307U);
  EXPECT_EQ(reply.headers.at("location"), "media");
  EXPECT_EQ(get(path(film, "master.m3u8"), {{"User-Agent", "Lavf/59.27.100"}}).status, 200U);
}

TEST_F(DemandTest, track_playlists_list_every_segment) {
  TestStream& film = add_film("bytes");
  start();
  EXPECT_EQ(
      get(path(film, "track-0.m3u8")).body,
      "#EXTM3U\n#EXT-X-VERSION:6\n#EXT-X-PLAYLIST-TYPE:VOD\n#EXT-X-INDEPENDENT-SEGMENTS\n#EXT-X-TARGETDURATION:4\n#EXT-X-MEDIA-SEQUENCE:0\n"
      "#EXT-X-MAP:URI=\"track-0-init.mp4\"\n#EXTINF:4.000000,\ntrack-0-0.m4s\n#EXTINF:4.000000,\ntrack-0-1.m4s\n"
      "#EXTINF:1.500000,\ntrack-0-2.m4s\n#EXT-X-ENDLIST\n");
  const std::string subtitles = get(path(film, "track-3.m3u8")).body;
  EXPECT_EQ(subtitles.find("EXT-X-MAP"), std::string::npos);
  EXPECT_NE(subtitles.find("track-3-0.vtt\n"), std::string::npos);
}

TEST_F(DemandTest, serves_headers_and_segments_of_each_track) {
  TestStream& film = add_film("bytes");
  start();
  const Reply init = get(path(film, "track-1-init.mp4"));
  EXPECT_EQ(init.body, "init1");
  EXPECT_EQ(init.headers.at("content-type"), "audio/mp4");
  const Reply segment = get(path(film, "track-0-2.m4s"));
  EXPECT_EQ(segment.body, "segment0/2");
  EXPECT_EQ(segment.headers.at("content-type"), "video/mp4");
  EXPECT_EQ(get(path(film, "track-3-1.vtt")).headers.at("content-type"), "text/vtt; charset=utf-8");
  EXPECT_EQ(on_service([&] { return log.started; }), 1);
}

TEST_F(DemandTest, what_the_film_does_not_have_is_not_found) {
  TestStream& film = add_film("bytes");
  start();
  for (const auto* name : {"track-4.m3u8", "track-4-init.mp4", "track-0-3.m4s", "track-0-99999999999.m4s", "track-x.m3u8", "track-.m3u8",
                           "track-0-init.m4s", "track-0-0.mp4", "track-0-", "track-0", "seg-0.m4s", "live.ts"})
    EXPECT_EQ(get(path(film, name)).status, 404U) << name;
}

TEST_F(DemandTest, starts_no_session_until_one_is_needed_and_ends_it_when_idle) {
  config.limits.demand_idle = milliseconds{50};
  TestStream& film = add_film("bytes");
  start();
  EXPECT_EQ(get(path(film, "media")).status, 200U);
  EXPECT_EQ(on_service([&] { return log.started; }), 0);
  EXPECT_EQ(get(path(film, "master.m3u8")).status, 200U);
  EXPECT_TRUE(eventually([&] { return log.alive == 0; }));
  // The index is remembered: only a segment needs a session again.
  EXPECT_EQ(get(path(film, "track-0.m3u8")).status, 200U);
  EXPECT_EQ(on_service([&] { return log.started; }), 1);
  EXPECT_EQ(get(path(film, "track-0-0.m4s")).status, 200U);
  EXPECT_EQ(on_service([&] { return log.started; }), 2);
  EXPECT_EQ(on_service([&] { return log.index_calls; }), 1);
}

TEST_F(DemandTest, content_that_is_not_media_is_told_with_where_its_bytes_are) {
  log.index_error = "no audio or video found";
  TestStream& film = add_film("bytes");
  start();
  const Reply reply = get(path(film, "master.m3u8"));
  EXPECT_EQ(reply.status, 415U);
  EXPECT_NE(reply.body.find("no audio or video found"), std::string::npos);
  EXPECT_NE(reply.body.find("media"), std::string::npos);
}

TEST_F(DemandTest, a_segment_that_cannot_be_made_is_told_and_the_session_goes_on) {
  TestStream& film = add_film("bytes");
  start();
  EXPECT_EQ(get(path(film, "track-0-0.m4s")).status, 200U);
  on_service([&] { log.segment_error = "the helper crashed"; });
  const Reply failed = get(path(film, "track-0-1.m4s"));
  EXPECT_EQ(failed.status, 503U);
  EXPECT_NE(failed.body.find("the helper crashed"), std::string::npos);
  on_service([&] { log.segment_error.clear(); });
  EXPECT_EQ(get(path(film, "track-0-1.m4s")).status, 200U);
  EXPECT_EQ(on_service([&] { return log.started; }), 1);
}

TEST_F(DemandTest, says_to_try_again_when_the_index_is_slow_and_answers_later) {
  config.limits.first_media = milliseconds{50};
  log.hold = true;
  TestStream& film = add_film("bytes");
  start();
  EXPECT_EQ(get(path(film, "master.m3u8")).status, 503U);
  on_service([&] { log.hold = false; });
  EXPECT_EQ(get(path(film, "master.m3u8")).status, 200U);
  EXPECT_EQ(on_service([&] { return log.started; }), 1);
}

TEST_F(DemandTest, two_players_of_one_track_take_turns) {
  TestStream& film = add_film("bytes");
  start();
  EXPECT_EQ(get(path(film, "track-0.m3u8")).status, 200U);
  on_service([&] { log.hold = true; });
  HttpClient one{port()}, two{port()};
  one.send("GET " + path(film, "track-0-0.m4s") + " HTTP/1.1\r\nHost: localhost\r\n\r\n");
  ASSERT_TRUE(eventually([&] { return log.segments.size() == 1; }));
  two.send("GET " + path(film, "track-0-2.m4s") + " HTTP/1.1\r\nHost: localhost\r\n\r\n");
  EXPECT_EQ(get("/healthz").status, 200U);
  EXPECT_EQ(on_service([&] { return log.segments; }), std::vector<std::string>{"0/0"});
  release();
  EXPECT_EQ(one.read_reply().body, "segment0/0");
  ASSERT_TRUE(eventually([&] { return log.segments.size() == 2; }));
  release();
  EXPECT_EQ(two.read_reply().body, "segment0/2");
}

TEST_F(DemandTest, a_seek_does_not_wait_for_the_segment_that_the_player_gave_up) {
  TestStream& film = add_film("bytes");
  start();
  EXPECT_EQ(get(path(film, "track-0.m3u8")).status, 200U);
  on_service([&] { log.hold = true; });
  HttpClient before{port()}, after{port()};
  before.send("GET " + path(film, "track-0-0.m4s") + " HTTP/1.1\r\nHost: localhost\r\n\r\n");
  ASSERT_TRUE(eventually([&] { return log.segments.size() == 1; }));
  before.close();
  after.send("GET " + path(film, "track-0-2.m4s") + " HTTP/1.1\r\nHost: localhost\r\n\r\n");
  ASSERT_TRUE(eventually([&] { return log.segments.size() == 2; }));
  release();
  EXPECT_EQ(after.read_reply().body, "segment0/2");
}

TEST_F(DemandTest, ends_and_forgets_while_a_session_works) {
  TestStream& film = add_film("bytes");
  start();
  EXPECT_EQ(get(path(film, "track-0.m3u8")).status, 200U);
  on_service([&] { log.hold = true; });
  HttpClient waiting{port()};
  waiting.send("GET " + path(film, "track-0-0.m4s") + " HTTP/1.1\r\nHost: localhost\r\n\r\n");
  ASSERT_TRUE(eventually([&] { return log.segments.size() == 1; }));
  on_service([&] {
    server->forget(film.id_);
    EXPECT_EQ(log.alive, 0);
  });
  EXPECT_EQ(waiting.read_some(), "");
}

TEST(DemandPlaylist, a_film_without_picture_plays_its_first_sound_track) {
  media::DemandIndex index;
  index.tracks = {track(media::TrackKind::audio, 0, "mp4a.40.2")};
  index.segments = {{seconds{0}, seconds{4}}};
  index.duration = seconds{4};
  EXPECT_EQ(
      demand_master_playlist(index, 64'000),
      "#EXTM3U\n#EXT-X-VERSION:6\n#EXT-X-INDEPENDENT-SEGMENTS\n#EXT-X-STREAM-INF:BANDWIDTH=128000,CODECS=\"mp4a.40.2\"\ntrack-0.m3u8\n");
  index.tracks.push_back(track(media::TrackKind::audio, 1, "mp4a.40.2"));
  EXPECT_NE(demand_master_playlist(index, 1).find("AUDIO=\"audio\"\ntrack-0.m3u8\n"), std::string::npos);
}

TEST(DemandPlaylist, names_within_a_group_differ_and_unknown_rates_come_from_the_file) {
  media::DemandIndex index = film_index();
  index.tracks[2].title.clear();
  index.tracks[2].language = "en";
  index.tracks[0].bit_rate = 0;
  const std::string master = demand_master_playlist(index, 9'500'000);
  EXPECT_NE(master.find("NAME=\"en (2)\""), std::string::npos) << master;
  EXPECT_NE(master.find("BANDWIDTH=8000000,"), std::string::npos) << master;
  index.tracks[1].codecs.clear();
  EXPECT_EQ(demand_master_playlist(index, 1).find("CODECS"), std::string::npos);
}

}  // namespace
}  // namespace runnel::player::test
