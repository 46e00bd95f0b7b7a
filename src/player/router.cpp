#include "player/router.hpp"

#include <charconv>

#include "player/assets.hpp"
#include "player/qr_svg.hpp"
#include "player/status_text.hpp"

namespace runnel::player {
namespace {

constexpr std::string_view kStreamsPrefix = "/streams/";

Response json_response(std::string text) {
  Response response;
  response.content_type = "application/json";
  response.body = std::move(text) + '\n';
  return response;
}

Response metrics_response(std::string text) {
  Response response;
  response.content_type = "text/plain; version=0.0.4; charset=utf-8";
  response.body = std::move(text);
  return response;
}

}  // namespace

std::optional<std::uint64_t> numbered(std::string_view name, std::string_view prefix, std::string_view suffix) {
  if (name.size() <= prefix.size() + suffix.size() || !name.starts_with(prefix) || !name.ends_with(suffix)) return std::nullopt;
  const std::string_view digits = name.substr(prefix.size(), name.size() - prefix.size() - suffix.size());
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (error != std::errc{} || end != digits.data() + digits.size()) return std::nullopt;
  return value;
}

Response playlist_response(std::string text) {
  Response response;
  response.content_type = "application/vnd.apple.mpegurl";
  response.body = std::move(text);
  return response;
}

Response try_again(std::string text) {
  Response response = text_response(503, std::move(text));
  response.headers.emplace_back("Retry-After", "2");
  return response;
}

Router::Router(boost::asio::io_context& io, const HttpServer::Config& config, Streams& streams)
    : io_(io), config_(config), streams_(streams), demand_(io, config) {}

void Router::set_urls(std::string base_url, std::string lan_url) {
  base_url_ = std::move(base_url);
  lan_url_ = std::move(lan_url);
}

Work Router::handle(const Request& request, Respond respond) {
  const std::string_view path = request.path;
  const auto answer = [&](Response response) -> Work {
    respond(std::move(response));
    return nullptr;
  };
  if (path == "/api/status") return answer(json_response(status_json(streams_, base_url_, lan_url_, request.from_here)));
  if (path == "/streams" || path == kStreamsPrefix) return answer(json_response(streams_json(streams_, request.from_here)));
  if (path == "/metrics") return answer(metrics_response(metrics_text(streams_)));
  if (path == "/healthz") return answer(text_response(200, "ok"));
  if (!path.starts_with(kStreamsPrefix)) return answer(page(request));
  const std::string_view below = path.substr(kStreamsPrefix.size());
  const std::size_t slash = below.find('/');
  Stream* stream = streams_.find(below.substr(0, slash));
  if (stream == nullptr) return answer(not_found("this node has no such stream; /streams lists those it has"));
  if (slash == std::string_view::npos) return answer(not_found("nothing here; see /streams for the addresses of this stream"));
  return handle_stream(request, *stream, below.substr(slash + 1), std::move(respond));
}

Work Router::handle_stream(const Request& request, Stream& stream, std::string_view rest, Respond respond) {
  if (rest == "link.svg") {
    respond(qr_code(request, stream));
    return nullptr;
  }
  if (!stream.is_live()) return handle_demand(request, stream, rest, std::move(respond));
  if (media::LiveTimeline* timeline = stream.timeline()) return handle_live(request, *timeline, stream, rest, std::move(respond));
  respond(try_again("the live stream has not begun here yet"));
  return nullptr;
}

Response Router::page(const Request& request) const {
  const Asset* asset = find_asset(request.path);
  if (asset == nullptr) return not_found("nothing here; the page is at /, the streams at /streams");
  Response response;
  response.content_type = asset->content_type;
  response.etag = asset->etag;
  response.cache_control = "no-cache";   // asked for again each time, answered with 304
  if (request.if_none_match == asset->etag) {
    response.status = 304;
    return response;
  }
  // blob: is what Media Source Extensions and the worker of hls.js need; nothing comes from elsewhere.
  response.headers.emplace_back("Content-Security-Policy",
                                "default-src 'self'; img-src 'self' data:; media-src 'self' blob:; worker-src 'self' blob:; "
                                "object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'");
  response.headers.emplace_back("Referrer-Policy", "no-referrer");
  response.body = asset->bytes;
  return response;
}

// With --lan the code is the page's address, which any phone opens; ?of=link asks for the link all the same.
Response Router::qr_code(const Request& request, Stream& stream) const {
  const bool of_link = lan_url_.empty() || query_value(request.query, "of") == "link";
  const std::string& link = request.from_here ? stream.link() : stream.open_link();
  auto svg = qr_svg(of_link ? link : lan_url_ + "/#" + stream.id());
  if (!svg) return not_found("the link is too long for a QR code; copy it instead");
  Response response;
  response.content_type = "image/svg+xml";
  response.body = std::move(*svg);
  return response;
}

void Router::forget(std::string_view stream_id) {
  demand_.forget(stream_id);
  if (const auto hub = ts_hubs_.find(stream_id); hub != ts_hubs_.end()) ts_hubs_.erase(hub);
}

}  // namespace runnel::player
