#include "media_helper/test_source.hpp"

extern "C" {
#include <libavutil/channel_layout.h>
}

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <numbers>

#include "media_helper/encoder.hpp"

namespace runnel::media_helper {
namespace {

struct Colour {
  std::uint8_t y, u, v;
};
// 75 % colour bars in BT.601, white to black.
constexpr std::array kBars{Colour{180, 128, 128}, Colour{162, 44, 142}, Colour{131, 156, 44}, Colour{112, 72, 58},
                           Colour{84, 184, 198},  Colour{65, 100, 212}, Colour{35, 212, 114}, Colour{16, 128, 128}};
constexpr std::uint8_t kBlack = 16, kWhite = 235;
constexpr int kCellHeight = 16;  // one macroblock: it survives any bit rate
constexpr int kClockCharacters = 12;

std::optional<std::int64_t> number(std::string_view text, std::int64_t least, std::int64_t most) {
  std::int64_t value = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failed != std::errc{} || end == text.data()) return std::nullopt;
  const std::string_view unit{end, text.data() + text.size()};
  if (unit == "k")
    value *= 1000;
  else if (unit == "M")
    value *= 1'000'000;
  else if (!unit.empty())
    return std::nullopt;
  return value >= least && value <= most ? std::optional{value} : std::nullopt;
}

bool set_option(TestOptions& options, std::string_view name, std::string_view value) {
  if (name == "size") {
    const std::size_t x = value.find('x');
    if (x == std::string_view::npos) return false;
    const auto width = number(value.substr(0, x), 160, 1920), height = number(value.substr(x + 1), 90, 1080);
    if (!width || !height || *width % 2 != 0 || *height % 2 != 0) return false;
    options.width = static_cast<int>(*width);
    options.height = static_cast<int>(*height);
    return true;
  }
  if (name == "rate") {
    const auto rate = number(value, 1, 60);
    if (rate) options.rate = static_cast<int>(*rate);
    return rate.has_value();
  }
  if (name == "bitrate") {
    const auto rate = number(value, 100'000, 20'000'000);
    if (rate) options.bit_rate = *rate;
    return rate.has_value();
  }
  if (name == "seconds") {
    const auto seconds = number(value, 1, 1'000'000);
    if (seconds) options.seconds = static_cast<int>(*seconds);
    return seconds.has_value();
  }
  return false;
}

std::int64_t unix_ms(base::WallTime t) { return t.time_since_epoch().count() / 1000; }
int cell_edge(int cell, int width) { return cell * width / TestPicture::kClockBits; }

}  // namespace

std::expected<TestOptions, std::string> TestOptions::parse(std::string_view source) {
  TestOptions options;
  std::string_view rest = source.substr(std::min(source.find(':') + 1, source.size()));
  if (rest.starts_with('?')) rest.remove_prefix(1);
  while (!rest.empty()) {
    const std::string_view pair = rest.substr(0, rest.find('&'));
    rest.remove_prefix(std::min(pair.size() + 1, rest.size()));
    const std::size_t equals = pair.find('=');
    if (equals != std::string_view::npos && set_option(options, pair.substr(0, equals), pair.substr(equals + 1))) continue;
    return std::unexpected{"the test source does not know \"" + std::string{pair} +
                           "\"; it takes size=WxH (even, up to 1920x1080), rate=1..60, bitrate=100k..20M and seconds=N, as in "
                           "test:?size=640x360&rate=30&bitrate=800k"};
  }
  return options;
}

TestPicture::TestPicture(const TestOptions& options) : options_(options) {
  frame_->format = AV_PIX_FMT_YUV420P;
  frame_->width = options.width;
  frame_->height = options.height;
  av_frame_get_buffer(frame_.get(), 0);
  for (int plane = 0; plane < 3; ++plane) {
    const int width = plane == 0 ? options.width : options.width / 2;
    bars_[static_cast<std::size_t>(plane)].resize(static_cast<std::size_t>(width) * 2);
    for (int x = 0; x < width * 2; ++x) {
      const Colour& c = kBars[static_cast<std::size_t>(x % width * static_cast<int>(kBars.size()) / width)];
      bars_[static_cast<std::size_t>(plane)][static_cast<std::size_t>(x)] = static_cast<std::byte>(plane == 0   ? c.y
                                                                                                   : plane == 1 ? c.u
                                                                                                                : c.v);
    }
  }
}

AVFrame* TestPicture::draw(std::int64_t number, base::WallTime now) {
  av_frame_make_writable(frame_.get());  // the encoder may still hold the last one
  draw_bars(number);
  draw_noise();
  draw_text(now);
  draw_cells(now);
  return frame_.get();
}

void TestPicture::draw_bars(std::int64_t number) {
  const std::int64_t half_width = options_.width / 2;
  const std::int64_t offset = number * std::max(1, options_.width / (options_.rate * 16)) % half_width;  // once across in 8 s
  for (int plane = 0; plane < 3; ++plane) {
    const int width = plane == 0 ? options_.width : options_.width / 2;
    const int height = plane == 0 ? options_.height : options_.height / 2;
    const std::byte* row = bars_[static_cast<std::size_t>(plane)].data() + (plane == 0 ? offset * 2 : offset);
    for (int y = 0; y < height; ++y) {
      std::memcpy(frame_->data[plane] + static_cast<std::ptrdiff_t>(y) * frame_->linesize[plane], row, static_cast<std::size_t>(width));
    }
  }
}

// A patch of snow, fresh each time: it makes the stream cost what a real one of this bit rate costs.
void TestPicture::draw_noise() {
  const int width = options_.width / 4, height = options_.height / 4, top = options_.height / 8;
  for (int y = top; y < top + height; ++y) {
    std::uint8_t* row = frame_->data[0] + static_cast<std::ptrdiff_t>(y) * frame_->linesize[0] + width / 4;
    for (int x = 0; x + 8 <= width; x += 8) {
      std::uint64_t random = (rng_() & 0x7f7f'7f7f'7f7f'7f7fU) + 0x1010'1010'1010'1010U;  // eight samples of 16..143
      std::memcpy(row + x, &random, sizeof random);
    }
  }
}

void TestPicture::box(int x, int y, int width, int height, std::uint8_t luma) {
  for (int row = std::max(y, 0); row < std::min(y + height, options_.height); ++row) {
    const int from = std::clamp(x, 0, options_.width), to = std::clamp(x + width, 0, options_.width);
    std::memset(frame_->data[0] + static_cast<std::ptrdiff_t>(row) * frame_->linesize[0] + from, luma, static_cast<std::size_t>(to - from));
    if (row % 2 != 0) continue;
    for (const int plane : {1, 2}) {  // grey, whatever colour is beneath
      std::uint8_t* chroma = frame_->data[plane] + static_cast<std::ptrdiff_t>(row / 2) * frame_->linesize[plane];
      std::memset(chroma + from / 2, 128, static_cast<std::size_t>(to / 2 - from / 2));
    }
  }
}

// Seven segments, 3 units wide and 5 high.
void TestPicture::digit(int value, int x, int y, int unit) {
  struct Segment {
    int x, y, width, height;
  };
  constexpr std::array kSegments{Segment{0, 0, 3, 1}, Segment{2, 0, 1, 3}, Segment{2, 2, 1, 3}, Segment{0, 4, 3, 1},
                                 Segment{0, 2, 1, 3}, Segment{0, 0, 1, 3}, Segment{0, 2, 3, 1}};
  constexpr std::array<std::uint8_t, 10> kLit{0x3f, 0x06, 0x5b, 0x4f, 0x66, 0x6d, 0x7d, 0x07, 0x7f, 0x6f};
  for (std::size_t i = 0; i < kSegments.size(); ++i) {
    const Segment& s = kSegments[i];
    if ((kLit[static_cast<std::size_t>(value)] >> i & 1U) != 0) {
      box(x + s.x * unit, y + s.y * unit, s.width * unit, s.height * unit, kWhite);
    }
  }
}

void TestPicture::draw_text(base::WallTime now) {
  const std::int64_t ms = unix_ms(now) % 86'400'000;
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%02d:%02d:%02d.%03d", static_cast<int>(ms / 3'600'000), static_cast<int>(ms / 60'000 % 60),
                static_cast<int>(ms / 1000 % 60), static_cast<int>(ms % 1000));
  const int unit = std::max(2, options_.width / 64);
  const int width = kClockCharacters * 4 * unit, left = (options_.width - width) / 2, top = options_.height / 2;
  box(left - unit, top - unit, width + unit, 7 * unit, kBlack);
  for (int i = 0; i < kClockCharacters; ++i) {
    const int x = left + i * 4 * unit;
    const char c = text[static_cast<std::size_t>(i)];
    if (c >= '0' && c <= '9') {
      digit(c - '0', x, top, unit);
    } else {
      if (c == ':') box(x + unit, top + unit, unit, unit, kWhite);
      box(x + unit, top + (c == ':' ? 3 : 4) * unit, unit, unit, kWhite);
    }
  }
}

void TestPicture::draw_cells(base::WallTime now) {
  const auto ms = static_cast<std::uint64_t>(unix_ms(now));
  for (int cell = 0; cell < kClockBits; ++cell) {
    const bool set = (ms >> (kClockBits - 1 - cell) & 1U) != 0;
    const int left = cell_edge(cell, options_.width);
    box(left, options_.height - kCellHeight, cell_edge(cell + 1, options_.width) - left, kCellHeight, set ? kWhite : kBlack);
  }
}

std::optional<std::uint64_t> TestPicture::read_clock_ms(base::ByteView luma, int width, int height, int stride) {
  std::uint64_t ms = 0;
  for (int cell = 0; cell < kClockBits; ++cell) {
    const int x = (cell_edge(cell, width) + cell_edge(cell + 1, width)) / 2, y = height - kCellHeight / 2;
    const auto at = static_cast<std::size_t>(y) * static_cast<std::size_t>(stride) + static_cast<std::size_t>(x);
    if (at >= luma.size()) return std::nullopt;
    const int value = std::to_integer<int>(luma[at]);
    if (value > 90 && value < 160) return std::nullopt;
    ms = ms << 1U | (value >= 160 ? 1U : 0U);
  }
  return ms;
}

AVFrame* TestTone::make(std::int64_t position, int samples, base::WallTime start) {
  constexpr double kTurn = 2 * std::numbers::pi / AudioEncoder::kSampleRate;
  av_frame_unref(frame_.get());
  frame_->format = AV_SAMPLE_FMT_FLTP;
  frame_->sample_rate = AudioEncoder::kSampleRate;
  frame_->nb_samples = samples;
  av_channel_layout_default(&frame_->ch_layout, 1);
  av_frame_get_buffer(frame_.get(), 0);
  const std::int64_t first = start.time_since_epoch().count() % 1'000'000 * AudioEncoder::kSampleRate / 1'000'000 + position;
  for (int i = 0; i < samples; ++i) {
    const auto at = static_cast<double>((position + i) % (AudioEncoder::kSampleRate * 10));  // both tones fit whole turns into 10 s
    const bool beep = (first + i) % AudioEncoder::kSampleRate < AudioEncoder::kSampleRate / 10;
    const double value = 0.1 * std::sin(at * 440 * kTurn) + (beep ? 0.2 * std::sin(at * 1760 * kTurn) : 0);
    const auto sample = static_cast<float>(value);
    std::memcpy(frame_->extended_data[0] + sizeof(float) * static_cast<std::size_t>(i), &sample, sizeof sample);
  }
  return frame_.get();
}

}  // namespace runnel::media_helper
