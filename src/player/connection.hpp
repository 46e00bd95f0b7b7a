// One client's TCP connection: requests in, replies out, one after the other (HTTP/1.1 keep-alive). Beast stands in the .cpp.
#pragma once
#include <boost/asio/ip/tcp.hpp>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/endpoint.hpp"
#include "player/http_server.hpp"
#include "player/http_types.hpp"

namespace runnel::player {

class Connection;

// The server as a connection sees it.
class ConnectionHost {
 public:
  virtual ~ConnectionHost() = default;
  [[nodiscard]] virtual const HttpLimits& limits() const = 0;
  [[nodiscard]] virtual bool host_allowed(std::string_view host, const base::IpAddress& local) const = 0;
  // `respond` is called at most once, possibly from inside, and is the last thing that the work does.
  virtual Work handle(const Request& request, Respond respond) = 0;
  virtual void closed(Connection& connection) = 0;
};

// Kept alive by the host until closed() and by its own pending operations.
class Connection {
 public:
  virtual ~Connection() = default;
  // At once, cancelling what it waits for. The host hears nothing from it afterwards.
  virtual void close() = 0;
  // Between requests; `idle_order` grows with each time a connection of this host falls idle.
  [[nodiscard]] virtual bool idle() const = 0;
  [[nodiscard]] virtual std::uint64_t idle_order() const = 0;
  // Path of the request being answered; empty between requests.
  [[nodiscard]] virtual std::string_view path() const = 0;
};

// `idle_counter` is shared by the host's connections and lives as long as the host does not close them.
std::shared_ptr<Connection> start_connection(boost::asio::ip::tcp::socket socket, ConnectionHost& host, std::uint64_t& idle_counter);

base::Endpoint to_endpoint(const boost::asio::ip::tcp::endpoint& endpoint);
boost::asio::ip::tcp::endpoint to_tcp(const base::Endpoint& endpoint);

}  // namespace runnel::player
