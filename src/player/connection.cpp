#include "player/connection.hpp"

#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <charconv>

#include "base/check.hpp"

namespace runnel::player {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using asio::ip::tcp;
using Error = boost::system::error_code;

// After a reply that closes, what the client still sends is read for a while: a reset would take the reply from it.
constexpr std::size_t kMaxLingerBytes = 256U << 10;
constexpr std::chrono::seconds kLinger{2};
constexpr std::size_t kReadBytes = 4096;

std::string_view view(beast::string_view text) { return {text.data(), text.size()}; }

void add_field(std::string& head, std::string_view name, std::string_view value) {
  head.append(name).append(": ").append(value).append("\r\n");
}

std::string hex(std::size_t value) {
  char digits[2 * sizeof value];
  const auto end = std::to_chars(digits, digits + sizeof digits, value, 16).ptr;
  return {digits, end};
}

template <class... Cases>
struct Match : Cases... {
  using Cases::operator()...;
};

class HttpConnection final : public Connection, public std::enable_shared_from_this<HttpConnection> {
 public:
  HttpConnection(tcp::socket socket, ConnectionHost& host, std::uint64_t& idle_counter)
      : stream_(std::move(socket)),
        host_(&host),
        idle_counter_(idle_counter),
        limits_(host.limits()),
        buffer_(limits_.header_bytes + limits_.body_bytes + kReadBytes) {
    Error error;
    local_ = to_endpoint(stream_.socket().local_endpoint(error)).address;
    const auto remote = stream_.socket().remote_endpoint(error);
    from_here_ = !error && to_endpoint(remote).address.is_loopback();
  }

  void start() { await_request(); }
  void close() override {
    host_ = nullptr;
    shut();
  }
  [[nodiscard]] bool idle() const override { return idle_; }
  [[nodiscard]] std::uint64_t idle_order() const override { return idle_order_; }
  [[nodiscard]] std::string_view path() const override { return request_.path; }

 private:
  using Parser = http::request_parser<http::string_body>;

  void await_request();
  void read_request();
  void on_request(Error error);
  void refuse(Error error);
  void dispatch();
  std::optional<Response> refusal(const Parser::value_type& message) const;
  void hand_over(const Parser::value_type& message);
  void watch_for_hangup();
  void respond(Response response);
  std::string make_head(const Response& response, std::optional<std::uint64_t> length) const;
  std::optional<std::uint64_t> gather_body(std::vector<asio::const_buffer>& buffers) const;
  void pump();
  void on_piece(std::expected<Piece, std::string> piece);
  void write_piece();
  void finish_chunks();
  void finish();
  void linger();
  void drain(std::size_t left);
  void shut();
  void lost();   // the client has gone, or we give it up

  // Runs `then` when all buffers are written; the connection is lost otherwise.
  template <class Then>
  void write(std::vector<asio::const_buffer> buffers, Then then) {
    stream_.expires_after(limits_.write);
    asio::async_write(stream_, std::move(buffers), [self = shared_from_this(), then](Error error, std::size_t) {
      if (self->closed_) return;
      if (error) return self->lost();
      then(*self);
    });
  }

  beast::tcp_stream stream_;
  ConnectionHost* host_;             // nullptr once closed
  std::uint64_t& idle_counter_;
  HttpLimits limits_;
  beast::flat_buffer buffer_;
  base::IpAddress local_;
  std::optional<Parser> parser_;
  bool closed_ = false;
  bool idle_ = true;
  std::uint64_t idle_order_ = 0;

