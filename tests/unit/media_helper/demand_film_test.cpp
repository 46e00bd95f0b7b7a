// Films of the containers and codecs that people have: each is cut whole, and played back by ffmpeg.
#include <algorithm>
#include <cmath>

#include "unit/media_helper/demand_support.hpp"

namespace runnel::media_helper::test {
namespace {

struct Recipe {
  std::string name;        // of the test
  std::string file;
  std::string arguments;   // of ffmpeg
  std::string video;       // codec as served; "" for none
  std::vector<std::string> audio;
  bool video_converted = false;
  bool audio_converted = false;
  std::size_t texts = 0;
  bool indexed = true;     // false: played without an index, so only approximately cut
  double end_tolerance = 0.1;   // seconds; containers without times for every picture lose a few at the end
};

const std::string kX264 = "-c:v libx264 -preset ultrafast -bf 2 -g 50 -pix_fmt yuv420p -b:v 400k ";
const std::string kSubtitles = "-f srt -i SUBTITLES ";

std::vector<Recipe> recipes() {
  const std::string av = kPicture + kTone;
  const std::string two = kPicture + kTone + "-f lavfi -i sine=frequency=880:sample_rate=44100:duration=24 ";
  return {
      {"mp4_h264_aac", "a.mp4", av + kX264 + "-c:a aac -movflags +faststart", "avc1", {"mp4a.40.2"}},
      {"mp4_with_its_index_at_the_end", "b.mp4", av + kX264 + "-c:a aac", "avc1", {"mp4a.40.2"}},
      {"mp4_open_gop",
       "c.mp4",
       av + "-c:v libx264 -preset fast -bf 3 -x264-params open-gop=1:keyint=50:min-keyint=50:bframes=3 -pix_fmt yuv420p -c:a aac",
       "avc1",
       {"mp4a.40.2"}},
      {"mkv_two_languages_and_subtitles",
       "d.mkv",
       two + kSubtitles + "-map 0 -map 1 -map 2 -map 3 " + kX264 +
           "-c:a:0 ac3 -c:a:1 aac -c:s srt -metadata:s:a:0 language=eng -metadata:s:a:1 language=deu",
       "avc1",
       {"mp4a.40.2", "mp4a.40.2"},
       false,
       true,
       1},
      {"mp4_with_mov_text",
       "e.mp4",
       av + kSubtitles + "-map 0 -map 1 -map 2 " + kX264 + "-c:a aac -c:s mov_text",
       "avc1",
       {"mp4a.40.2"},
       false,
       false,
       1},
      {"webm_vp9_opus", "f.webm", av + "-c:v libvpx-vp9 -deadline realtime -cpu-used 8 -g 50 -b:v 300k -c:a libopus", "vp09", {"opus"}},
      {"webm_vp8_vorbis",
       "g.webm",
       av + "-c:v libvpx -deadline realtime -cpu-used 8 -g 50 -b:v 300k -c:a libvorbis",
       "avc1",
       {"mp4a.40.2"},
       true,
       true},
      {"mov_h264_pcm", "h.mov", av + kX264 + "-c:a pcm_s16le", "avc1", {"mp4a.40.2"}, false, true},
      {"mp4_hevc_aac",
       "i.mp4",
       av + "-c:v libx265 -preset ultrafast -x265-params log-level=error:keyint=50 -c:a aac",
       "avc1",
       {"mp4a.40.2"},
       true,
       false},
      {"mp4_av1_aac",
       "j.mp4",
       av + "-c:v libaom-av1 -usage realtime -cpu-used 8 -row-mt 1 -g 50 -b:v 200k -c:a aac",
       "av01",
       {"mp4a.40.2"}},
      {"mkv_ten_bit_h264_eac3",
       "k.mkv",
       av + "-c:v libx264 -preset ultrafast -bf 2 -g 50 -pix_fmt yuv420p10le -c:a eac3",
       "avc1",
       {"mp4a.40.2"},
       true,
       true},
      {"avi_mpeg4_mp3", "l.avi", av + "-c:v mpeg4 -bf 2 -g 50 -c:a libmp3lame", "avc1", {"mp4a.40.2"}, true, true, 0, true, 0.13},
      {"mkv_flac_without_video", "m.mka", kTone + "-c:a flac", "", {"flac"}},
      {"m4a_alone", "n.m4a", kTone + "-c:a aac", "", {"mp4a.40.2"}},
      {"mp3_alone", "o.mp3", kTone + "-c:a libmp3lame", "", {"mp4a.40.2"}, false, true, 0, false},
      {"ts_h264_mp3", "p.ts", av + kX264 + "-c:a libmp3lame", "avc1", {"mp4a.40.2"}, false, true, 0, false},
      {"ts_h264_aac", "q.ts", av + kX264 + "-c:a aac", "avc1", {"mp4a.40.2"}, false, false, 0, false},
      {"ts_mpeg2_ac3", "r.ts", av + "-c:v mpeg2video -bf 2 -g 25 -c:a ac3", "avc1", {"mp4a.40.2"}, true, true, 0, false},
      {"vob_mpeg2_ac3", "s.vob", av + "-c:v mpeg2video -bf 2 -g 25 -c:a ac3", "avc1", {"mp4a.40.2"}, true, true, 0, false, 0.13},
      {"fragmented_mp4",
       "t.mp4",
       av + kX264 + "-c:a aac -movflags frag_keyframe+empty_moov",
       "avc1",
       {"mp4a.40.2"},
       false,
       false,
       0,
       false},
      {"mkv_without_cues", "u.mkv", av + kX264 + "-c:a aac -f matroska -live 1", "avc1", {"mp4a.40.2"}, false, false, 0, false},
      {"flv_h264_aac", "v.flv", av + kX264 + "-c:a aac", "avc1", {"mp4a.40.2"}, false, false, 0, false},
  };
}

class DemandFilm : public testing::TestWithParam<Recipe> {
 protected:
  void SetUp() override {
    set_up_ffmpeg();
    std::string arguments = GetParam().arguments;
    if (const auto at = arguments.find("SUBTITLES"); at != std::string::npos) {
      std::ofstream{folder_ / "s.srt"}
          << "1\n00:00:01,000 --> 00:00:03,000\nHello <i>there</i>\n\n2\n00:00:13,500 --> 00:00:15,000\nA & B\n\n";
      arguments.replace(at, 9, folder_ / "s.srt");
    }
    path_ = folder_ / GetParam().file;
    make_film(arguments, path_);
    reader_ = std::make_unique<CountingReader>(path_);
    auto film = Film::open(*reader_, {.name = GetParam().file});
    ASSERT_TRUE(film.has_value()) << message(film.error());
    film_ = std::move(*film);
  }

