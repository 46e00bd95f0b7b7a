// Ingest sessions that are fed: a transport stream from a swarm becomes CMAF chunks, in a helper without network and files.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <fstream>
#include <iterator>

#include "media/transport.hpp"
#include "session_support.hpp"

namespace runnel::media::test {
namespace {

using testing::Not;
using testing::SizeIs;

base::Bytes stream_of(const TemporaryFolder& folder, int seconds) {
  const std::string file = folder / "made.ts";
  const auto made = run_command("ffmpeg -v error -y -f lavfi -i testsrc2=size=320x180:rate=30 -f lavfi -i sine=sample_rate=48000 -t " +
                                std::to_string(seconds) +
                                " -c:v libx264 -preset ultrafast -pix_fmt yuv420p -g 30 -b:v 600k -c:a aac -f mpegts '" + file + "'");
  EXPECT_EQ(made.output, "");
  std::ifstream in{file, std::ios::binary};
  const std::string text{std::istreambuf_iterator<char>{in}, {}};
  return base::to_bytes(base::as_bytes(text));
}

struct Followed {
  explicit Followed(boost::asio::io_context& io) {
    IngestConfig config{.helper = kHelper};
    config.fed = true;
    session = start_ingest(io, std::move(config), recording.events());
  }
  // As many packets as a munro has, time after time.
  void feed(base::ByteView packets) {
    constexpr std::size_t kAtOnce = 174 * kTsPacketBytes;
    for (; !packets.empty(); packets = packets.subspan(std::min(kAtOnce, packets.size())))
      session->feed(base::to_bytes(packets.first(std::min(kAtOnce, packets.size()))));
  }
  Recording recording;
  std::unique_ptr<IngestSession> session;
};

// From its first chunk on.
void expect_to_play(const Recording& recording, const TemporaryFolder& folder) {
  EXPECT_TRUE(recording.chunks.front().independent);
  recording.save(folder / "epoch.mp4", 0);
  EXPECT_EQ(decode_errors(folder / "epoch.mp4"), "");
}

TEST(FollowSession, a_transport_stream_becomes_chunks_that_decode) {
  boost::asio::io_context io;
  const TemporaryFolder folder;
  const base::Bytes stream = stream_of(folder, 4);
  Followed followed{io};
  followed.feed(stream);
  const Recording& r = followed.recording;
  ASSERT_TRUE(run_until(
      io, [&] { return !r.chunks.empty() && r.chunks.back().media_time - r.chunks.front().media_time > std::chrono::seconds{2}; }));
  EXPECT_EQ(r.error, "");
  ASSERT_THAT(r.inits, SizeIs(1));
  ASSERT_THAT(r.inits[0].tracks, SizeIs(2));
  EXPECT_EQ(r.inits[0].tracks[0].codec, "h264");
  EXPECT_FALSE(r.inits[0].tracks[0].transcoded);
  expect_to_play(r, folder);
}

TEST(FollowSession, who_comes_into_the_middle_begins_at_the_next_key_frame) {
  boost::asio::io_context io;
  const TemporaryFolder folder;
  const base::Bytes stream = stream_of(folder, 6);
  Followed followed{io};
  followed.feed(base::ByteView{stream}.subspan(stream.size() / 3 / kTsPacketBytes * kTsPacketBytes));
  const Recording& r = followed.recording;
  ASSERT_TRUE(run_until(io, [&] { return r.chunks.size() > 20; }));
  expect_to_play(r, folder);
}

TEST(FollowSession, noise_is_waited_out) {
  boost::asio::io_context io;
  const TemporaryFolder folder;
  const base::Bytes stream = stream_of(folder, 4);
  base::Bytes noise = stream;
  for (std::size_t i = 0; i < noise.size(); ++i) {
    if (i % kTsPacketBytes > 3) noise[i] = static_cast<std::byte>(i * 31 + i / 7);
  }
  Followed followed{io};
  followed.feed(noise);
  followed.feed(noise);
  for (int i = 0; i < 4; ++i) followed.feed(stream);
  ASSERT_TRUE(run_until(io, [&] { return followed.recording.chunks.size() > 10; }));
  EXPECT_EQ(followed.recording.error, "");
}

TEST(FollowSession, a_killed_helper_is_started_again_and_epochs_go_on) {
  boost::asio::io_context io;
  const TemporaryFolder folder;
  const base::Bytes stream = stream_of(folder, 4);
  Followed followed{io};
  followed.feed(stream);
  const Recording& r = followed.recording;
  ASSERT_TRUE(run_until(io, [&] { return r.chunks.size() > 10; }));
  const auto pids = helper_pids();
  ASSERT_THAT(pids, SizeIs(1));
  ::kill(pids[0], SIGKILL);
  ASSERT_TRUE(run_until(io, [&] {
    const auto now = helper_pids();
    return now.size() == 1 && now != pids;
  }));
  followed.feed(stream);
  ASSERT_TRUE(run_until(io, [&] { return r.inits.size() == 2 && !r.of_epoch(r.inits[1].epoch).empty(); }));
  EXPECT_EQ(r.inits[1].epoch, r.inits[0].epoch + 1);
  EXPECT_EQ(r.error, "");
}

}  // namespace
}  // namespace runnel::media::test
