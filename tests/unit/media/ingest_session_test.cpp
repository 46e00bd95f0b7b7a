#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>

#include "session_support.hpp"

namespace runnel::media::test {
namespace {

using std::chrono::milliseconds;
using testing::HasSubstr;

IngestConfig config(std::string source) { return {.helper = kHelper, .source = std::move(source)}; }

// What every stream must keep, whatever it came from.
void expect_sound_chunks(const Recording& r, const TemporaryFolder& folder) {
  ASSERT_FALSE(r.inits.empty());
  for (std::size_t e = 0; e < r.inits.size(); ++e) {
    const auto chunks = r.of_epoch(r.inits[e].epoch);
    ASSERT_FALSE(chunks.empty());
    EXPECT_TRUE(chunks.front()->independent);
    base::Duration end = chunks.front()->media_time;
    for (const MediaChunk* c : chunks) {
      EXPECT_GE(c->media_time, end - milliseconds{2});
      EXPECT_LE(c->duration, milliseconds{120});
      end = c->media_time + c->duration;
    }
    r.save(folder / "epoch.mp4", e);
    EXPECT_EQ(decode_errors(folder / "epoch.mp4"), "");
  }
}

TEST(IngestSession, a_test_stream_is_chunks_that_decode_from_each_independent_one) {
  boost::asio::io_context io;
  const TemporaryFolder folder;
  Recording r;
  const auto session = start_ingest(io, config("test:?size=320x180&rate=30&bitrate=300k&seconds=3"), r.events());
  ASSERT_TRUE(run_until(io, [&] { return r.over(); }));
  ASSERT_EQ(r.error, "");
  expect_sound_chunks(r, folder);
  ASSERT_EQ(r.inits.size(), 1U);
  ASSERT_EQ(r.inits[0].tracks.size(), 2U);
  EXPECT_THAT(r.inits[0].tracks[0].codecs, HasSubstr("avc1."));
  EXPECT_EQ(r.inits[0].tracks[1].codecs, "mp4a.40.2");
  EXPECT_EQ(r.inits[0].tracks[0].width, 320U);
  int independent = 0;
  for (std::size_t i = 0; i < r.chunks.size(); ++i) {
    EXPECT_GE(r.chunks[i].duration, milliseconds{30});
    if (!r.chunks[i].independent) continue;
    ++independent;
    r.save(folder / "from.mp4", 0, i);
    EXPECT_EQ(decode_errors(folder / "from.mp4"), "");
  }
  EXPECT_EQ(independent, 3);  // one each second
}

// Files as people have them, four seconds of picture and tone each. Made once for all tests of this program.
class Films {
 public:
  static Films& get() {
    static Films films;  // the folder goes when the program ends
    return films;
  }
  std::string make(const std::string& name, const std::string& codecs, bool video = true, bool audio = true) {
    const std::string path = folder_ / name;
    std::string command = "ffmpeg -v error -y";
    if (video) command += " -f lavfi -i testsrc2=size=320x180:rate=30";
    if (audio) command += " -f lavfi -i sine=frequency=440:sample_rate=48000";
    const CommandResult r = run_command(command + " -t 4 " + codecs + " '" + path + "'");
    EXPECT_EQ(r.status, 0) << r.output;
    return path;
  }

