#include "media_helper/ts_muxer.hpp"

#include <cmath>
#include <cstring>
#include <sstream>

#include "media_helper/composition.hpp"
#include "media_helper/packager.hpp"
#include "unit/media_helper/demand_support.hpp"

namespace runnel::media_helper {
namespace {

using test::Folder;
using test::make_film;

// What a caster hands out for a film that it casts live: the header, then chunk by chunk.
struct Cast {
  base::Bytes header;
  std::vector<media::helper::Chunk> chunks;
};

Cast cast(const std::string& path) {
  AVFormatContext* opened = nullptr;
  EXPECT_GE(avformat_open_input(&opened, path.c_str(), nullptr, nullptr), 0);
  const Input film{opened};
  EXPECT_GE(avformat_find_stream_info(opened, nullptr), 0);
  const auto track = [&](AVMediaType type, media::TrackKind kind) {
    AVStream* const stream = opened->streams[av_find_best_stream(opened, type, -1, -1, nullptr, 0)];
    PackagedTrack made{stream->codecpar, stream->time_base, {}};
    made.info.kind = kind;
    return std::pair{stream->index, made};
  };
  const auto [picture, video] = track(AVMEDIA_TYPE_VIDEO, media::TrackKind::video);
  const auto [sound, audio] = track(AVMEDIA_TYPE_AUDIO, media::TrackKind::audio);
  Cast made;
  Packager packager{{[&](const media::helper::Init& init) { made.header = init.bytes; },
                     [&](media::helper::Chunk chunk) { made.chunks.push_back(std::move(chunk)); }}};
  EXPECT_TRUE(packager.begin(1, &video, &audio));
  for (Packet p = make_packet(); av_read_frame(opened, p.get()) >= 0; p = make_packet()) {
    const bool key = (p->flags & AV_PKT_FLAG_KEY) != 0;
    const auto taken = p->stream_index == picture ? packager.write_video(*p, key, {}) : packager.write_audio(*p, {});
    EXPECT_TRUE(taken || (p->stream_index != picture && p->stream_index != sound));
  }
  EXPECT_TRUE(packager.finish());
  return made;
}

// Presentation times of a file's packets of one kind, in seconds, in the order of the file.
std::vector<double> times_of(const std::string& path, const std::string& kind) {
  std::istringstream lines{
      test::run("ffprobe -v error -select_streams " + kind + ":0 -show_entries packet=pts_time -of csv=p=0 '" + path + "'").output};
  std::vector<double> times;
  for (std::string line; std::getline(lines, line);) {
    if (!line.empty()) times.push_back(std::stod(line));
  }
  return times;
}

class TsMuxerTimes : public testing::TestWithParam<const char*> {};

TEST_P(TsMuxerTimes, are_those_of_the_film_whatever_order_its_pictures_are_decoded_in) {
  const Folder folder;
  make_film(test::kPicture + test::kTone + "-t 6 -c:v libx264 -preset ultrafast -g 50 -pix_fmt yuv420p " + GetParam() + " -c:a aac",
            folder / "film.mp4");
  const Cast live = cast(folder / "film.mp4");
  TsMuxer muxer;
  ASSERT_TRUE(muxer.init(live.header));
  std::ofstream file{folder / "live.ts", std::ios::binary};
  for (const media::helper::Chunk& chunk : live.chunks) {
    const base::Bytes packets = muxer.chunk(chunk.bytes, chunk.independent);
    file.write(reinterpret_cast<const char*>(packets.data()), static_cast<std::streamsize>(packets.size()));
  }
  file.close();

  const auto expected = times_of(folder / "film.mp4", "v");
  const auto pictures = times_of(folder / "live.ts", "v");
  ASSERT_EQ(pictures.size(), expected.size());
  for (std::size_t i = 0; i < pictures.size(); ++i)
    ASSERT_NEAR(pictures[i] - pictures[0], expected[i] - expected[0], 0.0002) << "picture " << i;
  const auto film_sound = times_of(folder / "film.mp4", "a");
  const auto sound = times_of(folder / "live.ts", "a");
  ASSERT_FALSE(sound.empty());
  // The caster leaves out what is heard before the first picture is decoded.
  const double apart = sound.back() - pictures.back() - (film_sound.back() - expected.back());
  EXPECT_NEAR(apart, 0, 0.03) << "sound and picture";
}

INSTANTIATE_TEST_SUITE_P(Films, TsMuxerTimes, testing::Values("-bf 0", "-bf 2 -b_strategy 0", "-bf 3 -b_strategy 1 -b-pyramid strict"),
                         [](const auto& film) { return "film_" + std::to_string(film.index); });

// ---- what a chunk says of its times -----------------------------------------------------------------------------------

base::Bytes box(std::string_view type, const std::vector<std::uint32_t>& words, const base::Bytes& inside = {}) {
  base::Bytes bytes;
  base::Writer out{bytes};
  out.write(static_cast<std::uint32_t>(8 + 4 * words.size() + inside.size()));
  out.write_view(base::as_bytes(type));
  for (const std::uint32_t word : words) out.write(word);
  out.write_view(inside);
  return bytes;
}
base::Bytes joined(base::Bytes a, const base::Bytes& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}
base::Bytes chunk_of(std::uint32_t track, const base::Bytes& trun) {
  return box("moof", {}, box("traf", {}, joined(box("tfhd", {0, track}), trun)));
}

TEST(LeastCompositionOffset, is_that_of_the_track_in_any_layout_of_its_runs) {
  const auto minus = static_cast<std::uint32_t>(-3000);
  EXPECT_EQ(least_composition_offset(chunk_of(1, box("trun", {0x0100'0800, 2, 5, minus})), 1), -3000);
  EXPECT_EQ(least_composition_offset(chunk_of(1, box("trun", {0x0100'0b05, 2, 99, 7, 1, 1, 3000, 1, 1, minus})), 1), -3000);
  EXPECT_EQ(least_composition_offset(chunk_of(1, box("trun", {0x0100'0f01, 1, 99, 1, 1, 1, minus})), 1), -3000);
  EXPECT_EQ(least_composition_offset(chunk_of(2, box("trun", {0x0100'0800, 1, minus})), 1), 0) << "another track";
  EXPECT_EQ(least_composition_offset(chunk_of(1, box("trun", {0x0100'0800, 2, 5, 3000})), 1), 0);
  EXPECT_EQ(least_composition_offset(chunk_of(1, box("trun", {0x0000'0200, 1, minus})), 1), 0) << "sizes only";
}

TEST(LeastCompositionOffset, of_a_chunk_that_lies_about_its_sizes_reads_nothing_beyond_it) {
  const base::Bytes whole = chunk_of(1, box("trun", {0x0100'0f05, 1'000'000'000, 9, 9, 1, 1, 1, static_cast<std::uint32_t>(-7)}));
  EXPECT_EQ(least_composition_offset(whole, 1), -7);
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const base::Bytes cut{whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size)};   // of its own size, for the sanitizers
    EXPECT_EQ(least_composition_offset(cut, 1), 0) << size;
  }
  for (std::size_t at = 0; at < whole.size(); ++at) {
    base::Bytes changed = whole;
    changed[at] ^= std::byte{0xff};
    static_cast<void>(least_composition_offset(changed, 1));
  }
}

}  // namespace
}  // namespace runnel::media_helper
