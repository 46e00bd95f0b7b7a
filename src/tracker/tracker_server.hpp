// The tracker as `runnel tracker` runs it and as `cast` embeds it: HTTP and UDP on one service and one store.
#pragma once
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/endpoint.hpp"
#include "crypto/secret_rng.hpp"
#include "tracker/http_server.hpp"
#include "tracker/service.hpp"

namespace boost::asio {
class io_context;
}

namespace runnel::tracker {

// Owned and used by the thread that runs the io_context; destroyed before it. Everything runs on that thread.
class TrackerServer {
 public:
  struct Config {
    std::optional<base::Endpoint> http;  // port 0: any; the address [::] serves IPv4 too
    std::optional<base::Endpoint> udp;
    std::string store = "memory";        // or "sqlite:FILE"
    StoreLimits limits;
    Policy policy;
    RateLimit rate;
    HttpLimits http_limits;
    std::uint64_t rng_seed = 0;          // which peers are told
    crypto::SecretRng::Seed secret{};    // for connection ids: from the operating system
  };

  // The error is a text for the user: port taken, file unusable.
  static std::expected<std::unique_ptr<TrackerServer>, std::string> start(boost::asio::io_context& io, Config config);
  // Writes what is not yet in the store's file.
  ~TrackerServer();
  TrackerServer(const TrackerServer&) = delete;
  TrackerServer& operator=(const TrackerServer&) = delete;

  // Where it really listens.
  [[nodiscard]] std::optional<base::Endpoint> http_endpoint() const;
  [[nodiscard]] std::optional<base::Endpoint> udp_endpoint() const;
  // "http://HOST:PORT/announce", "udp://HOST:PORT"; HOST is 127.0.0.1 when it listens on all addresses: for others, make one
  // of each address of this machine with announce_url(). Empty when that protocol is off.
  [[nodiscard]] std::string http_url() const;
  [[nodiscard]] std::string udp_url() const;

  // See TrackerService::set_local_peers.
  void set_local_peers(const discovery::InfoHash& swarm, std::vector<base::Endpoint> endpoints);
  [[nodiscard]] ServiceStats stats() const;

 private:
  struct Impl;
  explicit TrackerServer(std::shared_ptr<Impl> impl);
  std::shared_ptr<Impl> impl_;  // with its timer's handler
};

enum class TrackerProtocol : std::uint8_t { http, udp };
std::string announce_url(TrackerProtocol protocol, const base::Endpoint& endpoint);

}  // namespace runnel::tracker