 private:
  TemporaryFolder folder_;
};

constexpr const char* kH264 = "-c:v libx264 -preset ultrafast -bf 2 -g 30 ";

struct Case {
  const char* name;
  const char* codecs;
  bool video;
  bool audio;
  const char* video_codecs;  // what the first track's `codecs` begins with
  bool transcoded;
};
const std::vector<Case> kCases{
    {"h264-aac.mp4", "-c:v libx264 -preset ultrafast -bf 2 -g 30 -c:a aac", true, true, "avc1.", false},
    {"h264-aac.mkv", "-c:v libx264 -preset ultrafast -bf 2 -g 30 -c:a aac", true, true, "avc1.", false},
    {"h264-aac.ts", "-c:v libx264 -preset ultrafast -bf 2 -g 30 -c:a aac", true, true, "avc1.", false},
    {"h264-aac.flv", "-c:v libx264 -preset ultrafast -bf 2 -g 30 -c:a aac", true, true, "avc1.", false},
    {"vp9-opus.webm", "-c:v libvpx-vp9 -deadline realtime -cpu-used 8 -g 30 -c:a libopus", true, true, "vp09.", false},
    {"hevc-ac3.mkv", "-c:v libx265 -preset ultrafast -x265-params log-level=none -c:a ac3", true, true, "avc1.", true},
    {"ten-bit.mp4", "-c:v libx264 -preset ultrafast -pix_fmt yuv420p10le -c:a aac", true, true, "avc1.", true},
    {"sound.mp3", "-c:a libmp3lame", false, true, "mp4a.40.2", true},
    {"sound.m4a", "-c:a aac", false, true, "mp4a.40.2", false},
    {"silent.mp4", "-c:v libx264 -preset ultrafast -g 30", true, false, "avc1.", false},
};

// All at once: each takes as long as it plays.
TEST(IngestSession, files_of_all_kinds_become_live_chunks_in_real_time_that_decode) {
  boost::asio::io_context io;
  const TemporaryFolder folder;
  std::vector<std::string> paths;
  for (const Case& c : kCases) paths.push_back(Films::get().make(c.name, c.codecs, c.video, c.audio));
  std::vector<Recording> all(kCases.size());
  std::vector<std::unique_ptr<IngestSession>> sessions;
  const auto began = std::chrono::steady_clock::now();
  std::chrono::steady_clock::duration first_end{};
  for (std::size_t i = 0; i < all.size(); ++i) {
    IngestEvents events = all[i].events();
    events.on_end = [&, i] {
      all[i].ended = true;
      if (first_end.count() == 0) first_end = std::chrono::steady_clock::now() - began;
    };
    sessions.push_back(start_ingest(io, config(paths[i]), std::move(events)));
  }
  ASSERT_TRUE(run_until(io, [&] { return std::ranges::all_of(all, &Recording::over); }, std::chrono::seconds{120}));
  EXPECT_GE(first_end, milliseconds{3500});
  for (std::size_t i = 0; i < all.size(); ++i) {
    SCOPED_TRACE(kCases[i].name);
    const Case& c = kCases[i];
    const Recording& r = all[i];
    ASSERT_EQ(r.error, "");
    ASSERT_EQ(r.inits.size(), 1U);
    expect_sound_chunks(r, folder);
    ASSERT_EQ(r.inits[0].tracks.size(), (c.video ? 1U : 0U) + (c.audio ? 1U : 0U));
    EXPECT_TRUE(r.inits[0].tracks[0].codecs.starts_with(c.video_codecs)) << r.inits[0].tracks[0].codecs;
    EXPECT_EQ(r.inits[0].tracks[0].transcoded, c.transcoded);
    const MediaChunk& last = r.chunks.back();
    EXPECT_NEAR(static_cast<double>((last.media_time + last.duration).count()), 4e6, 0.2e6);
  }
}

TEST(IngestSession, a_stream_without_points_to_begin_at_is_encoded_anew) {
  boost::asio::io_context io;
  const TemporaryFolder folder;
  Recording r;
  const auto session = start_ingest(
      io, config(Films::get().make("refresh.ts", "-c:v libx264 -preset ultrafast -x264-params intra-refresh=1:keyint=15 -c:a aac")),
      r.events());
  ASSERT_TRUE(run_until(io, [&] { return r.over(); }));
  EXPECT_EQ(r.error, "");
  ASSERT_EQ(r.inits.size(), 2U);  // as it is up to where that showed
  EXPECT_TRUE(r.inits[1].tracks[0].transcoded);
  EXPECT_EQ(r.notices.size(), 1U);
  expect_sound_chunks(r, folder);
}

TEST(IngestSession, a_loop_is_a_new_epoch_each_turn) {
  boost::asio::io_context io;
  const TemporaryFolder folder;
  Recording r;
  const std::string path = Films::get().make("short.mp4", std::string{kH264} + "-c:a aac -t 1");
  IngestConfig c = config(path);
  c.loop = true;
  const auto session = start_ingest(io, c, r.events());
  ASSERT_TRUE(run_until(io, [&] { return r.inits.size() >= 3; }));
  EXPECT_EQ(r.error, "");
  for (std::size_t e = 0; e < r.inits.size(); ++e) EXPECT_EQ(r.inits[e].epoch, e);
  EXPECT_EQ(r.of_epoch(1).front()->media_time, milliseconds{0});
  r.inits.resize(2);
  expect_sound_chunks(r, folder);
}

TEST(IngestSession, captured_times_are_the_wall_clock_of_the_source) {
  boost::asio::io_context io;
  Recording r;
  const auto session = start_ingest(io, config("test:?size=320x180&seconds=2"), r.events());
  ASSERT_TRUE(run_until(io, [&] { return r.over(); }));
  const auto now = std::chrono::duration_cast<base::Duration>(std::chrono::system_clock::now().time_since_epoch());
  ASSERT_FALSE(r.chunks.empty());
  for (std::size_t i = 1; i < r.chunks.size(); ++i) EXPECT_GE(r.chunks[i].captured, r.chunks[i - 1].captured);
  const base::Duration age = now - r.chunks.front().captured.time_since_epoch();
  EXPECT_GT(age, milliseconds{1500});
  EXPECT_LT(age, std::chrono::seconds{30});
}

TEST(IngestSession, standard_input_is_read_as_it_comes) {
  const std::string path = Films::get().make("stdin.ts", std::string{kH264} + "-c:a aac");
  boost::asio::io_context io;
  const TemporaryFolder folder;
  Recording r;
  const int before = ::dup(STDIN_FILENO);
  FILE* feed = ::popen(("cat '" + path + "'").c_str(), "r");
  ASSERT_NE(feed, nullptr);
  ::dup2(::fileno(feed), STDIN_FILENO);
  const auto session = start_ingest(io, config("-"), r.events());
  ::dup2(before, STDIN_FILENO);
  ::close(before);
  EXPECT_TRUE(run_until(io, [&] { return r.over(); }));
  ::pclose(feed);
  EXPECT_EQ(r.error, "");
  expect_sound_chunks(r, folder);
}

// A web server of Python's on a port of its own choosing.
class WebServer {
 public:
  explicit WebServer(const std::string& folder) {
    // One line with the port; it ends when its standard input does.
    const std::string script =
        "import http.server,functools,sys,threading,os\n"
        "class H(http.server.SimpleHTTPRequestHandler):\n"
        "  def log_message(self,*a): pass\n"
        "  def do_GET(self):\n"
        "    if not self.path.startswith(\"/live/\"): return super().do_GET()\n"
        "    self.send_response(200); self.end_headers()\n"  // no length: nobody knows where it ends
        "    self.wfile.write(open(sys.argv[1]+self.path[5:],\"rb\").read())\n"
        "s=http.server.ThreadingHTTPServer((\"127.0.0.1\",0),functools.partial(H,directory=sys.argv[1]))\n"
        "print(s.server_port,os.getpid(),flush=True)\n"
        "s.serve_forever()\n";
    pipe_ = ::popen(("exec python3 -c '" + script + "' '" + folder + "' 2>/dev/null").c_str(), "r");
    if (pipe_ == nullptr || std::fscanf(pipe_, "%d %d", &port_, &pid_) != 2) port_ = 0;
  }
  ~WebServer() {
    if (pid_ > 0) ::kill(pid_, SIGTERM);
    if (pipe_ != nullptr) ::pclose(pipe_);
  }
  WebServer(const WebServer&) = delete;
  WebServer& operator=(const WebServer&) = delete;
  [[nodiscard]] std::string url(const std::string& name) const { return "http://127.0.0.1:" + std::to_string(port_) + "/" + name; }

