// The URLs that a caster gives to an ingest server, as values.
#pragma once
#include <chrono>
#include <cstdint>
#include <expected>
#include <string>
#include <string_view>

#include "base/endpoint.hpp"

namespace runnel::media_helper {

// rtmp://ADDR:PORT/APP/KEY. APP may hold slashes, KEY is what follows the last one.
struct RtmpUrl {
  base::Endpoint listen;
  std::string app;
  std::string key;
};
constexpr std::uint16_t kRtmpDefaultPort = 1935;  // Adobe RTMP 1.0, section 1: registered with IANA

// srt://ADDR:PORT?streamid=KEY&latency=MS&passphrase=TEXT. One of streamid and passphrase is there: without either anybody could publish.
struct SrtUrl {
  base::Endpoint listen;
  std::string key;                         // empty: any stream id, the passphrase decides
  std::string passphrase;                  // empty: not encrypted; else 10 to 79 characters (libsrt)
  std::chrono::milliseconds latency{120};  // libsrt's default for live
};
constexpr std::chrono::milliseconds kSrtMaxLatency{10'000};  // beyond it the receive buffer of libsrt would not hold the stream

// The error is a sentence for the user.
[[nodiscard]] std::expected<RtmpUrl, std::string> parse_rtmp_url(std::string_view url);
[[nodiscard]] std::expected<SrtUrl, std::string> parse_srt_url(std::string_view url);

// Takes as long for a wrong secret as for the right one of the same length; tells nothing of where they differ. Nothing equals an
// empty secret.
[[nodiscard]] bool equal_in_constant_time(std::string_view given, std::string_view secret);

}  // namespace runnel::media_helper
