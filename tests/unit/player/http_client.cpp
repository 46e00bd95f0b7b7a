#include "unit/player/http_client.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <algorithm>
#include <stdexcept>
#include <sys/socket.h>
#include <sys/time.h>

namespace runnel::player::test {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using asio::ip::tcp;

struct HttpClient::State {
  asio::io_context io;
  tcp::socket socket{io};
  boost::beast::flat_buffer buffer;
};

HttpClient::HttpClient(std::uint16_t port) : state_(std::make_unique<State>()) {
  state_->socket.connect({asio::ip::address_v4::loopback(), port});
  const timeval limit{10, 0};
  ::setsockopt(state_->socket.native_handle(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  ::setsockopt(state_->socket.native_handle(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
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
    http::read(state_->socket, state_->buffer, parser);
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
  bytes.resize(state_->socket.read_some(asio::buffer(bytes), error));
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
