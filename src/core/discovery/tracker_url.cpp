#include "core/discovery/tracker_url.hpp"

#include <algorithm>
#include <charconv>

#include "base/bytes.hpp"

namespace runnel::discovery {
namespace {

using Unexpected = std::unexpected<UrlError>;

bool is_alphanumeric(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); }
bool is_unreserved(char c) { return is_alphanumeric(c) || c == '-' || c == '.' || c == '_' || c == '~'; }
bool is_host_character(char c) { return is_alphanumeric(c) || c == '-' || c == '.' || c == '_'; }
bool is_v6_character(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F') || c == ':' || c == '.'; }
bool is_visible(char c) { return c > 0x20 && c < 0x7f; }

std::optional<TrackerScheme> take_scheme(std::string_view& text) {
  constexpr std::pair<std::string_view, TrackerScheme> kSchemes[] = {
      {"http://", TrackerScheme::http}, {"https://", TrackerScheme::https}, {"udp://", TrackerScheme::udp}};
  for (const auto& [prefix, scheme] : kSchemes) {
    const auto same = [](char a, char b) { return (a | 0x20) == (b | 0x20) || a == b; };
    if (text.size() >= prefix.size() && std::ranges::equal(text.substr(0, prefix.size()), prefix, same)) {
      text.remove_prefix(prefix.size());
      return scheme;
    }
  }
  return std::nullopt;
}

std::string_view scheme_name(TrackerScheme scheme) {
  switch (scheme) {
    case TrackerScheme::http: return "http";
    case TrackerScheme::https: return "https";
    case TrackerScheme::udp: return "udp";
  }
  return "";
}

std::uint16_t default_port(TrackerScheme scheme) {
  switch (scheme) {
    case TrackerScheme::http: return 80;
    case TrackerScheme::https: return 443;
    case TrackerScheme::udp: return 0;  // BEP 15 names none
  }
  return 0;
}

// The host, and what follows it (":PORT" or nothing) in `authority`.
std::optional<std::string> take_host(std::string_view& authority) {
  if (authority.starts_with('[')) {
    const std::size_t close = authority.find(']');
    if (close == std::string_view::npos) return std::nullopt;
    const std::string_view host = authority.substr(1, close - 1);
    if (host.find(':') == std::string_view::npos || !std::ranges::all_of(host, is_v6_character)) return std::nullopt;
    authority.remove_prefix(close + 1);
    return std::string{host};
  }
  const std::string_view host = authority.substr(0, authority.find(':'));
  if (host.empty() || host.size() > 253 || !std::ranges::all_of(host, is_host_character)) return std::nullopt;
  authority.remove_prefix(host.size());
  return std::string{host};
}

}  // namespace

std::string message(UrlError error) {
  switch (error) {
    case UrlError::malformed: return "not a tracker URL (try http://HOST:PORT/announce or udp://HOST:PORT)";
    case UrlError::too_long: return "the tracker URL is too long";
    case UrlError::unsupported_scheme: return "trackers are reached by http, https or udp";
    case UrlError::no_port: return "a udp tracker URL needs a port (udp://HOST:PORT)";
  }
  return "unknown error";
}

std::expected<TrackerUrl, UrlError> TrackerUrl::parse(std::string_view text) {
  if (text.size() > kMaxTrackerUrlBytes) return Unexpected{UrlError::too_long};
  if (!std::ranges::all_of(text, is_visible) || text.find('#') != std::string_view::npos) return Unexpected{UrlError::malformed};
  const auto scheme = take_scheme(text);
  if (!scheme) return Unexpected{text.find("://") == std::string_view::npos ? UrlError::malformed : UrlError::unsupported_scheme};
  const std::size_t authority_end = std::min(text.find_first_of("/?"), text.size());
  std::string_view authority = text.substr(0, authority_end);
  TrackerUrl url;
  url.scheme = *scheme;
  url.port = default_port(*scheme);
  url.target = std::string{text.substr(authority_end)};
  if (!url.target.starts_with('/')) url.target.insert(0, 1, '/');
  auto host = take_host(authority);
  if (!host) return Unexpected{UrlError::malformed};
  url.host = std::move(*host);
  if (!authority.empty()) {
    if (!authority.starts_with(':')) return Unexpected{UrlError::malformed};
    authority.remove_prefix(1);
    const auto [end, error] = std::from_chars(authority.data(), authority.data() + authority.size(), url.port);
    if (error != std::errc{} || end != authority.data() + authority.size() || url.port == 0) return Unexpected{UrlError::malformed};
  }
  if (url.port == 0) return Unexpected{UrlError::no_port};
  if (url.to_string().size() > kMaxTrackerUrlBytes) return Unexpected{UrlError::too_long};   // with what it left out
  return url;
}

std::string TrackerUrl::authority() const {
  const bool v6 = host.find(':') != std::string::npos;
  return (v6 ? '[' + host + ']' : host) + ':' + std::to_string(port);
}

std::string TrackerUrl::to_string() const { return std::string{scheme_name(scheme)} + "://" + authority() + target; }

std::string percent_encode(std::string_view bytes) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::string out;
  out.reserve(bytes.size() * 3);
  for (const char c : bytes) {
    if (is_unreserved(c)) {
      out += c;
      continue;
    }
    const auto value = static_cast<unsigned char>(c);
    out += '%';
    out += kDigits[value >> 4];
    out += kDigits[value & 15];
  }
  return out;
}

std::optional<std::string> percent_decode(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    const auto byte = base::from_hex(text.substr(i + 1, 2));
    if (!byte || byte->size() != 1) return std::nullopt;
    out += static_cast<char>(byte->front());
    i += 2;
  }
  return out;
}

}  // namespace runnel::discovery
