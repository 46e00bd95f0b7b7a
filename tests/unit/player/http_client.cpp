#include "unit/player/http_client.hpp"

#include <poll.h>
#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <stdexcept>

namespace runnel::player::test {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using asio::ip::tcp;

namespace {

// Asio's blocking reads know no time-out, so readiness is waited for first.
struct TimedSocket {
  using executor_type = tcp::socket::executor_type;
  tcp::socket socket;

  executor_type get_executor() { return socket.get_executor(); }
  template <class Buffers>
  std::size_t read_some(const Buffers& buffers, boost::system::error_code& error) {
    pollfd ready{socket.native_handle(), POLLIN, 0};
    if (::poll(&ready, 1, kLimitMs) == 1) return socket.read_some(buffers, error);
    error = asio::error::timed_out;
    return 0;
  }
  template <class Buffers>
  std::size_t read_some(const Buffers& buffers) {
    boost::system::error_code error;
    const std::size_t size = read_some(buffers, error);
    if (error) throw boost::system::system_error{error};
    return size;
  }
  static constexpr int kLimitMs = 10'000;
};

}  // namespace

struct HttpClient::State {
  asio::io_context io;
  TimedSocket timed{tcp::socket{io}};
  tcp::socket& socket = timed.socket;
  boost::beast::flat_buffer buffer;
};

HttpClient::HttpClient(std::uint16_t port) : state_(std::make_unique<State>()) {
  state_->socket.connect({asio::ip::address_v4::loopback(), port});
}
HttpClient::~HttpClient() = default;
HttpClient::HttpClient(HttpClient&&) noexcept = default;

Reply HttpClient::get(const std::string& target, const Headers& headers) { return request("GET", target, headers); }

Reply HttpClient::request(const std::string& method, const std::string& target, const Headers& headers) {
  std::string text = method + ' ' + target + " HTTP/1.1\r\n";
  if (std::ranges::none_of(headers, [](const auto& h) { return h.first == "Host"; })) text += "Host: 127.0.0.1\r\n";
  for (const auto& [name, value] : headers) text += name + ": " + value + "\r\n";
  send(text + "\r\n");
  return read_reply(method == "HEAD");
}

void HttpClient::send(const std::string& bytes) { asio::write(state_->socket, asio::buffer(bytes)); }

Reply HttpClient::read_reply(bool head) {
  http::response_parser<http::string_body> parser;
  parser.body_limit(256U << 20);
  parser.skip(head);
  try {
    http::read(state_->timed, state_->buffer, parser);
  } catch (const std::exception& e) {
    throw std::runtime_error(std::string{"no whole reply: "} + e.what());
  }
  Reply reply;
  const auto& message = parser.get();
  reply.status = message.result_int();
  reply.keep_alive = message.keep_alive();
  reply.body = message.body();
  for (const auto& field : message) {
    std::string name{field.name_string()};
    std::ranges::transform(name, name.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    reply.headers[name] = std::string{field.value()};
  }
  return reply;
}

std::string HttpClient::read_some(std::size_t max) {
  std::string bytes(max, '\0');
  boost::system::error_code error;
  bytes.resize(state_->timed.read_some(asio::buffer(bytes), error));
  if (error && error != asio::error::eof && error != asio::error::connection_reset) throw std::runtime_error("read: " + error.message());
  return bytes;
}

std::string HttpClient::read_all() {
  std::string all;
  for (std::string some = read_some(); !some.empty(); some = read_some()) all += some;
  return all;
}

void HttpClient::close() { state_->socket.close(); }
void HttpClient::close_at_end_of_sending() { state_->socket.shutdown(tcp::socket::shutdown_send); }

Reply get(std::uint16_t port, const std::string& target, const Headers& headers) { return HttpClient{port}.get(target, headers); }

}  // namespace runnel::player::test
