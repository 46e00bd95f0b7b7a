// The node's local HTTP server: the page, HLS, bytes with ranges, live.ts, status and metrics (docs/API.md).
// Everything on one thread: the io_context's. No thread per client.
#pragma once
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <cstddef>
#include <expected>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/endpoint.hpp"
#include "media/sessions.hpp"
#include "player/stream.hpp"

namespace runnel::player {

// What an outsider can make the server hold or wait for. Tests reach each of them with smaller numbers.
struct HttpLimits {
  std::size_t connections = 256;              // past it an idle one is closed for the newcomer, else it gets 503
  std::size_t header_bytes = 16U << 10;       // 431 past it
  std::size_t body_bytes = 16U << 10;         // 413 past it; no route reads a body
  std::chrono::milliseconds request{10'000};  // from a request's first byte to its last
  std::chrono::milliseconds idle{65'000};     // between requests
  // A reply of fixed size, or one piece of a longer one, must leave within this. A paused player stops reading for minutes.
  std::chrono::milliseconds write{600'000};
  std::chrono::milliseconds first_media{10'000};        // how long a playlist waits for a stream that just starts
  std::chrono::milliseconds demand_idle{60'000};        // an on-demand session unused for this long is ended
  std::size_t piece_bytes = 256U << 10;                 // of content read at once
  std::size_t read_ahead_pieces = 4;                    // per client of /media
  std::size_t ts_queue_bytes = 16U << 20;               // per client of live.ts; a slower one is dropped
  std::size_t ts_recent_bytes = 16U << 20;              // kept so that a new client can begin with a whole picture
};

using TsFactory = std::function<std::unique_ptr<media::TsSession>(boost::asio::io_context&, media::HelperConfig, media::TsEvents)>;
using DemandFactory =
    std::function<std::unique_ptr<media::DemandSession>(boost::asio::io_context&, media::DemandConfig, media::ContentReader&)>;

class HttpServer {
 public:
  struct Config {
    base::Endpoint listen;                         // port 0: any free one
    bool lan = false;                              // a loopback `listen` becomes "all addresses", and the QR code is our http address
    std::vector<base::IpAddress> lan_addresses;    // this machine's own, the best first: which one the QR code shows
    std::vector<std::string> extra_hosts;          // names accepted in Host besides loopback and the address connected to
    media::HelperConfig helper;
    TsFactory start_ts;                            // media::start_ts; empty: no live.ts
    DemandFactory start_demand;                    // media::start_demand; empty: no HLS on demand
    HttpLimits limits;
  };

  // `streams` and what it lists outlive the server, except a stream passed to forget(). Start and destroy it on the service
  // thread, or while nobody runs `io`. The error says what a user can do (port taken, address not of this machine, no permission).
  static std::expected<std::unique_ptr<HttpServer>, std::string> start(boost::asio::io_context& io, Config config, Streams& streams);

  virtual ~HttpServer() = default;   // closes every connection and ends every media session
  [[nodiscard]] virtual base::Endpoint local() const = 0;
  // For this machine: "http://127.0.0.1:PORT", no slash at the end.
  [[nodiscard]] virtual std::string base_url() const = 0;
  // For others in the local network; empty where only this machine can reach the server.
  [[nodiscard]] virtual std::string lan_url() const = 0;
  // Before a stream goes while the server stays: drops its sessions and the connections that read it.
  virtual void forget(std::string_view stream_id) = 0;
};

}  // namespace runnel::player
