#include "player/http_server.hpp"

#include <algorithm>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/v6_only.hpp>
#include <boost/asio/steady_timer.hpp>
#include <map>

#include "base/log.hpp"
#include "player/connection.hpp"
#include "player/host_check.hpp"
#include "player/router.hpp"

namespace runnel::player {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using Error = boost::system::error_code;

// When the system has no file descriptor left for another client, accepting is tried again after this.
constexpr std::chrono::milliseconds kAcceptRetry{200};
constexpr std::string_view kFull =
    "HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 48\r\nRetry-After: 2\r\n"
    "Connection: close\r\n\r\nall connections of this server are in use; later\n";

std::string listen_error(const base::Endpoint& at, const Error& error) {
  const std::string where = at.to_string();
  if (error == asio::error::address_in_use)
    return "http: " + where + " is taken by another program; choose another port with --http ADDR:PORT (port 0: any free one)";
  if (error == asio::error::access_denied)
    return "http: not allowed to listen on " + where + "; choose a port of 1024 or more with --http ADDR:PORT";
  if (error == boost::system::errc::address_not_available)
    return "http: " + at.address.to_string() + " is not an address of this machine; choose one that is with --http ADDR:PORT";
  return "http: cannot listen on " + where + ": " + error.message();
}

base::IpAddress any_v6() { return base::IpAddress::v6({}); }
base::IpAddress any_v4() { return base::IpAddress::v4({}); }

std::string url(const base::IpAddress& address, std::uint16_t port) { return "http://" + base::Endpoint{address, port}.to_string(); }

Error open_acceptor(tcp::acceptor& acceptor, const base::Endpoint& at) {
  Error error;
  const tcp::endpoint endpoint = to_tcp(at);
  if (acceptor.is_open()) acceptor.close(error);
  if (acceptor.open(endpoint.protocol(), error)) return error;
  if (acceptor.set_option(tcp::acceptor::reuse_address(true), error)) return error;
  // One socket for both families where all addresses are meant.
  if (!at.address.is_v4() && acceptor.set_option(asio::ip::v6_only(!at.address.is_unspecified()), error)) return error;
  if (acceptor.bind(endpoint, error)) return error;
  acceptor.listen(asio::socket_base::max_listen_connections, error);
  return error;
}

class Server final : public HttpServer, private ConnectionHost {
 public:
  Server(asio::io_context& io, Config config, Streams& streams)
      : config_(std::move(config)), acceptor_(io), retry_(io), router_(io, config_, streams) {}
  ~Server() override {
    Error error;
    acceptor_.close(error);
    alive_.reset();
    for (const auto& [key, connection] : connections_) connection->close();
  }
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  std::expected<void, std::string> open() {
    base::Endpoint at = config_.listen;
    const bool widen = config_.lan && at.address.is_loopback();
    if (widen) at.address = any_v6();
    Error error = open_acceptor(acceptor_, at);
    // A machine without IPv6.
    if (error && error != asio::error::address_in_use && widen) error = open_acceptor(acceptor_, at = {any_v4(), at.port});
    if (error) return std::unexpected(listen_error(at, error));
    local_ = to_endpoint(acceptor_.local_endpoint());
    router_.set_urls(base_url(), lan_url());
    accept();
    return {};
  }

  [[nodiscard]] base::Endpoint local() const override { return local_; }
  [[nodiscard]] std::string base_url() const override {
    const bool all = local_.address.is_unspecified();
    return url(all ? base::IpAddress::v4({127, 0, 0, 1}) : local_.address, local_.port);
  }
  [[nodiscard]] std::string lan_url() const override {
    if (local_.address.is_loopback()) return {};
    if (!local_.address.is_unspecified()) return url(local_.address, local_.port);
    if (!config_.lan || config_.lan_addresses.empty()) return {};
    return url(config_.lan_addresses.front(), local_.port);
  }
  void forget(std::string_view stream_id) override {
    const std::string prefix = "/streams/" + std::string{stream_id} + '/';
    std::erase_if(connections_, [&](const auto& entry) {
      if (!entry.second->path().starts_with(prefix)) return false;
      entry.second->close();
      return true;
    });
    router_.forget(stream_id);
  }

 private:
  [[nodiscard]] const HttpLimits& limits() const override { return config_.limits; }
  [[nodiscard]] bool host_allowed(std::string_view host, const base::IpAddress& local) const override {
    return player::host_allowed(host, local, config_.extra_hosts);
  }
  Work handle(const Request& request, Respond respond) override { return router_.handle(request, std::move(respond)); }
  void closed(Connection& connection) override { connections_.erase(&connection); }

  void accept() {
    acceptor_.async_accept([this, alive = std::weak_ptr{alive_}](const Error& error, tcp::socket socket) {
      if (alive.expired()) return;
      if (error) return accept_later(error);
      admit(std::move(socket));
      accept();
    });
  }
  void accept_later(const Error& error) {
    base::log_warn("http", "cannot accept a client: " + error.message());
    retry_.expires_after(kAcceptRetry);
    retry_.async_wait([this, alive = std::weak_ptr{alive_}](const Error& failed) {
      if (!alive.expired() && !failed) accept();
    });
  }
  void admit(tcp::socket socket) {
    Error error;
    socket.non_blocking(true, error);
    if (connections_.size() >= config_.limits.connections && !evict_idle()) return turn_away(socket);
    socket.set_option(tcp::no_delay(true), error);
    const auto connection = start_connection(std::move(socket), *this, idle_counter_);
    connections_.emplace(connection.get(), connection);
  }
  // Closes the connection that is idle for longest; false if none is.
  bool evict_idle() {
    auto oldest = connections_.end();
    for (auto it = connections_.begin(); it != connections_.end(); ++it) {
      if (!it->second->idle()) continue;
      if (oldest == connections_.end() || it->second->idle_order() < oldest->second->idle_order()) oldest = it;
    }
    if (oldest == connections_.end()) return false;
    oldest->second->close();
    connections_.erase(oldest);
    return true;
  }
  // The answer fits the empty send buffer of a new socket, so nothing waits.
  static void turn_away(tcp::socket& socket) {
    Error error;
    socket.write_some(asio::buffer(kFull), error);
    socket.shutdown(tcp::socket::shutdown_send, error);
  }

  Config config_;
  tcp::acceptor acceptor_;
  asio::steady_timer retry_;
  base::Endpoint local_;
  Router router_;
  std::uint64_t idle_counter_ = 0;
  std::map<Connection*, std::shared_ptr<Connection>> connections_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace

std::expected<std::unique_ptr<HttpServer>, std::string> HttpServer::start(asio::io_context& io, Config config, Streams& streams) {
  auto server = std::make_unique<Server>(io, std::move(config), streams);
  if (const auto opened = server->open(); !opened) return std::unexpected(opened.error());
  return server;
}

}  // namespace runnel::player