 private:
  FILE* pipe_ = nullptr;
  int port_ = 0;
  int pid_ = 0;
};

TEST(IngestSession, a_film_pulled_over_http_is_played_in_real_time) {
  const std::string path = Films::get().make("pulled.mp4", std::string{kH264} + "-c:a aac -movflags faststart");
  const WebServer server{std::filesystem::path{path}.parent_path().string()};
  boost::asio::io_context io;
  const TemporaryFolder folder;
  Recording r;
  const auto session = start_ingest(io, config(server.url("pulled.mp4")), r.events());
  ASSERT_TRUE(run_until(io, [&] { return r.over(); }));
  EXPECT_EQ(r.error, "");
  expect_sound_chunks(r, folder);
}

TEST(IngestSession, a_pulled_live_stream_that_breaks_off_is_pulled_again_as_a_new_epoch) {
  const std::string path = Films::get().make("broken-off.ts", std::string{kH264} + "-c:a aac -t 1");
  const WebServer server{std::filesystem::path{path}.parent_path().string()};
  boost::asio::io_context io;
  const TemporaryFolder folder;
  Recording r;
  const auto session = start_ingest(io, config(server.url("live/broken-off.ts")), r.events());
  ASSERT_TRUE(run_until(io, [&] { return r.over() || r.inits.size() == 3; }));
  EXPECT_EQ(r.error, "");
  EXPECT_FALSE(r.ended);
  EXPECT_GE(r.notices.size(), 2U);
  r.inits.resize(2);
  expect_sound_chunks(r, folder);
}

TEST(IngestSession, a_playlist_from_afar_cannot_make_us_read_a_file) {
  const TemporaryFolder folder;
  const std::string secret = Films::get().make("secret.ts", std::string{kH264} + "-c:a aac");
  const std::string list = "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\nfile://" + secret + "\n#EXT-X-ENDLIST\n";
  write_file(folder / "list.m3u8", {base::as_bytes(list)});
  const WebServer server{(folder / "").c_str()};
  boost::asio::io_context io;
  Recording r;
  const auto session = start_ingest(io, config(server.url("list.m3u8")), r.events());
  ASSERT_TRUE(run_until(io, [&] { return r.over(); }));
  EXPECT_TRUE(r.chunks.empty());
  EXPECT_NE(r.error, "");
}

TEST(IngestSession, what_cannot_be_cast_is_an_error_that_says_why) {
  const TemporaryFolder folder;
  write_file(folder / "noise.mp4", {base::as_bytes("this is not a film at all, whatever its name says")});
  write_file(folder / "empty.mp4", {});
  struct Bad {
    std::string source;
    const char* says;
  };
  const std::vector<Bad> all{{folder / "missing.mp4", "No such file"},
                             {folder / "noise.mp4", "cannot read"},
                             {folder / "empty.mp4", "cannot read"},
                             {"test:?size=wide", "size=wide"},
                             {"http://127.0.0.1:1/nothing", "cannot open the source"}};
  for (const Bad& bad : all) {
    boost::asio::io_context io;
    Recording r;
    const auto session = start_ingest(io, config(bad.source), r.events());
    ASSERT_TRUE(run_until(io, [&] { return r.over(); })) << bad.source;
    EXPECT_THAT(r.error, HasSubstr(bad.says)) << bad.source;
    EXPECT_TRUE(r.inits.empty());
  }
  boost::asio::io_context io;
  Recording r;
  IngestConfig ladder = config("test:");
  ladder.ladder = {720, 480};
  const auto session = start_ingest(io, ladder, r.events());
  ASSERT_TRUE(run_until(io, [&] { return r.over(); }));
  EXPECT_THAT(r.error, HasSubstr("--ladder"));
}

TEST(IngestSession, a_missing_helper_is_told_at_once) {
  boost::asio::io_context io;
  Recording r;
  const auto session = start_ingest(io, {.helper = {"/nowhere/runnel-media"}, .source = "test:"}, r.events());
  ASSERT_TRUE(run_until(io, [&] { return r.over(); }));
  EXPECT_THAT(r.error, HasSubstr("/nowhere/runnel-media"));
}

TEST(IngestSession, a_killed_helper_is_started_again_and_the_stream_goes_on_in_a_new_epoch) {
  boost::asio::io_context io;
  Recording r;
  const auto session = start_ingest(io, config("test:?size=320x180"), r.events());
  ASSERT_TRUE(run_until(io, [&] { return r.chunks.size() > 5; }));
  const auto pids = helper_pids();
  ASSERT_EQ(pids.size(), 1U);
  ::kill(pids[0], SIGKILL);
  ASSERT_TRUE(run_until(io, [&] { return r.inits.size() == 2 && r.chunks.back().epoch == 1; }));
  EXPECT_EQ(r.error, "");
  EXPECT_EQ(r.notices.size(), 1U);
  EXPECT_TRUE(r.of_epoch(1).front()->independent);
}

TEST(IngestSession, a_helper_that_keeps_dying_is_given_up) {
  boost::asio::io_context io;
  Recording r;
  const auto session = start_ingest(io, config("test:?size=320x180"), r.events());
  const auto dies = [&] {
    for (const int pid : helper_pids()) ::kill(pid, SIGKILL);
    return r.over();
  };
  ASSERT_TRUE(run_until(io, dies, std::chrono::seconds{60}));
  EXPECT_THAT(r.error, HasSubstr("giving up"));
}

TEST(IngestSession, destroying_the_session_ends_the_helper_and_no_callback_follows) {
  boost::asio::io_context io;
  Recording r;
  auto session = start_ingest(io, config("test:?size=320x180"), r.events());
  ASSERT_TRUE(run_until(io, [&] { return !r.chunks.empty(); }));
  session.reset();
  const std::size_t chunks = r.chunks.size();
  ASSERT_TRUE(run_until(io, [&] { return helper_pids().empty(); }));
  EXPECT_EQ(r.chunks.size(), chunks);
  EXPECT_FALSE(r.over());
}

TEST(IngestSession, a_session_may_be_destroyed_inside_its_callback) {
  boost::asio::io_context io;
  std::unique_ptr<IngestSession> session;
  bool done = false;
  IngestEvents events;
  events.on_chunk = [&](const MediaChunk&) {
    session.reset();
    done = true;
  };
  session = start_ingest(io, config("test:?size=320x180"), std::move(events));
  ASSERT_TRUE(run_until(io, [&] { return done; }));
  ASSERT_TRUE(run_until(io, [&] { return helper_pids().empty(); }));
}

}  // namespace
}  // namespace runnel::media::test
