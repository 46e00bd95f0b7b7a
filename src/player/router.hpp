// Which path is answered by what.
#pragma once
#include <boost/asio/io_context.hpp>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "player/demand_pool.hpp"
#include "player/http_server.hpp"
#include "player/http_types.hpp"
#include "player/ts_hub.hpp"

namespace runnel::player {

class Router {
 public:
  // The references outlive the router.
  Router(boost::asio::io_context& io, const HttpServer::Config& config, Streams& streams);
  void set_urls(std::string base_url, std::string lan_url);

  // `respond` may be called from inside.
  [[nodiscard]] Work handle(const Request& request, Respond respond);
  void forget(std::string_view stream_id);

 private:
  [[nodiscard]] Work handle_stream(const Request& request, Stream& stream, std::string_view rest, Respond respond);
  [[nodiscard]] Response page(const Request& request) const;
  [[nodiscard]] Response qr_code(const Request& request, Stream& stream) const;

  // live_routes.cpp
  [[nodiscard]] Work handle_live(const Request& request, media::LiveTimeline& timeline, Stream& stream, std::string_view rest,
                                 Respond respond);
  [[nodiscard]] Work live_master(media::LiveTimeline& timeline, Respond respond);
  [[nodiscard]] Work live_playlist(const Request& request, media::LiveTimeline& timeline, Respond respond);
  [[nodiscard]] Work live_part(std::string_view number, media::LiveTimeline& timeline, Respond respond);
  [[nodiscard]] Work live_ts(const Request& request, media::LiveTimeline& timeline, Stream& stream, Respond respond);

  // demand_routes.cpp
  [[nodiscard]] Work handle_demand(const Request& request, Stream& stream, std::string_view rest, Respond respond);
  [[nodiscard]] Work with_index(Stream& stream, Respond respond, std::function<Response(const media::DemandIndex&)> make);
  [[nodiscard]] Work when_sized(Stream& stream, Respond respond, std::function<Work(Respond)> then);
  [[nodiscard]] Response media_bytes(const Request& request, Stream& stream) const;

  boost::asio::io_context& io_;
  const HttpServer::Config& config_;
  Streams& streams_;
  std::string base_url_;
  std::string lan_url_;
  DemandPool demand_;
  std::map<std::string, std::weak_ptr<TsHub>, std::less<>> ts_hubs_;
};

// "seg-12.m4s" with prefix "seg-" and suffix ".m4s" is 12.
std::optional<std::uint64_t> numbered(std::string_view name, std::string_view prefix, std::string_view suffix);
Response playlist_response(std::string text);
// 503 with Retry-After: later it may work.
Response try_again(std::string text);

}  // namespace runnel::player
