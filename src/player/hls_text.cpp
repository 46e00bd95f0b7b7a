#include "player/hls_text.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>

namespace runnel::player {
namespace {

// Length of the valid UTF-8 sequence (RFC 3629 4) at the front of `text`; 0 if there is none.
std::size_t utf8_length(std::string_view text) {
  const auto at = [&](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U; };
  const auto tail = [&](std::size_t i) { return (at(i) & 0xc0U) == 0x80U; };
  const unsigned lead = at(0);
  if (lead < 0x80) return 1;
  if (lead >= 0xc2 && lead <= 0xdf) return tail(1) ? 2 : 0;
  if (lead >= 0xe0 && lead <= 0xef) {
    const bool overlong = lead == 0xe0 && at(1) < 0xa0;
    const bool surrogate = lead == 0xed && at(1) >= 0xa0;
    return tail(1) && tail(2) && !overlong && !surrogate ? 3 : 0;
  }
  if (lead >= 0xf0 && lead <= 0xf4) {
    const bool overlong = lead == 0xf0 && at(1) < 0x90;
    const bool beyond = lead == 0xf4 && at(1) >= 0x90;
    return tail(1) && tail(2) && tail(3) && !overlong && !beyond ? 4 : 0;
  }
  return 0;
}

}  // namespace

std::string seconds_text(base::Duration duration) {
  const auto us = static_cast<unsigned long long>(std::max<base::Duration::rep>(duration.count(), 0));
  char text[40];
  std::snprintf(text, sizeof text, "%llu.%06llu", us / 1'000'000, us % 1'000'000);
  return text;
}

std::uint64_t target_seconds(base::Duration longest) {
  return std::max<std::uint64_t>(static_cast<std::uint64_t>(std::chrono::round<std::chrono::seconds>(longest).count()), 1);
}

std::string date_text(base::WallTime time) {
  using namespace std::chrono;
  const auto since = floor<milliseconds>(time.time_since_epoch());
  const sys_days day{floor<days>(since)};
  const year_month_day date{day};
  const hh_mm_ss clock{since - day.time_since_epoch()};
  char text[64];
  std::snprintf(text, sizeof text, "%04d-%02u-%02uT%02d:%02d:%02d.%03dZ", static_cast<int>(date.year()),
                static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()), static_cast<int>(clock.hours().count()),
                static_cast<int>(clock.minutes().count()), static_cast<int>(clock.seconds().count()),
                static_cast<int>(clock.subseconds().count()));
  return text;
}

std::string valid_utf8(std::string_view text) {
  std::string valid;
  valid.reserve(text.size());
  while (!text.empty()) {
    const std::size_t length = utf8_length(text);
    if (length == 0) {
      valid += "\xef\xbf\xbd";
      text.remove_prefix(1);
    } else {
      valid += text.substr(0, length);
      text.remove_prefix(length);
    }
  }
  return valid;
}

std::string quoted(std::string_view text) {
  std::string inside = valid_utf8(text);
  for (char& c : inside) {
    if (c == '"') c = '\'';
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
  }
  return '"' + inside + '"';
}

std::string codecs_attribute(const std::vector<media::TrackInfo>& tracks) {
  std::vector<std::string> names;
  for (const media::TrackInfo& track : tracks) {
    if (track.kind == media::TrackKind::subtitle) continue;
    if (track.codecs.empty()) return {};
    if (std::ranges::find(names, track.codecs) == names.end()) names.push_back(track.codecs);
  }
  std::string list;
  for (const std::string& name : names) list += (list.empty() ? "" : ",") + name;
  return list.empty() ? list : ",CODECS=" + quoted(list);
}

std::string picture_attributes(const media::TrackInfo& video) {
  std::string text;
  if (video.width > 0 && video.height > 0) text += ",RESOLUTION=" + std::to_string(video.width) + 'x' + std::to_string(video.height);
  if (video.frame_rate > 0 && video.frame_rate < 1000) {
    char rate[32];
    std::snprintf(rate, sizeof rate, ",FRAME-RATE=%.3f", video.frame_rate);
    text += rate;
  }
  return text;
}

}  // namespace runnel::player
