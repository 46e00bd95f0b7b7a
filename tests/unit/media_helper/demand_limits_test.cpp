// How little is read, what is cancelled, and what damaged and hostile files do: nothing but an error.
#include <fstream>
#include <random>

#include "media_helper/scan.hpp"
#include "unit/media_helper/demand_support.hpp"

namespace runnel::media_helper::test {
namespace {

class DemandLimits : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    set_up_ffmpeg();
    folder_ = std::make_unique<Folder>();
    // Noise, so that the files have some size: about 1 MB a second.
    make_film(
        "-f lavfi -i testsrc2=size=640x360:rate=25:duration=24,noise=alls=80:allf=t -f lavfi -i sine=sample_rate=48000:duration=24 "
        "-c:v libx264 -preset ultrafast -bf 2 -g 50 -pix_fmt yuv420p -b:v 8M -maxrate 8M -bufsize 8M -c:a aac -movflags +faststart",
        *folder_ / "a.mp4");
    const std::string copy = "-i " + (*folder_ / "a.mp4") + " -c copy ";
    make_film(copy, *folder_ / "b.mp4");
    make_film(copy, *folder_ / "c.mkv");
    make_film(copy, *folder_ / "d.ts");
    make_film(kPicture + kTone + "-c:v mpeg2video -bf 2 -g 25 -b:v 3M -c:a mp2", *folder_ / "h.vob");
    make_film(copy + "-f matroska -live 1", *folder_ / "e.mkv");
    make_film(copy + "-movflags frag_keyframe+empty_moov", *folder_ / "f.mp4");
    make_film(copy + "-movflags frag_keyframe+empty_moov+default_base_moof", *folder_ / "g.mp4");
  }
  static void TearDownTestSuite() { folder_.reset(); }
  static inline std::unique_ptr<Folder> folder_;
};

TEST_F(DemandLimits, an_index_and_a_segment_far_ahead_need_few_bytes) {
  for (const std::string name : {"a.mp4", "b.mp4", "c.mkv"}) {
    SCOPED_TRACE(name);
    CountingReader reader{*folder_ / name};
    const auto film = Film::open(reader, {.name = name});
    ASSERT_TRUE(film.has_value());
    const std::uint64_t for_index = reader.bytes;
    EXPECT_LT(for_index, reader.size() / 10);
    const auto count = static_cast<std::uint32_t>((*film)->index().segments.size());
    ASSERT_EQ(count, 6U);
    const auto segment = (*film)->segment(0, 4);
    ASSERT_TRUE(segment.has_value());
    // The segment itself, the key frame after it (of noise, so a large one), and what reading in blocks adds.
    EXPECT_LT(reader.bytes - for_index, segment->size() + reader.size() / 10 + 10 * BlockCache::kBlock);
    const std::uint64_t before_audio = reader.bytes;
    ASSERT_TRUE((*film)->segment(1, 4).has_value());
    EXPECT_LT(reader.bytes - before_audio, reader.size() / 10);
  }
}

TEST_F(DemandLimits, a_scanned_index_makes_exact_cuts_and_short_reads_where_the_container_has_none) {
  for (const std::string name : {"d.ts", "e.mkv", "f.mp4", "g.mp4"}) {
    SCOPED_TRACE(name);
    CountingReader whole{*folder_ / name};
    const auto scanned = scan_file(whole, name, [] {});
    ASSERT_TRUE(scanned.has_value());
    EXPECT_TRUE(scanned->is_media);
    ASSERT_TRUE(scanned->index.has_value());
    EXPECT_NEAR(static_cast<double>(scanned->duration.count()), 24e6, 1e5);
    ASSERT_EQ(scanned->index->keys.size(), 12U);

    CountingReader reader{*folder_ / name};
    const auto film = Film::open(reader, {.name = name, .scanned = scanned->index});
    ASSERT_TRUE(film.has_value());
    const std::uint64_t for_index = reader.bytes;
    EXPECT_LT(for_index, reader.size() / 5);
    ASSERT_EQ((*film)->index().segments.size(), 6U);
    const auto segment = (*film)->segment(0, 4);
    ASSERT_TRUE(segment.has_value());
    EXPECT_LT(reader.bytes - for_index, segment->size() + reader.size() / 10 + 10 * BlockCache::kBlock);
    for (std::uint32_t t = 0; t < 2; ++t) {
      std::vector<base::Bytes> parts{*(*film)->init(t)};
      std::optional<FragmentTimes> before;
      for (std::uint32_t n = 0; n < 6; ++n) {
        parts.push_back(*(*film)->segment(t, n));
        const FragmentTimes times = parse_fragment(parts.back());
        if (before) {
          EXPECT_NEAR(static_cast<double>(times.decode_time), static_cast<double>(before->decode_end), 0.0021 * timescale_of(parts[0]));
        }
        before = times;
      }
      write_whole(*folder_ / "out.mp4", parts);
      const Outcome played = run("ffmpeg -v warning -xerror -nostdin -i " + (*folder_ / "out.mp4") + " -f null -");
      EXPECT_EQ(played.output, "");
    }
  }
}

