#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <sstream>

#include "media/helper_process.hpp"
#include "session_support.hpp"

namespace runnel::media::test {
namespace {

using testing::HasSubstr;

// What a TS session hands out, fed by a test stream.
struct TsRecording {
  base::Bytes all;
  std::vector<std::size_t> starts;  // where a reader may begin
  std::string error;
  TsEvents events() {
    return {.on_packets =
                [this](std::shared_ptr<const base::Bytes> packets, bool starts_independent) {
                  if (starts_independent) starts.push_back(all.size());
                  all.insert(all.end(), packets->begin(), packets->end());
                },
            .on_error = [this](std::string message) { error = std::move(message); }};
  }
};

struct Fed {
  explicit Fed(boost::asio::io_context& io, IngestConfig config) {
    ts = start_ts(io, kHelper, out.events());
    IngestEvents events;
    events.on_init = [this](const InitSegment& init) {
      ++epochs;
      ts->feed(init);
    };
    events.on_chunk = [this](const MediaChunk& chunk) {
      ++chunks;
      ts->feed(chunk);
    };
    events.on_end = [this] { ended = true; };
    ingest = start_ingest(io, std::move(config), std::move(events));
  }
  TsRecording out;
  std::unique_ptr<TsSession> ts;
  std::unique_ptr<IngestSession> ingest;
  int epochs = 0;
  int chunks = 0;
  bool ended = false;
};

std::string frames(const std::string& path, const char* kind) {
  return run_command("ffprobe -v error -select_streams " + std::string{kind} +
                     " -count_frames -show_entries stream=nb_read_frames -of csv=p=0 '" + path + "' | head -1")
      .output;
}

TEST(TsSession, chunks_become_a_transport_stream_that_a_reader_may_join_at_each_idr) {
  boost::asio::io_context io;
  const TemporaryFolder folder;
  Fed fed{io, {.helper = kHelper, .source = "test:?size=320x180&seconds=3"}};
  ASSERT_TRUE(run_until(io, [&] { return fed.ended && fed.out.starts.size() == 3 && fed.out.all.size() > 100'000; }));
  EXPECT_EQ(fed.out.error, "");
  EXPECT_EQ(fed.out.all.size() % 188, 0U);
  for (std::size_t i = 0; i < fed.out.starts.size(); ++i) {
    const base::ByteView from = base::ByteView{fed.out.all}.subspan(fed.out.starts[i]);
    EXPECT_EQ(from[0], std::byte{0x47});
    write_file(folder / "from.ts", {from});
    EXPECT_EQ(decode_errors(folder / "from.ts"), "");
    EXPECT_GE(std::stoi(frames(folder / "from.ts", "v")), 28 * static_cast<int>(3 - i));
    EXPECT_GT(std::stoi(frames(folder / "from.ts", "a")), 40 * static_cast<int>(3 - i) - 10);
  }
}

TEST(TsSession, times_go_on_from_epoch_to_epoch) {
  boost::asio::io_context io;
  const TemporaryFolder folder;
  Fed fed{io, {.helper = kHelper, .source = "test:?size=320x180&seconds=1", .loop = true}};
  ASSERT_TRUE(run_until(io, [&] { return fed.epochs == 4; }));
  fed.ingest.reset();
  const std::size_t before = fed.out.starts.size();
  ASSERT_TRUE(run_until(io, [&] { return fed.out.starts.size() >= std::min<std::size_t>(before, 3); }));
  ASSERT_GE(fed.out.starts.size(), 3U);
  write_file(folder / "all.ts", {fed.out.all});
  EXPECT_EQ(decode_errors(folder / "all.ts"), "");
  const std::string times =
      run_command("ffprobe -v error -select_streams v -show_entries packet=dts -of csv=p=0 '" + (folder / "all.ts") + "' | tr -d ,").output;
  std::istringstream lines{times};
  long long last = -1, count = 0;
  for (long long dts = 0; lines >> dts; ++count) {
    EXPECT_GT(dts, last);
    EXPECT_TRUE(last < 0 || dts - last < 90'000 / 4) << last << " to " << dts;
    last = dts;
  }
  EXPECT_GE(count, 85);
}

TEST(TsSession, a_codec_that_players_do_not_find_in_ts_is_refused_with_words) {
  boost::asio::io_context io;
  const TemporaryFolder folder;
  ASSERT_EQ(
      run_command("ffmpeg -v error -y -f lavfi -i testsrc2=size=160x90:rate=30 -t 1 -c:v libvpx-vp9 -deadline realtime -cpu-used 8 '" +
                  (folder / "a.webm") + "'")
          .status,
      0);
  Fed fed{io, {.helper = kHelper, .source = folder / "a.webm"}};
  ASSERT_TRUE(run_until(io, [&] { return !fed.out.error.empty(); }));
  EXPECT_THAT(fed.out.error, HasSubstr("vp9"));
}

TEST(TsSession, nonsense_from_a_swarm_is_left_out_and_the_stream_goes_on) {
  boost::asio::io_context io;
  Fed fed{io, {.helper = kHelper, .source = "test:?size=320x180"}};
  ASSERT_TRUE(run_until(io, [&] { return !fed.out.starts.empty(); }));
  for (const int value : {0, 0x41, 0xff}) {
    const auto junk = std::make_shared<const base::Bytes>(5000, static_cast<std::byte>(value));
    fed.ts->feed(MediaChunk{0, true, {}, {}, {}, junk});
  }
  const std::size_t before = fed.out.starts.size();
  ASSERT_TRUE(run_until(io, [&] { return fed.out.starts.size() >= before + 2; }));
  EXPECT_EQ(fed.out.error, "");
}

TEST(TsSession, a_killed_helper_is_started_again) {
  boost::asio::io_context io;
  Fed fed{io, {.helper = kHelper, .source = "test:?size=320x180"}};
  ASSERT_TRUE(run_until(io, [&] { return !fed.out.starts.empty(); }));
  for (const int pid : helper_pids()) {
    std::ifstream file{"/proc/" + std::to_string(pid) + "/cmdline"};
    const std::string line{std::istreambuf_iterator<char>{file}, {}};
    if (line.find(std::string{'\0'} + "ts") != std::string::npos) ::kill(pid, SIGKILL);
  }
  const std::size_t before = fed.out.starts.size();
  ASSERT_TRUE(run_until(io, [&] { return fed.out.starts.size() >= before + 2; }));
  EXPECT_EQ(fed.out.error, "");
}

TEST(HelperProcess, a_helper_that_hangs_is_killed_and_told) {
  boost::asio::io_context io;
  std::string why;
  HelperProcess process{io,
                        {.program = RUNNEL_MEDIA_PROGRAM, .mode = "ts", .silence = std::chrono::seconds{3}},
                        {.on_message = {}, .on_exit = [&](std::string reason) { why = std::move(reason); }}};
  process.send(helper::StartTs{});
  const int pid = process.pid();
  ASSERT_GT(pid, 0);
  // It beats for longer than the silence allowed: no false alarm.
  EXPECT_FALSE(run_until(io, [&] { return !why.empty(); }, std::chrono::seconds{4}));
  ::kill(pid, SIGSTOP);
  ASSERT_TRUE(run_until(io, [&] { return !why.empty(); }));
  EXPECT_THAT(why, HasSubstr("hung"));
  EXPECT_EQ(::kill(pid, 0), -1);
  EXPECT_EQ(process.pid(), -1);
}

TEST(HelperProcess, while_reading_is_paused_no_message_comes_and_silence_does_not_count) {
  boost::asio::io_context io;
  int messages = 0;
  std::string why;
  HelperProcess process{
      io,
      {.program = RUNNEL_MEDIA_PROGRAM, .mode = "ingest", .silence = std::chrono::seconds{2}},
      {.on_message = [&](helper::Message) { ++messages; }, .on_exit = [&](std::string reason) { why = std::move(reason); }}};
  process.send(helper::StartIngest{"test:?size=320x180", false, {}, 0});
  ASSERT_TRUE(run_until(io, [&] { return messages > 3; }));
  process.pause_reading(true);
  const int before = messages;
  EXPECT_FALSE(run_until(io, [&] { return messages > before || !why.empty(); }, std::chrono::seconds{4}));
  process.pause_reading(false);
  EXPECT_TRUE(run_until(io, [&] { return messages > before + 10; }));
  EXPECT_EQ(why, "");
}

TEST(HelperProcess, a_program_that_is_no_helper_is_told_apart) {
  boost::asio::io_context io;
  std::string why;
  const HelperProcess process{
      io, {.program = "/bin/false", .mode = "ts"}, {.on_message = {}, .on_exit = [&](std::string reason) { why = std::move(reason); }}};
  ASSERT_TRUE(run_until(io, [&] { return !why.empty(); }));
  EXPECT_THAT(why, HasSubstr("status 1"));
}

}  // namespace
}  // namespace runnel::media::test
