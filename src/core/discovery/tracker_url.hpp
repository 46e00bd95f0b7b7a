// A tracker's URL as a link carries it: http, https or udp.
#pragma once
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>

namespace runnel::discovery {

constexpr std::size_t kMaxTrackerUrlBytes = 2048;

enum class TrackerScheme : std::uint8_t { http, https, udp };

enum class UrlError { malformed, too_long, unsupported_scheme, no_port };
std::string message(UrlError error);

struct TrackerUrl {
  TrackerScheme scheme = TrackerScheme::http;
  std::string host;        // a name or a numeric address, without brackets
  std::uint16_t port = 0;
  std::string target;      // path and query, begins with '/'

  // "http://HOST[:PORT][/PATH[?QUERY]]" and so on; udp needs a port. User names, fragments, spaces and control characters
  // are refused: the text goes into a request line.
  static std::expected<TrackerUrl, UrlError> parse(std::string_view text);
  [[nodiscard]] std::string to_string() const;
  // "HOST:PORT", with brackets where the host is an IPv6 address.
  [[nodiscard]] std::string authority() const;
};

// Everything but RFC 3986's unreserved characters becomes %XX.
std::string percent_encode(std::string_view bytes);
// "%XX" becomes a byte, '+' stays (BEP 3 clients do not send it for a space). nullopt on a broken escape.
std::optional<std::string> percent_decode(std::string_view text);

}  // namespace runnel::discovery
