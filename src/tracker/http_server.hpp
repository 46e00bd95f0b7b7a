// The tracker's HTTP socket: accepts, reads bounded requests in bounded time, answers.
#pragma once
#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <string>

#include "base/endpoint.hpp"
#include "tracker/http_handler.hpp"

namespace boost::asio {
class io_context;
}

namespace runnel::tracker {

// Whoever comes beyond these is disconnected; within kRequestTimeout there is room again.
struct HttpLimits {
  std::size_t connections = 512;  // half of the file descriptors that a process usually has
  std::size_t connections_per_address = 128;
};
constexpr std::size_t kMaxRequestBytes = 8 * 1024;          // a scrape of 64 swarms has 5 KB
constexpr base::Duration kRequestTimeout = std::chrono::seconds{10};  // for a request to come, and for its answer to go

// Owned and used by the thread that runs the io_context; destroyed before it. Connections end with it.
class HttpServer {
 public:
  using Handle = std::function<HttpReply(std::string_view target, const base::IpAddress& source)>;
  // The error is a text for the user.
  static std::expected<std::unique_ptr<HttpServer>, std::string> listen(boost::asio::io_context& io, const base::Endpoint& at,
                                                                        HttpLimits limits, Handle handle);
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  [[nodiscard]] base::Endpoint endpoint() const;
  [[nodiscard]] std::size_t connections() const;

 private:
  class Connection;
  struct Impl;
  explicit HttpServer(std::shared_ptr<Impl> impl);
  std::shared_ptr<Impl> impl_;  // with the handlers under way
};

}  // namespace runnel::tracker
