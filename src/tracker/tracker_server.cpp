#include "tracker/tracker_server.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include "base/log.hpp"
#include "net/clock.hpp"
#include "tracker/http_handler.hpp"
#include "tracker/udp_handler.hpp"
#include "tracker/udp_server.hpp"

namespace runnel::tracker {
namespace {

namespace asio = boost::asio;
constexpr std::chrono::seconds kTick{1};

base::Endpoint reachable_here(base::Endpoint endpoint) {
  if (endpoint.address.is_unspecified()) endpoint.address = base::IpAddress::v4({127, 0, 0, 1});
  return endpoint;
}

}  // namespace

struct TrackerServer::Impl : std::enable_shared_from_this<Impl> {
  Impl(asio::io_context& io, Config& config, std::unique_ptr<TrackerStore> store)
      : service(std::move(store), config.policy, config.rate, config.rng_seed),
        udp_handler(service, config.secret),
        http_handler(service, net::steady_now()),
        timer(io) {}

  void tick() {
    timer.expires_after(kTick);
    timer.async_wait([self = shared_from_this()](boost::system::error_code error) {
      if (error || self->stopped) return;
      self->flush();
      self->tick();
    });
  }

  // A disk that refuses is said once, and once more when it is well again.
  void flush() {
    const auto flushed = service.tick(net::steady_now(), net::wall_now());
    if (!flushed && !failing) base::log_warn("tracker", "the store cannot be written, going on in memory: " + flushed.error());
    if (flushed && failing) base::log_info("tracker", "the store can be written again");
    failing = !flushed.has_value();
  }

  TrackerService service;
  UdpHandler udp_handler;
  HttpHandler http_handler;
  asio::steady_timer timer;
  std::unique_ptr<HttpServer> http;
  std::unique_ptr<UdpServer> udp;
  bool failing = false;
  bool stopped = false;
};

TrackerServer::TrackerServer(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}

TrackerServer::~TrackerServer() {
  impl_->stopped = true;
  impl_->timer.cancel();
  impl_->http.reset();
  impl_->udp.reset();
  impl_->flush();
}

std::expected<std::unique_ptr<TrackerServer>, std::string> TrackerServer::start(asio::io_context& io, Config config) {
  auto store = open_store(
      {.spec = config.store, .limits = config.limits, .expiry = config.policy.expiry, .now = net::steady_now(), .wall = net::wall_now()});
  if (!store) return std::unexpected(store.error());
  auto impl = std::make_shared<Impl>(io, config, std::move(*store));
  if (config.http) {
    auto http = HttpServer::listen(io, *config.http, config.http_limits,
                                   [raw = impl.get()](std::string_view target, const base::IpAddress& source) {
                                     return raw->http_handler.handle(target, source, net::steady_now());
                                   });
    if (!http) return std::unexpected(http.error());
    impl->http = std::move(*http);
  }
  if (config.udp) {
    auto udp = UdpServer::listen(io, *config.udp, [raw = impl.get()](base::ByteView datagram, const base::Endpoint& from) {
      return raw->udp_handler.handle(datagram, from, net::steady_now());
    });
    if (!udp) return std::unexpected(udp.error());
    impl->udp = std::move(*udp);
  }
  impl->tick();
  return std::unique_ptr<TrackerServer>(new TrackerServer(std::move(impl)));
}

std::optional<base::Endpoint> TrackerServer::http_endpoint() const {
  return impl_->http ? std::optional{impl_->http->endpoint()} : std::nullopt;
}
std::optional<base::Endpoint> TrackerServer::udp_endpoint() const {
  return impl_->udp ? std::optional{impl_->udp->endpoint()} : std::nullopt;
}
std::string TrackerServer::http_url() const {
  return impl_->http ? announce_url(TrackerProtocol::http, reachable_here(impl_->http->endpoint())) : std::string{};
}
std::string TrackerServer::udp_url() const {
  return impl_->udp ? announce_url(TrackerProtocol::udp, reachable_here(impl_->udp->endpoint())) : std::string{};
}
void TrackerServer::set_local_peers(const discovery::InfoHash& swarm, std::vector<base::Endpoint> endpoints) {
  impl_->service.set_local_peers(swarm, std::move(endpoints));
}
ServiceStats TrackerServer::stats() const { return impl_->service.stats(); }

std::string announce_url(TrackerProtocol protocol, const base::Endpoint& endpoint) {
  switch (protocol) {
    case TrackerProtocol::http: return "http://" + endpoint.to_string() + "/announce";
    case TrackerProtocol::udp: return "udp://" + endpoint.to_string();
  }
  return {};
}

}  // namespace runnel::tracker
