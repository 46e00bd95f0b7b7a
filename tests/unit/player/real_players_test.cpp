// Real media through the real server into real players: ffprobe and mpv.
#include "support/fmp4.hpp"
#include "unit/player/server_fixture.hpp"

namespace runnel::player::test {
namespace {

class RealPlayers : public ServerFixture {
 public:
  // Seconds of a test picture and tone as a live stream that has ended; a second epoch follows when asked for.
  void make_stream(int epochs) {
    TestStream& live = add_live();
    const std::string film = runnel::test::run_and_read(
        "ffmpeg -v error -f lavfi -i testsrc2=s=320x180:r=30:d=4 -f lavfi -i sine=d=4 -c:v libx264 -preset ultrafast -g 30 -keyint_min 30 "
        "-sc_threshold 0 "
        "-bf 0 -video_track_timescale 90000 -c:a aac -movflags empty_moov+default_base_moof+frag_keyframe -frag_duration 100000 -f mp4 "
        "pipe:1 </dev/null");
    for (int epoch = 0; epoch < epochs; ++epoch) {
      runnel::test::Fmp4Splitter splitter{static_cast<std::uint32_t>(epoch), 90'000, base::WallTime{seconds{1'700'000'000 + 10 * epoch}}};
      auto items = splitter.push(base::as_bytes(film));
      for (auto& item : splitter.finish()) items.push_back(std::move(item));
      for (const auto& item : items) std::visit([&](const auto& one) { live.timeline_->add(one); }, item);
    }
    live.timeline_->end();
    ASSERT_GE(live.timeline_->segments().size(), 4U * static_cast<unsigned>(epochs));
  }
  [[nodiscard]] std::string url(const std::string& name) const { return server->base_url() + path(streams.streams_[0], name); }
};

TEST_F(RealPlayers, ffprobe_decodes_every_frame_of_the_live_playlist) {
  make_stream(1);
  start();
  const std::string frames =
      runnel::test::run_and_read("ffprobe -v error -count_frames -show_entries stream=codec_type,nb_read_frames -of csv=p=0 '" +
                                 url("master.m3u8") + "' </dev/null 2>&1");
  EXPECT_EQ(frames.substr(0, frames.find('\n')), "video,120") << frames;
}

TEST_F(RealPlayers, mpv_plays_across_a_discontinuity_to_the_end) {
  make_stream(2);
  start();
  const std::string said =
      runnel::test::run_and_read("mpv --no-config --vo=null --no-audio --untimed --term-playing-msg='codec ${video-format}' '" +
                                 url("master.m3u8") + "' </dev/null 2>&1");
  EXPECT_NE(said.find("codec h264"), std::string::npos) << said;
  EXPECT_NE(said.find("End of file"), std::string::npos) << said;
}

}  // namespace
}  // namespace runnel::player::test
