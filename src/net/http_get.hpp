// A small asynchronous HTTP client: GET over http and https, bounded in bytes, time and redirects. For trackers and origins.
#pragma once
#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/endpoint.hpp"
#include "base/time.hpp"
#include "net/resolver.hpp"

namespace runnel::net {

constexpr std::size_t kMaxHttpHeaderBytes = 16 * 1024;
constexpr std::size_t kDefaultMaxHttpBody = 1 << 20;
constexpr unsigned kMaxHttpRedirects = 3;
constexpr base::Duration kHttpConnectTimeout = std::chrono::seconds{5};  // of one address; then the next is tried

struct HttpRequest {
  std::string url;                                              // http:// or https://
  std::size_t max_body_bytes = kDefaultMaxHttpBody;
  base::Duration timeout = std::chrono::seconds{20};            // of the whole, redirects included
  std::optional<std::pair<std::uint64_t, std::uint64_t>> range; // first and last byte, both included (RFC 9110 14.1.2)
  // Where the URL's host is, if already known; else it is looked up.
  std::vector<base::Endpoint> addresses;
  // When not empty: on loopback and private addresses the path must begin so. URLs come from links, and a link must not make
  // a viewer's machine fetch whatever its sender likes from the machines beside it.
  std::string private_path_prefix;
};

struct HttpResponse {
  unsigned status = 0;
  std::string body;
  std::string content_type;
  std::optional<std::uint64_t> total_size;  // from Content-Range: bytes in the whole resource
  base::IpAddress local;                    // the address of ours that the connection was made from
  base::IpAddress remote;
};

enum class HttpErrorKind : std::uint8_t {
  bad_url,
  unresolved,
  unreachable,
  timeout,
  tls,
  too_large,
  too_many_redirects,
  forbidden,
  broken
};
struct HttpError {
  HttpErrorKind kind = HttpErrorKind::broken;
  std::string detail;
};
std::string message(const HttpError& error);

// A request under way; dropping it cancels it, and no callback follows.
class HttpTransfer {
 public:
  virtual ~HttpTransfer() = default;
};

// Used on the thread that runs the io_context, destroyed before it. Transfers may outlive the client.
class HttpClient {
 public:
  struct Config {
    std::string user_agent = "runnel/0.1";
    std::string ca_file;  // PEM, instead of the system's authorities
  };
  using Callback = std::function<void(std::expected<HttpResponse, HttpError>)>;

  HttpClient(boost::asio::io_context& io, Config config);
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  // Any status is a response. A redirect is followed, but never from a global address to a private or loopback one, and
  // never from https to http. The callback runs once, on the io_context, never inside this call.
  [[nodiscard]] std::unique_ptr<HttpTransfer> get(HttpRequest request, Callback callback);

 private:
  struct Shared;
  std::shared_ptr<Shared> shared_;  // with the transfers under way
};

}  // namespace runnel::net
