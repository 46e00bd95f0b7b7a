// test: a source that needs no camera. A moving pattern with the clock burnt into the picture, and a tone.
#pragma once
#include <array>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.hpp"
#include "base/rng.hpp"
#include "base/time.hpp"
#include "media_helper/ffmpeg.hpp"

namespace runnel::media_helper {

// "test:" or "test:?size=640x360&rate=30&bitrate=800k&seconds=10".
struct TestOptions {
  int width = 1280;                   // pixels, even, 160..1920
  int height = 720;                   // even, 90..1080
  int rate = 30;                      // pictures per second, 1..60
  std::int64_t bit_rate = 2'400'000;  // of the video, 100k..20M
  int seconds = 0;                    // then it ends; 0: never
  static std::expected<TestOptions, std::string> parse(std::string_view source);
};

// Pictures in planar 4:2:0. In each the UTC time of day stands in large digits (HH:MM:SS.mmm), and the same instant for machines
// in a row of kClockBits cells along the lower edge: Unix time in milliseconds modulo 2^kClockBits, most significant first, white is 1.
class TestPicture {
 public:
  static constexpr int kClockBits = 44;
  explicit TestPicture(const TestOptions& options);
  // Valid until the next call.
  AVFrame* draw(std::int64_t number, base::WallTime now);

  // What draw() wrote into the cells; nullopt if a cell is neither black nor white. For tests and measuring tools.
  static std::optional<std::uint64_t> read_clock_ms(base::ByteView luma, int width, int height, int stride);

 private:
  void draw_bars(std::int64_t number);
  void draw_noise();
  void draw_text(base::WallTime now);
  void draw_cells(base::WallTime now);
  void box(int x, int y, int width, int height, std::uint8_t luma);
  void digit(int value, int x, int y, int unit);

  TestOptions options_;
  Frame frame_ = make_frame();
  std::array<base::Bytes, 3> bars_;  // a row of each plane, twice as wide as the picture
  base::Rng rng_{1};
};

// Mono sound, 48 kHz: 440 Hz, and a second, higher tone for 100 ms at the start of each second of the wall clock.
class TestTone {
 public:
  // `samples` of them from `position` on; `start` is the wall time of position 0. Valid until the next call.
  AVFrame* make(std::int64_t position, int samples, base::WallTime start);

 private:
  Frame frame_ = make_frame();
};

}  // namespace runnel::media_helper