  // The exchange in hand. Late callbacks of earlier ones are told by the number.
  std::uint64_t exchange_ = 0;
  Request request_;
  bool from_here_ = false;
  bool keep_alive_ = false;
  bool http11_ = true;
  bool responded_ = false;
  Work work_;
  Response response_;
  std::string head_;
  std::unique_ptr<BodySource> source_;
  std::optional<std::uint64_t> left_;   // of the promised length
  Piece piece_;
  std::string chunk_head_;
};

void HttpConnection::await_request() {
  request_ = {};
  if (buffer_.size() > 0) return read_request();
  idle_ = true;
  idle_order_ = ++idle_counter_;
  stream_.expires_after(limits_.idle);
  stream_.async_read_some(buffer_.prepare(kReadBytes), [self = shared_from_this()](Error error, std::size_t bytes) {
    if (self->closed_) return;
    if (error) return self->lost();
    self->buffer_.commit(bytes);
    self->read_request();
  });
}

void HttpConnection::read_request() {
  idle_ = false;
  parser_.emplace();
  parser_->header_limit(static_cast<std::uint32_t>(limits_.header_bytes));
  parser_->body_limit(limits_.body_bytes);
  stream_.expires_after(limits_.request);
  http::async_read(stream_, buffer_, *parser_, [self = shared_from_this()](Error error, std::size_t) {
    if (!self->closed_) self->on_request(error);
  });
}

void HttpConnection::on_request(Error error) {
  ++exchange_;
  responded_ = false;
  if (error) return refuse(error);
  dispatch();
}

void HttpConnection::refuse(Error error) {
  keep_alive_ = false;
  http11_ = true;
  if (error == http::error::header_limit || error == http::error::buffer_overflow)
    return respond(text_response(431, "the request's header is too large"));
  if (error == http::error::body_limit) return respond(text_response(413, "the request's body is too large; nothing here reads one"));
  const bool ours = error.category() == make_error_code(http::error::bad_method).category();
  if (!ours || error == http::error::end_of_stream || error == http::error::partial_message) return lost();
  respond(text_response(400, "this is not an HTTP request that can be read: " + error.message()));
}

void HttpConnection::dispatch() {
  const auto& message = parser_->get();
  keep_alive_ = message.keep_alive();
  http11_ = message.version() >= 11;
  request_.head = message.method() == http::verb::head;
  request_.from_here = from_here_;
  if (auto refused = refusal(message)) return respond(std::move(*refused));
  hand_over(message);
}

std::optional<Response> HttpConnection::refusal(const Parser::value_type& message) const {
  constexpr const char* kAllowed = "GET, HEAD, OPTIONS";
  const auto host = message.find(http::field::host);
  if (message.count(http::field::host) > 1 || (host == message.end() && http11_))
    return text_response(400, "the request has no Host header, or more than one");
  if (host != message.end() && !host_->host_allowed(view(host->value()), local_)) {
    return text_response(421, "this server does not answer to that name; use http://127.0.0.1:PORT/ or the address it listens on");
  }
  if (message.method() == http::verb::options) {
    Response response = text_response(204, "");
    response.headers.emplace_back("Allow", kAllowed);
    response.body = std::string{};
    return response;
  }
  if (message.method() != http::verb::get && message.method() != http::verb::head) {
    Response response = text_response(405, "only GET, HEAD and OPTIONS are answered here");
    response.headers.emplace_back("Allow", kAllowed);
    return response;
  }
  if (!message.target().starts_with('/')) return text_response(400, "the request's target must be a path");
  return std::nullopt;
}

void HttpConnection::hand_over(const Parser::value_type& message) {
  const std::string_view target = view(message.target());
  const std::size_t query = target.find('?');
  request_.path = target.substr(0, query);
  if (query != std::string_view::npos) request_.query = target.substr(query + 1);
  request_.range = view(message[http::field::range]);
  request_.if_range = view(message[http::field::if_range]);
  request_.if_none_match = view(message[http::field::if_none_match]);
  request_.user_agent = view(message[http::field::user_agent]);
  // While a reply is awaited nothing is read or written, so no timer runs: the work has its own limits.
  stream_.expires_never();
  watch_for_hangup();
  Work work = host_->handle(request_, [weak = weak_from_this(), exchange = exchange_](Response response) {
    const auto self = weak.lock();
    if (self && !self->closed_ && self->exchange_ == exchange) self->respond(std::move(response));
  });
  if (!closed_) work_ = std::move(work);
}

void HttpConnection::watch_for_hangup() {
  stream_.socket().async_wait(tcp::socket::wait_read, [self = shared_from_this(), exchange = exchange_](Error error) {
    if (error || self->closed_ || self->exchange_ != exchange) return;
    char byte = 0;
    const std::size_t got = self->stream_.socket().receive(asio::buffer(&byte, 1), tcp::socket::message_peek, error);
    if (error == asio::error::would_block || error == asio::error::try_again) return self->watch_for_hangup();
    // Data is the next request, sent early: it waits in the socket, and the watch ends.
    if (error || got == 0) self->lost();
  });
}

std::string HttpConnection::make_head(const Response& response, std::optional<std::uint64_t> length) const {
  std::string head = "HTTP/1.1 " + std::to_string(response.status) + ' ';
  head.append(reason_phrase(response.status)).append("\r\n");
  const bool bodiless = response.status == 204 || response.status == 304;
  if (!bodiless && !response.content_type.empty()) add_field(head, "Content-Type", response.content_type);
  if (!bodiless && length) add_field(head, "Content-Length", std::to_string(*length));
  if (!bodiless && !length && http11_) add_field(head, "Transfer-Encoding", "chunked");
  if (!response.cache_control.empty()) add_field(head, "Cache-Control", response.cache_control);
  if (!response.etag.empty()) add_field(head, "ETag", response.etag);
  // Other origins may neither read (no CORS header is ever sent) nor embed what we serve.
  add_field(head, "X-Content-Type-Options", "nosniff");
  add_field(head, "Cross-Origin-Resource-Policy", "same-origin");
  for (const auto& [name, value] : response.headers) add_field(head, name, value);
  add_field(head, "Connection", keep_alive_ ? "keep-alive" : "close");
  return head.append("\r\n");
}

// Buffers over response_'s body, and its length. A streamed body gives no buffers.
std::optional<std::uint64_t> HttpConnection::gather_body(std::vector<asio::const_buffer>& buffers) const {
  const auto add = [&buffers](const void* data, std::size_t size) {
    if (size > 0) buffers.emplace_back(data, size);
    return std::uint64_t{size};
  };
  return std::visit(Match{
                        [&](const std::string& text) { return std::optional{add(text.data(), text.size())}; },
                        [&](const std::vector<Piece>& pieces) {
                          std::uint64_t sum = 0;
                          for (const Piece& piece : pieces) sum += add(piece->data(), piece->size());
                          return std::optional{sum};
                        },
                        [&](const StaticBody& bytes) { return std::optional{add(bytes.data(), bytes.size())}; },
                        [](const StreamBody& stream) { return stream.length; },
                    },
                    response_.body);
}

void HttpConnection::respond(Response response) {
  if (std::exchange(responded_, true)) return;
  response_ = std::move(response);
  std::vector<asio::const_buffer> buffers;
  const auto length = gather_body(buffers);
  if (!length && !http11_) keep_alive_ = false;
  head_ = make_head(response_, length);
  if (request_.head || response_.status == 204 || response_.status == 304) buffers.clear();
  buffers.insert(buffers.begin(), asio::buffer(head_));
  if (auto* stream = std::get_if<StreamBody>(&response_.body); stream != nullptr && !request_.head) {
    source_ = std::move(stream->source);
    left_ = length;
    source_->when_broken([weak = weak_from_this(), exchange = exchange_] {
      const auto self = weak.lock();
      if (!self) return;
      asio::post(self->stream_.get_executor(), [self, exchange] {
        if (!self->closed_ && self->exchange_ == exchange) self->lost();
      });
    });
    return write(std::move(buffers), [](HttpConnection& self) { self.pump(); });
  }
  write(std::move(buffers), [](HttpConnection& self) { self.finish(); });
}

void HttpConnection::pump() {
  stream_.expires_never();
  if (left_ == std::uint64_t{0}) return finish();
  source_->next([weak = weak_from_this(), exchange = exchange_](std::expected<Piece, std::string> piece) {
    const auto self = weak.lock();
    if (self && !self->closed_ && self->exchange_ == exchange) self->on_piece(std::move(piece));
  });
}

void HttpConnection::on_piece(std::expected<Piece, std::string> piece) {
  if (!piece) return lost();
  if (*piece == nullptr) return left_ ? lost() : finish_chunks();
  base::check(!(*piece)->empty() && (!left_ || (*piece)->size() <= *left_), "a body source gave an empty piece, or more than it promised");
  piece_ = std::move(*piece);
  write_piece();
}

void HttpConnection::write_piece() {
  std::vector<asio::const_buffer> buffers;
  if (left_) {
    *left_ -= piece_->size();
    buffers = {asio::buffer(*piece_)};
  } else if (http11_) {
    chunk_head_ = hex(piece_->size()) + "\r\n";
    buffers = {asio::buffer(chunk_head_), asio::buffer(*piece_), asio::const_buffer("\r\n", 2)};
  } else {
    buffers = {asio::buffer(*piece_)};
  }
  write(std::move(buffers), [](HttpConnection& self) { self.pump(); });
}

void HttpConnection::finish_chunks() {
  if (!http11_) return finish();
  write({asio::const_buffer("0\r\n\r\n", 5)}, [](HttpConnection& self) { self.finish(); });
}

void HttpConnection::finish() {
  ++exchange_;
  source_.reset();
  work_.reset();
  piece_.reset();
  response_ = {};
  Error error;
  stream_.socket().cancel(error);   // the watch for a hang-up
  if (!keep_alive_) return linger();
  await_request();
}

void HttpConnection::linger() {
  Error error;
  stream_.socket().shutdown(tcp::socket::shutdown_send, error);
  stream_.expires_after(kLinger);
  drain(kMaxLingerBytes);
}

void HttpConnection::drain(std::size_t left) {
  buffer_.clear();
  stream_.async_read_some(buffer_.prepare(kReadBytes), [self = shared_from_this(), left](Error error, std::size_t bytes) {
    if (self->closed_) return;
    if (error || bytes >= left) return self->lost();
    self->drain(left - bytes);
  });
}

void HttpConnection::shut() {
  if (std::exchange(closed_, true)) return;
  ++exchange_;
  source_.reset();
  work_.reset();
  stream_.close();
}

void HttpConnection::lost() {
  if (closed_) return;
  const auto self = shared_from_this();   // the host lets go of us
  ConnectionHost* host = host_;
  close();
  if (host != nullptr) host->closed(*this);
}

}  // namespace

std::shared_ptr<Connection> start_connection(tcp::socket socket, ConnectionHost& host, std::uint64_t& idle_counter) {
  auto connection = std::make_shared<HttpConnection>(std::move(socket), host, idle_counter);
  connection->start();
  return connection;
}

base::Endpoint to_endpoint(const tcp::endpoint& endpoint) {
  const auto address = endpoint.address();
  if (address.is_v4()) return {base::IpAddress::v4(address.to_v4().to_bytes()), endpoint.port()};
  return {base::IpAddress::v6(address.to_v6().to_bytes()), endpoint.port()};
}

tcp::endpoint to_tcp(const base::Endpoint& endpoint) {
  if (endpoint.address.is_v4()) return {asio::ip::address_v4{endpoint.address.v4_octets()}, endpoint.port};
  return {asio::ip::address_v6{endpoint.address.v6_octets()}, endpoint.port};
}

}  // namespace runnel::player