  base::Bytes init(std::uint32_t track) {
    auto got = film_->init(track);
    EXPECT_TRUE(got.has_value());
    return got.value_or(base::Bytes{});
  }
  base::Bytes segment(std::uint32_t track, std::uint32_t number) {
    auto got = film_->segment(track, number);
    EXPECT_TRUE(got.has_value()) << "track " << track << " segment " << number << ": " << message(got.error());
    return got.value_or(base::Bytes{});
  }
  // Plays with ffmpeg, which must have nothing to say.
  void expect_plays(const std::string& path) {
    const Outcome outcome = run("ffmpeg -v warning -xerror -nostdin -i '" + path + "' -f null -");
    EXPECT_EQ(outcome.status, 0) << outcome.output;
    EXPECT_EQ(outcome.output, "") << path;
  }
  std::vector<media::TrackInfo> tracks(media::TrackKind kind) const {
    std::vector<media::TrackInfo> found;
    std::ranges::copy_if(film_->index().tracks, std::back_inserter(found), [&](const auto& t) { return t.kind == kind; });
    return found;
  }

  void check_tracks();
  void check_segment_list();
  void check_whole_tracks();
  void check_segment_alone();
  void check_text();

  Folder folder_;
  std::string path_;
  std::unique_ptr<CountingReader> reader_;
  std::unique_ptr<Film> film_;
};

void DemandFilm::check_tracks() {
  const auto video = tracks(media::TrackKind::video);
  ASSERT_EQ(video.size(), GetParam().video.empty() ? 0U : 1U);
  if (!video.empty()) {
    EXPECT_TRUE(video[0].codecs.starts_with(GetParam().video)) << video[0].codecs;
    EXPECT_EQ(video[0].transcoded, GetParam().video_converted);
    EXPECT_EQ(video[0].width, 320U);
    EXPECT_EQ(video[0].height, 180U);
  }
  const auto audio = tracks(media::TrackKind::audio);
  ASSERT_EQ(audio.size(), GetParam().audio.size());
  for (std::size_t i = 0; i < audio.size(); ++i) EXPECT_EQ(audio[i].codecs, GetParam().audio[i]);
  EXPECT_EQ(audio[0].transcoded, GetParam().audio_converted);
  EXPECT_EQ(tracks(media::TrackKind::subtitle).size(), GetParam().texts);
  EXPECT_NEAR(static_cast<double>(film_->index().duration.count()) / 1e6, kFilmSeconds, 0.1);
}

void DemandFilm::check_segment_list() {
  const auto& segments = film_->index().segments;
  ASSERT_GE(segments.size(), GetParam().indexed ? 4U : 2U);
  base::Duration at{0};
  for (const auto& s : segments) {
    EXPECT_EQ(s.start, at);
    EXPECT_GT(s.duration.count(), 0);
    if (GetParam().indexed) {
      EXPECT_LE(s.duration.count(), 6'100'000);
    }
    at += s.duration;
  }
  EXPECT_EQ(at, film_->index().duration);
}

void DemandFilm::check_whole_tracks() {
  const auto& index = film_->index();
  for (std::uint32_t t = 0; t < index.tracks.size(); ++t) {
    if (index.tracks[t].kind == media::TrackKind::subtitle) continue;
    SCOPED_TRACE("track " + std::to_string(t));
    std::vector<base::Bytes> parts{init(t)};
    const double scale = timescale_of(parts[0]);
    std::optional<FragmentTimes> before;
    for (std::uint32_t n = 0; n < index.segments.size(); ++n) {
      SCOPED_TRACE("segment " + std::to_string(n));
      parts.push_back(segment(t, n));
      const FragmentTimes times = parse_fragment(parts.back());
      ASSERT_GT(times.samples, 0U);
      EXPECT_TRUE(times.begins_with_key);
      const double playlist = static_cast<double>(index.segments[n].start.count()) / 1e6;
      EXPECT_NEAR(static_cast<double>(times.decode_time) / scale, playlist, GetParam().indexed ? 0.15 : 2.1);
      if (before) {
        EXPECT_NEAR(static_cast<double>(times.decode_time), static_cast<double>(before->decode_end), 0.0021 * scale);
      }
      if (!before) {
        EXPECT_LE(static_cast<double>(times.decode_time) / scale, 0.15);
      }
      before = times;
    }
    EXPECT_NEAR(static_cast<double>(before->decode_end) / scale, kFilmSeconds, GetParam().end_tolerance);
    write_whole(folder_ / "whole.mp4", parts);
    expect_plays(folder_ / "whole.mp4");
  }
}

void DemandFilm::check_segment_alone() {
  const auto& index = film_->index();
  const auto number = static_cast<std::uint32_t>(index.segments.size() / 2);
  for (std::uint32_t t = 0; t < index.tracks.size(); ++t) {
    if (index.tracks[t].kind == media::TrackKind::subtitle) continue;
    if (GetParam().name == "mp4_open_gop") continue;   // begins with pictures that need the segment before: players drop them
    write_whole(folder_ / "one.mp4", {init(t), segment(t, number)});
    expect_plays(folder_ / "one.mp4");
  }
}

void DemandFilm::check_text() {
  const auto& index = film_->index();
  for (std::uint32_t t = 0; t < index.tracks.size(); ++t) {
    if (index.tracks[t].kind != media::TrackKind::subtitle) continue;
    EXPECT_EQ(film_->init(t).error(), DemandError::no_such_track);
    int first = 0, second = 0;
    for (std::uint32_t n = 0; n < index.segments.size(); ++n) {
      const base::Bytes bytes = segment(t, n);
      const std::string text{base::as_text(bytes)};
      EXPECT_TRUE(text.starts_with("WEBVTT\n"));
      if (n == 0) {
        EXPECT_TRUE(text.find("\n00:00:01.0") != std::string::npos) << text;
      }
      if (text.find("\nHello <i>there</i>\n") != std::string::npos) ++first;
      if (text.find("\nA &amp; B\n") != std::string::npos) ++second;
    }
    EXPECT_GE(first, 1);
    EXPECT_GE(second, 1);
  }
}

// One test for each film: making it takes longer than looking at it.
TEST_P(DemandFilm, is_cut_into_segments_that_join_and_play_and_that_play_alone) {
  check_tracks();
  check_segment_list();
  check_whole_tracks();
  check_segment_alone();
  check_text();
}

INSTANTIATE_TEST_SUITE_P(Recipes, DemandFilm, testing::ValuesIn(recipes()), [](const auto& i) { return i.param.name; });

}  // namespace
}  // namespace runnel::media_helper::test
