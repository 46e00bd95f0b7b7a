// The one UDP socket of a node, as the event loop sees it. Each operating system implements it in a file of its own
// (udp_socket.cpp: Linux).
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "base/bytes.hpp"
#include "base/endpoint.hpp"
#include "base/time.hpp"

namespace runnel::net {

// A train of datagrams to or from one place, laid end to end: each is `segment_size` bytes, the last may be shorter.
template <class View>
struct Train {
  base::Endpoint peer;              // whom to send to, or who sent it
  View bytes;
  std::uint16_t segment_size = 0;   // 0 means one datagram: all of `bytes`

  [[nodiscard]] std::size_t count() const {
    return segment_size == 0 || bytes.empty() ? 1 : (bytes.size() + segment_size - 1) / segment_size;
  }
  [[nodiscard]] View datagram(std::size_t i) const {
    if (segment_size == 0) return bytes;
    const View rest = bytes.subspan(i * segment_size);
    return rest.first(std::min<std::size_t>(rest.size(), segment_size));
  }
};
using Datagrams = Train<base::ByteView>;
struct ReceivedDatagrams : Train<base::MutableByteView> {   // opened where they lie
  base::Duration waited{};          // in the kernel, until they were read
};

// Where receive() puts bytes: one buffer holds up to one train, so it should be kReceiveBufferBytes long.
constexpr std::size_t kReceiveBufferBytes = 65'536;
constexpr std::size_t kMaxBatch = 64;   // buffers or trains in one system call

struct SocketError {
  enum class Fault { address_in_use, address_not_available, no_permission, no_network_stack, too_many_files, failed };
  Fault fault = Fault::failed;
  int os_error = 0;
  std::string what;                 // the address, for the message
};
std::string message(const SocketError& error);

// Counts since the socket was opened.
struct SocketStats {
  std::uint64_t sent_datagrams = 0;
  std::uint64_t sent_bytes = 0;
  std::uint64_t received_datagrams = 0;
  std::uint64_t received_bytes = 0;
  std::uint64_t send_calls = 0;
  std::uint64_t receive_calls = 0;
  std::uint64_t kernel_drops = 0;     // arrived, but the receive buffer was full
  std::uint64_t unreachable = 0;      // ICMP errors
  std::uint64_t send_failures = 0;    // datagrams given up: too long, no route, refused by a firewall
  std::uint64_t truncated = 0;        // arrived longer than the buffer, and dropped
};

// One owner, not thread-safe. Never blocks.
class DatagramSocket {
 public:
  // What readiness is waited for: a file descriptor here, a SOCKET on Windows.
  using NativeHandle = std::intptr_t;

  virtual ~DatagramSocket() = default;
  // The address it is bound to, with the port that was chosen.
  [[nodiscard]] virtual base::Endpoint local() const = 0;
  [[nodiscard]] virtual NativeHandle native_handle() const = 0;
  [[nodiscard]] virtual bool has_v6() const = 0;
  struct Sent {
    std::size_t trains = 0;          // taken whole
    std::size_t bytes_of_next = 0;   // taken of the train after them; a multiple of its segment size
  };
  // Sends in order. When fewer than all trains are taken the socket is full: wait until it is writable and send the rest.
  // Datagrams that can never be sent count as taken (SocketStats::send_failures).
  virtual Sent send(std::span<const Datagrams> trains) = 0;
  // Fills `out` with what has arrived, views into `buffers`, and returns how many trains: at most the shorter of both and kMaxBatch.
  // 0: nothing waits.
  virtual std::size_t receive(std::span<const base::MutableByteView> buffers, std::span<ReceivedDatagrams> out) = 0;
  [[nodiscard]] virtual const SocketStats& stats() const = 0;
};

}  // namespace runnel::net
