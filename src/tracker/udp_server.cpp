#include "tracker/udp_server.hpp"

#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/udp.hpp>
#include <boost/asio/ip/v6_only.hpp>

#include "net/asio_endpoint.hpp"

namespace runnel::tracker {
namespace {

namespace asio = boost::asio;
using asio::ip::udp;
using boost::system::error_code;

constexpr std::size_t kReceiveBuffer = 2048;  // the longest request of BEP 15 that we read has 1,296 bytes
constexpr unsigned kDatagramsPerTurn = 64;    // before others on the io_context get theirs

}  // namespace

struct UdpServer::Impl : std::enable_shared_from_this<Impl> {
  Impl(asio::io_context& io, Handle on_datagram) : handle(std::move(on_datagram)), socket(io) {}

  std::expected<void, std::string> open(const base::Endpoint& at) {
    const auto to = net::to_asio<udp::endpoint>(at);
    error_code error;
    socket.open(to.protocol(), error);
    if (!error && to.protocol() == udp::v6()) socket.set_option(asio::ip::v6_only(!at.address.is_unspecified()), error);
    if (!error) socket.bind(to, error);
    if (!error) socket.non_blocking(true, error);
    if (error) return std::unexpected("cannot listen on " + at.to_string() + " (UDP): " + error.message());
    wait();
    return {};
  }

  void wait() {
    socket.async_wait(udp::socket::wait_read, [self = shared_from_this()](error_code error) {
      if (!self->socket.is_open() || error == asio::error::operation_aborted) return;
      for (unsigned i = 0; i < kDatagramsPerTurn && self->receive(); ++i) {
      }
      self->wait();
    });
  }

  // False when nothing more is there.
  bool receive() {
    udp::endpoint from;
    error_code error;
    const std::size_t size = socket.receive_from(asio::buffer(buffer), from, 0, error);
    if (error == asio::error::would_block || error == asio::error::try_again) return false;
    if (error) return true;  // a report about an earlier answer of ours
    const auto answer = handle(base::ByteView{buffer}.first(size), net::from_asio_endpoint(from));
    // An answer that the socket has no room for is lost like any datagram; the client asks again.
    if (answer) socket.send_to(asio::buffer(*answer), from, 0, error);
    return true;
  }

  Handle handle;
  udp::socket socket;
  std::array<std::byte, kReceiveBuffer> buffer{};
};

UdpServer::UdpServer(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}

UdpServer::~UdpServer() {
  error_code ignored;
  impl_->socket.close(ignored);
}

std::expected<std::unique_ptr<UdpServer>, std::string> UdpServer::listen(asio::io_context& io, const base::Endpoint& at, Handle handle) {
  auto impl = std::make_shared<Impl>(io, std::move(handle));
  if (const auto opened = impl->open(at); !opened) return std::unexpected(opened.error());
  return std::unique_ptr<UdpServer>(new UdpServer(std::move(impl)));
}

base::Endpoint UdpServer::endpoint() const {
  error_code ignored;
  return net::from_asio_endpoint(impl_->socket.local_endpoint(ignored));
}

}  // namespace runnel::tracker