TEST_F(DemandLimits, a_program_stream_that_was_scanned_plays_from_every_cut) {
  CountingReader reader{*folder_ / "h.vob"};
  const auto scanned = scan_file(reader, "h.vob", [] {});
  ASSERT_TRUE(scanned && scanned->index);
  const auto film = Film::open(reader, {.name = "h.vob", .scanned = scanned->index});
  ASSERT_TRUE(film.has_value());
  const auto& segments = (*film)->index().segments;
  ASSERT_EQ(segments.size(), 6U);
  std::vector<base::Bytes> parts{*(*film)->init(0)};
  for (std::uint32_t n = 0; n < segments.size(); ++n) {
    parts.push_back(*(*film)->segment(0, n));
    const FragmentTimes times = parse_fragment(parts.back());
    EXPECT_NEAR(static_cast<double>(times.decode_time) / 90'000, static_cast<double>(segments[n].start.count()) / 1e6, 0.1);
    EXPECT_NEAR(static_cast<double>(times.decode_end) / 90'000,
                static_cast<double>((segments[n].start + segments[n].duration).count()) / 1e6, 0.1);
  }
  write_whole(*folder_ / "out.mp4", parts);
  EXPECT_EQ(run("ffmpeg -v warning -xerror -nostdin -i " + (*folder_ / "out.mp4") + " -f null -").output, "");
}

TEST_F(DemandLimits, a_film_with_an_index_of_its_own_gets_no_other) {
  for (const std::string name : {"a.mp4", "b.mp4", "c.mkv"}) {
    CountingReader reader{*folder_ / name};
    const auto scanned = scan_file(reader, name, [] {});
    ASSERT_TRUE(scanned.has_value());
    EXPECT_TRUE(scanned->is_media);
    EXPECT_FALSE(scanned->index.has_value());
    EXPECT_EQ(scanned->mime, name == "c.mkv" ? "video/x-matroska" : "video/mp4");
  }
}

TEST_F(DemandLimits, an_index_of_another_file_does_no_harm) {
  CountingReader other{*folder_ / "d.ts"};
  const auto scanned = scan_file(other, "d.ts", [] {});
  for (const std::string name : {"a.mp4", "e.mkv", "f.mp4"}) {
    CountingReader reader{*folder_ / name};
    const auto film = Film::open(reader, {.name = name, .scanned = scanned->index});
    if (!film) continue;
    for (std::uint32_t n = 0; n < (*film)->index().segments.size(); ++n) static_cast<void>((*film)->segment(0, n));
  }
}

TEST_F(DemandLimits, a_cancelled_segment_stops_at_once_and_the_next_one_works) {
  for (const std::string name : {"a.mp4", "c.mkv", "d.ts"}) {
    SCOPED_TRACE(name);
    CountingReader reader{*folder_ / name};
    bool stop = false;
    const auto film = Film::open(reader, {.name = name, .cancelled = [&] { return stop; }});
    ASSERT_TRUE(film.has_value());
    stop = true;
    EXPECT_EQ((*film)->segment(0, 1).error(), DemandError::cancelled);
    stop = false;
    reader.cancel_at = reader.bytes + 100'000;   // in the middle of a read
    EXPECT_EQ((*film)->segment(0, 1).error(), DemandError::cancelled);
    reader.cancel_at.reset();
    EXPECT_TRUE((*film)->segment(0, 1).has_value());
    EXPECT_TRUE((*film)->segment(1, 1).has_value());
  }
}

TEST_F(DemandLimits, sound_that_begins_late_and_ends_early_is_silent_where_it_is_missing) {
  for (const std::string codec : {"aac", "libopus", "ac3"}) {
    SCOPED_TRACE(codec);
    const std::string path = *folder_ / "holes.mkv";
    make_film(kPicture +
                  "-itsoffset 9 -f lavfi -i sine=sample_rate=48000:duration=3 -map 0 -map 1 -c:v libx264 -preset ultrafast -g 50 -pix_fmt "
                  "yuv420p -c:a " +
                  codec,
              path);
    CountingReader reader{path};
    const auto film = Film::open(reader, {.name = "holes.mkv"});
    ASSERT_TRUE(film.has_value());
    std::vector<base::Bytes> parts{*(*film)->init(1)};
    std::optional<FragmentTimes> before;
    for (std::uint32_t n = 0; n < (*film)->index().segments.size(); ++n) {
      parts.push_back(*(*film)->segment(1, n));
      const FragmentTimes times = parse_fragment(parts.back());
      ASSERT_GT(times.samples, 0U);
      EXPECT_NEAR(static_cast<double>(times.decode_time), before ? static_cast<double>(before->decode_end) : 0, 0.1 * 48000);
      before = times;
    }
    write_whole(*folder_ / "out.mp4", parts);
    EXPECT_EQ(run("ffmpeg -v warning -xerror -nostdin -i " + (*folder_ / "out.mp4") + " -f null -").output, "");
  }
}

TEST_F(DemandLimits, an_mp4_without_its_end_plays_as_far_as_it_goes_or_says_why_not) {
  const base::Bytes whole = read_whole(*folder_ / "a.mp4");
  BytesReader reader{base::Bytes{whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(whole.size() / 2)}};
  const auto film = Film::open(reader, {.name = "a.mp4"});
  ASSERT_TRUE(film.has_value());
  EXPECT_NEAR(static_cast<double>((*film)->index().duration.count()), 12e6, 4e6);
  for (std::uint32_t n = 0; n < (*film)->index().segments.size(); ++n) EXPECT_TRUE((*film)->segment(0, n).has_value());

  const base::Bytes late = read_whole(*folder_ / "b.mp4");
  BytesReader headless{base::Bytes{late.begin(), late.begin() + static_cast<std::ptrdiff_t>(late.size() / 2)}};
  EXPECT_EQ(Film::open(headless, {.name = "b.mp4"}).error(), DemandError::truncated);
  const auto scanned = scan_file(headless, "b.mp4", [] {});
  ASSERT_TRUE(scanned.has_value());
  EXPECT_FALSE(scanned->is_media);
  EXPECT_FALSE(scanned->reason.empty());
}

TEST_F(DemandLimits, damaged_films_give_segments_or_errors_and_nothing_worse) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random{seed};
  for (const std::string name : {"a.mp4", "c.mkv", "d.ts", "e.mkv", "f.mp4"}) {
    const base::Bytes whole = read_whole(*folder_ / name);
    for (int round = 0; round < 6; ++round) {
      BytesReader reader{whole};
      // The first bytes hold what describes the film.
      for (int i = 0; i < 40; ++i) reader.bytes[random() % (i % 2 == 0 ? 4096 : reader.bytes.size())] = static_cast<std::byte>(random());
      if (round % 2 == 1) reader.bytes.resize(random() % reader.bytes.size());
      const auto film = Film::open(reader, {.name = name});
      if (!film) continue;
      const auto& index = (*film)->index();
      EXPECT_LE(index.segments.size(), kMaxCuts);
      for (std::uint32_t t = 0; t < index.tracks.size(); ++t) {
        static_cast<void>((*film)->init(t));
        static_cast<void>((*film)->segment(t, 0));
        static_cast<void>((*film)->segment(t, static_cast<std::uint32_t>(index.segments.size() - 1)));
      }
    }
  }
}

