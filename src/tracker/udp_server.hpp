// The tracker's UDP socket.
#pragma once
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/bytes.hpp"
#include "base/endpoint.hpp"

namespace boost::asio {
class io_context;
}

namespace runnel::tracker {

// Owned and used by the thread that runs the io_context; destroyed before it.
class UdpServer {
 public:
  using Handle = std::function<std::optional<base::Bytes>(base::ByteView datagram, const base::Endpoint& from)>;
  // The error is a text for the user.
  static std::expected<std::unique_ptr<UdpServer>, std::string> listen(boost::asio::io_context& io, const base::Endpoint& at,
                                                                       Handle handle);
  ~UdpServer();
  UdpServer(const UdpServer&) = delete;
  UdpServer& operator=(const UdpServer&) = delete;

  [[nodiscard]] base::Endpoint endpoint() const;

 private:
  struct Impl;
  explicit UdpServer(std::shared_ptr<Impl> impl);
  std::shared_ptr<Impl> impl_;  // with the handler under way
};

}  // namespace runnel::tracker
