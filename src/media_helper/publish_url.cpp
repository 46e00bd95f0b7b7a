#include "media_helper/publish_url.hpp"

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

namespace runnel::media_helper {
namespace {

struct UrlParts {
  std::string_view authority;
  std::string_view path;   // without the leading slash
  std::string_view query;  // without the question mark
};

std::optional<UrlParts> split_url(std::string_view url, std::string_view scheme) {
  if (!url.starts_with(scheme)) return std::nullopt;
  url.remove_prefix(scheme.size());
  UrlParts parts;
  const std::size_t end = url.find_first_of("/?");
  parts.authority = url.substr(0, end);
  if (end == std::string_view::npos) return parts;
  std::string_view rest = url.substr(end);
  if (rest.front() == '/') {
    const std::size_t question = rest.find('?');
    parts.path = rest.substr(1, question == std::string_view::npos ? question : question - 1);
    rest = question == std::string_view::npos ? std::string_view{} : rest.substr(question);
  }
  if (!rest.empty()) parts.query = rest.substr(1);
  return parts;
}

std::expected<base::Endpoint, std::string> parse_authority(std::string_view authority, std::optional<std::uint16_t> default_port) {
  std::string text{authority};
  if (text.starts_with("localhost")) text.replace(0, 9, "127.0.0.1");
  const std::size_t colon = text.rfind(':');
  const bool has_port = colon != std::string::npos && text.find(']', colon) == std::string::npos;
  if (!has_port) {
    if (!default_port) return std::unexpected("the URL needs a port to listen on, as in 0.0.0.0:9000");
    text += ':' + std::to_string(*default_port);
  }
  if (const auto endpoint = base::Endpoint::parse(text)) return *endpoint;
  return std::unexpected("'" + std::string{authority} +
                         "' is not an address and port of this machine to listen on: use 0.0.0.0:PORT for every network, or "
                         "127.0.0.1:PORT for programs on this machine only");
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// A percent sign that starts no escape stands for itself.
std::string percent_decoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool escape = text[i] == '%' && i + 2 < text.size() && hex_digit(text[i + 1]) >= 0 && hex_digit(text[i + 2]) >= 0;
    out += escape ? static_cast<char>(hex_digit(text[i + 1]) * 16 + hex_digit(text[i + 2])) : text[i];
    if (escape) i += 2;
  }
  return out;
}

std::expected<void, std::string> apply_srt_option(SrtUrl& url, std::string_view name, std::string value) {
  if (name == "streamid") {
    url.key = std::move(value);
  } else if (name == "passphrase") {
    if (value.size() < 10 || value.size() > 79) return std::unexpected("the SRT passphrase must have 10 to 79 characters");
    url.passphrase = std::move(value);
  } else if (name == "latency") {
    int ms = 0;
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), ms);
    if (error != std::errc{} || end != value.data() + value.size() || ms < 0 || ms > kSrtMaxLatency.count()) {
      return std::unexpected("the SRT latency is in milliseconds, 0 to " + std::to_string(kSrtMaxLatency.count()));
    }
    url.latency = std::chrono::milliseconds{ms};
  } else if (name == "mode") {
    if (value != "listener") return std::unexpected("SRT sources only listen: leave 'mode' out or say mode=listener");
  } else {
    return std::unexpected("'" + std::string{name} + "' is no option of an SRT source: there are streamid, latency and passphrase");
  }
  return {};
}

}  // namespace

std::expected<RtmpUrl, std::string> parse_rtmp_url(std::string_view url) {
  const auto parts = split_url(url, "rtmp://");
  if (!parts) return std::unexpected("an RTMP source looks like rtmp://ADDR:PORT/APP/KEY");
  auto listen = parse_authority(parts->authority, kRtmpDefaultPort);
  if (!listen) return std::unexpected(std::move(listen).error());
  // A query belongs to the key: that is where OBS and FFmpeg send it.
  std::string_view path = url.substr(static_cast<std::size_t>(parts->authority.data() + parts->authority.size() - url.data()));
  if (!path.empty()) path.remove_prefix(1);
  const std::size_t slash = path.substr(0, parts->path.size()).rfind('/');
  if (slash == std::string_view::npos || slash == 0 || slash + 1 == path.size()) {
    return std::unexpected(
        "an RTMP source needs an application and a stream key, as in rtmp://0.0.0.0:1935/live/KEY: without a key "
        "anybody could publish");
  }
  return RtmpUrl{*listen, std::string{path.substr(0, slash)}, std::string{path.substr(slash + 1)}};
}

std::expected<SrtUrl, std::string> parse_srt_url(std::string_view url) {
  const auto parts = split_url(url, "srt://");
  if (!parts) return std::unexpected("an SRT source looks like srt://ADDR:PORT?streamid=KEY");
  auto listen = parse_authority(parts->authority, std::nullopt);
  if (!listen) return std::unexpected(std::move(listen).error());
  SrtUrl result{.listen = *listen, .key = {}, .passphrase = {}};
  std::string_view query = parts->query;
  while (!query.empty()) {
    const std::string_view item = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(query.size(), item.size() + 1));
    if (item.empty()) continue;
    const std::size_t equals = item.find('=');
    const std::string_view value = equals == std::string_view::npos ? std::string_view{} : item.substr(equals + 1);
    if (auto applied = apply_srt_option(result, item.substr(0, equals), percent_decoded(value)); !applied) {
      return std::unexpected(std::move(applied).error());
    }
  }
  if (result.key.empty() && result.passphrase.empty()) {
    return std::unexpected(
        "an SRT source needs a stream id or a passphrase, as in srt://0.0.0.0:9000?streamid=KEY: without one anybody "
        "could publish");
  }
  return result;
}

bool equal_in_constant_time(std::string_view given, std::string_view secret) {
  // The time depends on the length of what was given alone, which the sender knows.
  volatile unsigned difference = given.size() == secret.size() ? 0U : 1U;
  for (std::size_t i = 0; i < given.size(); ++i) {
    const auto theirs = static_cast<unsigned char>(given[i]);
    const auto ours = secret.empty() ? static_cast<unsigned char>(0) : static_cast<unsigned char>(secret[i % secret.size()]);
    difference = difference | static_cast<unsigned>(theirs ^ ours);
  }
  return difference == 0 && !secret.empty();
}

}  // namespace runnel::media_helper