TEST_F(DemandLimits, noise_text_and_pictures_are_not_media) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random{seed};
  base::Bytes noise(500'000);
  for (std::byte& b : noise) b = static_cast<std::byte>(random());
  const std::string playlist = "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n";
  const std::string concat = "ffconcat version 1.0\nfile /etc/passwd\n";
  std::vector<base::Bytes> files{noise,
                                 base::Bytes{},
                                 base::Bytes(1),
                                 base::Bytes(300'000),
                                 base::to_bytes(base::as_bytes(playlist)),
                                 base::to_bytes(base::as_bytes(concat))};
  ASSERT_EQ(run("ffmpeg -v error -y -f lavfi -i testsrc2=size=64x64 -frames:v 1 " + (*folder_ / "p.png")).status, 0);
  files.push_back(read_whole(*folder_ / "p.png"));
  for (const base::Bytes& bytes : files) {
    BytesReader reader{bytes};
    const auto scanned = scan_file(reader, "file.mp4", [] {});
    ASSERT_TRUE(scanned.has_value());
    EXPECT_FALSE(scanned->is_media);
    EXPECT_FALSE(scanned->reason.empty());
    EXPECT_EQ(scanned->mime, "application/octet-stream");
  }
}

}  // namespace
}  // namespace runnel::media_helper::test
