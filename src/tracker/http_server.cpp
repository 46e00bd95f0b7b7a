#include "tracker/http_server.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/v6_only.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <map>
#include <optional>
#include <set>

#include "net/asio_endpoint.hpp"

namespace runnel::tracker {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using asio::ip::tcp;
using boost::system::error_code;

constexpr std::chrono::milliseconds kAcceptPause{100};  // after an error such as too many open files

}  // namespace

struct HttpServer::Impl : std::enable_shared_from_this<Impl> {
  Impl(asio::io_context& context, HttpLimits most, Handle on_request)
      : io(context), limits(most), handle(std::move(on_request)), acceptor(context), pause(context) {}

  std::expected<void, std::string> open(const base::Endpoint& at);
  void accept();
  void close();
  bool admit(const base::IpAddress& source);
  void leave(Connection* connection, const base::IpAddress& source);

  asio::io_context& io;
  HttpLimits limits;
  Handle handle;
  tcp::acceptor acceptor;
  asio::steady_timer pause;
  std::set<Connection*> connections;
  std::map<base::IpAddress, std::size_t> by_address;
  bool closed = false;
};

// One client; lives as long as it has an operation under way.
class HttpServer::Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(std::shared_ptr<Impl> server, tcp::socket socket, const base::IpAddress& source)
      : server_(std::move(server)), stream_(std::move(socket)), source_(source) {
    server_->connections.insert(this);
  }
  ~Connection() { server_->leave(this, source_); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  void read() {
    parser_.emplace();
    parser_->header_limit(kMaxRequestBytes);
    parser_->body_limit(0);
    stream_.expires_after(kRequestTimeout);
    http::async_read(stream_, buffer_, *parser_, [self = shared_from_this()](error_code error, std::size_t) {
      if (self->server_->closed) return;
      if (error == http::error::header_limit || error == http::error::buffer_overflow) return self->refuse(http::status::uri_too_long);
      if (error == http::error::body_limit) return self->refuse(http::status::payload_too_large);
      if (!error) self->answer(self->parser_->release());
    });
  }
  void close() { stream_.close(); }

 private:
  void answer(const http::request<http::empty_body>& request) {
    const bool known = request.method() == http::verb::get || request.method() == http::verb::head;
    if (!known) return refuse(http::status::method_not_allowed);
    const auto target = request.target();
    HttpReply reply = server_->handle({target.data(), target.size()}, source_);
    response_ = {static_cast<http::status>(reply.status), request.version()};
    response_.set(http::field::content_type, reply.content_type);
    response_.set("X-Content-Type-Options", "nosniff");
    response_.set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'");
    response_.set(http::field::cache_control, "no-store");
    response_.keep_alive(request.keep_alive());
    const std::size_t size = reply.body.size();
    if (request.method() == http::verb::get) response_.body() = std::move(reply.body);
    response_.content_length(size);
    write();
  }

  void refuse(http::status status) {
    response_ = {status, 11};
    response_.keep_alive(false);
    response_.content_length(0);
    write();
  }

  void write() {
    stream_.expires_after(kRequestTimeout);
    http::async_write(stream_, response_, [self = shared_from_this()](error_code error, std::size_t) {
      if (error || self->server_->closed) return;
      if (self->response_.keep_alive()) return self->read();
      error_code ignored;
      self->stream_.socket().shutdown(tcp::socket::shutdown_send, ignored);
    });
  }

  std::shared_ptr<Impl> server_;
  beast::tcp_stream stream_;
  base::IpAddress source_;
  beast::flat_buffer buffer_{2 * kMaxRequestBytes};
  std::optional<http::request_parser<http::empty_body>> parser_;
  http::response<http::string_body> response_;
};

std::expected<void, std::string> HttpServer::Impl::open(const base::Endpoint& at) {
  const auto to = net::to_asio<tcp::endpoint>(at);
  error_code error;
  acceptor.open(to.protocol(), error);
  if (!error) acceptor.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error && to.protocol() == tcp::v6()) acceptor.set_option(asio::ip::v6_only(!at.address.is_unspecified()), error);
  if (!error) acceptor.bind(to, error);
  if (!error) acceptor.listen(asio::socket_base::max_listen_connections, error);
  if (error) return std::unexpected("cannot listen on " + at.to_string() + " (TCP): " + error.message());
  accept();
  return {};
}

void HttpServer::Impl::accept() {
  acceptor.async_accept([self = shared_from_this()](error_code error, tcp::socket socket) {
    if (self->closed) return;
    if (error) {
      self->pause.expires_after(kAcceptPause);
      return self->pause.async_wait([self](error_code stopped) {
        if (!stopped && !self->closed) self->accept();
      });
    }
    const auto remote = socket.remote_endpoint(error);
    const base::IpAddress source = error ? base::IpAddress{} : net::from_asio(remote.address());
    if (!error && self->admit(source)) std::make_shared<Connection>(self, std::move(socket), source)->read();
    self->accept();
  });
}

bool HttpServer::Impl::admit(const base::IpAddress& source) {
  if (connections.size() >= limits.connections) return false;
  const auto known = by_address.find(source);
  if (known != by_address.end() && known->second >= limits.connections_per_address) return false;
  ++by_address[source];
  return true;
}

void HttpServer::Impl::leave(Connection* connection, const base::IpAddress& source) {
  connections.erase(connection);
  if (const auto found = by_address.find(source); found != by_address.end() && --found->second == 0) by_address.erase(found);
}

void HttpServer::Impl::close() {
  closed = true;
  error_code ignored;
  acceptor.close(ignored);
  pause.cancel();
  for (Connection* connection : connections) connection->close();
}

HttpServer::HttpServer(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
HttpServer::~HttpServer() { impl_->close(); }

std::expected<std::unique_ptr<HttpServer>, std::string> HttpServer::listen(asio::io_context& io, const base::Endpoint& at,
                                                                           HttpLimits limits, Handle handle) {
  auto impl = std::make_shared<Impl>(io, limits, std::move(handle));
  if (const auto opened = impl->open(at); !opened) return std::unexpected(opened.error());
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(impl)));
}

base::Endpoint HttpServer::endpoint() const {
  error_code ignored;
  return net::from_asio_endpoint(impl_->acceptor.local_endpoint(ignored));
}

std::size_t HttpServer::connections() const { return impl_->connections.size(); }

}  // namespace runnel::tracker
