// DatagramSocket on Linux: sendmmsg and recvmmsg, with segmentation offload (UDP_SEGMENT, UDP_GRO) where the kernel has it.
#pragma once
#include <expected>
#include <memory>

#include "net/datagram_socket.hpp"

namespace runnel::net {

struct UdpSocketOptions {
  int receive_buffer_bytes = 8 << 20;   // asked for; the system may give less
  int send_buffer_bytes = 4 << 20;
  bool use_offload = true;              // off only in tests and for comparison
};

class UdpSocket final : public DatagramSocket {
 public:
  // Binds to `at` (port 0: any free one). The unspecified address, of either family, means all addresses of both families, or of
  // IPv4 alone where the host has no IPv6. Faults: address_in_use, address_not_available, no_permission, no_network_stack,
  // too_many_files, failed.
  static std::expected<std::unique_ptr<UdpSocket>, SocketError> open(const base::Endpoint& at, const UdpSocketOptions& options = {});
  ~UdpSocket() override;
  UdpSocket(const UdpSocket&) = delete;
  UdpSocket& operator=(const UdpSocket&) = delete;

  [[nodiscard]] base::Endpoint local() const override { return local_; }
  [[nodiscard]] NativeHandle native_handle() const override { return fd_; }
  [[nodiscard]] bool has_v6() const override { return v6_; }
  Sent send(std::span<const Datagrams> trains) override;
  std::size_t receive(std::span<const base::MutableByteView> buffers, std::span<ReceivedDatagrams> out) override;
  [[nodiscard]] const SocketStats& stats() const override { return stats_; }

  [[nodiscard]] bool sends_segments() const { return segmentation_; }    // UDP_SEGMENT works
  [[nodiscard]] bool receives_trains() const { return coalescing_; }     // UDP_GRO works

 private:
  struct Workspace;
  UdpSocket(int fd, bool v6);
  static std::expected<std::unique_ptr<UdpSocket>, SocketError> bind(const base::Endpoint& at, bool v6);
  void configure(const UdpSocketOptions& options);
  std::size_t fill_batch(std::span<const Datagrams> trains, Sent from);
  bool survive(int os_error, std::size_t attempt);
  void drain_icmp();

  int fd_;
  bool v6_;
  bool segmentation_ = false;
  bool coalescing_ = false;
  base::Endpoint local_;
  std::uint32_t last_drop_count_ = 0;   // the kernel's, wraps
  SocketStats stats_;
  std::unique_ptr<Workspace> work_;     // message headers for one batch
};

}  // namespace runnel::net
