#include "net/udp_socket.hpp"

#include <errno.h>
#include <linux/errqueue.h>
#include <netinet/udp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <utility>

#include "net/clock.hpp"
#include "net/socket_address.hpp"

// Linux 4.18 and 5.0; older C libraries do not name them (linux/udp.h).
#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif

namespace runnel::net {

using base::Endpoint;

namespace {

constexpr std::size_t kMaxSegments = 64;        // UDP_MAX_SEGMENTS of the kernels that brought UDP_SEGMENT
constexpr std::size_t kMaxTrainBytes = 65'000;  // below 65,535 minus IPv6 and UDP headers
constexpr std::size_t kControlBytes = 96;       // CMSG_SPACE of int, u32 and timespec are 80
// Who waits longer is not told from a clock that was set meanwhile.
constexpr base::Duration kLongestWait = std::chrono::seconds{1};
// An error that an earlier datagram left behind comes up once; the same again is about this one.
constexpr std::size_t kAttempts = 3;
constexpr int kMaxIcmpPerCall = 256;            // an outsider may send as many as it likes

SocketError socket_error(int os_error, const Endpoint& at) {
  const auto fault = [&] {
    switch (os_error) {
      case EADDRINUSE: return SocketError::Fault::address_in_use;
      case EADDRNOTAVAIL: return SocketError::Fault::address_not_available;
      case EACCES:
      case EPERM: return SocketError::Fault::no_permission;
      case EAFNOSUPPORT: return SocketError::Fault::no_network_stack;
      case EMFILE:
      case ENFILE: return SocketError::Fault::too_many_files;
      default: return SocketError::Fault::failed;
    }
  }();
  return {fault, os_error, at.to_string()};
}

// What an ICMP message about an earlier datagram turns into (ip(7), ipv6(7)).
bool comes_from_icmp(int os_error) {
  return os_error == ECONNREFUSED || os_error == EHOSTUNREACH || os_error == ENETUNREACH || os_error == EHOSTDOWN || os_error == EPROTO ||
         os_error == ENOPROTOOPT || os_error == EACCES || os_error == EOPNOTSUPP || os_error == ECONNRESET;
}

template <class Value>
bool set_option(int fd, int level, int name, Value value) {
  return ::setsockopt(fd, level, name, &value, sizeof value) == 0;
}

base::Duration waited_since(std::chrono::nanoseconds came, base::WallTime now) {
  const auto waited = std::chrono::duration_cast<base::Duration>(now.time_since_epoch() - came);
  return waited > kLongestWait ? base::Duration{} : std::max(base::Duration{}, waited);
}

void ask_for_buffer(int fd, int forced, int plain, int bytes) {
  // Beyond the system's limit only with CAP_NET_ADMIN; otherwise as much as the limit allows.
  if (!set_option(fd, SOL_SOCKET, forced, bytes)) set_option(fd, SOL_SOCKET, plain, bytes);
}

}  // namespace

struct UdpSocket::Workspace {
  std::array<mmsghdr, kMaxBatch> headers;
  std::array<iovec, kMaxBatch> vectors;
  std::array<sockaddr_storage, kMaxBatch> addresses;
  struct alignas(cmsghdr) Control {
    std::array<std::byte, kControlBytes> bytes;
  };
  std::array<Control, kMaxBatch> controls;
  std::array<std::uint16_t, kMaxBatch> datagrams;   // in each message

  msghdr& message(std::size_t i) { return headers[i].msg_hdr; }
};

UdpSocket::UdpSocket(int fd, bool v6) : fd_(fd), v6_(v6), work_(std::make_unique<Workspace>()) {}

UdpSocket::~UdpSocket() { ::close(fd_); }

std::expected<std::unique_ptr<UdpSocket>, SocketError> UdpSocket::open(const Endpoint& at, const UdpSocketOptions& options) {
  auto made = bind(at, true);
  const bool v4_will_do = at.address.is_v4() || at.address.is_unspecified();
  if (!made && v4_will_do && (made.error().os_error == EAFNOSUPPORT || made.error().os_error == EADDRNOTAVAIL)) made = bind(at, false);
  if (made) (*made)->configure(options);
  return made;
}

std::expected<std::unique_ptr<UdpSocket>, SocketError> UdpSocket::bind(const Endpoint& at, bool v6) {
  const int fd = ::socket(v6 ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_UDP);
  if (fd < 0) return std::unexpected(socket_error(errno, at));
  std::unique_ptr<UdpSocket> made(new UdpSocket(fd, v6));
  if (v6) set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, int{0});
  Endpoint place = at;
  if (at.address.is_unspecified()) place.address = v6 ? base::IpAddress{} : base::IpAddress::v4({});
  sockaddr_storage address;
  const socklen_t length = write_address(place, v6, address);
  if (::bind(fd, reinterpret_cast<const sockaddr*>(&address), length) != 0) return std::unexpected(socket_error(errno, at));
  socklen_t got = sizeof address;
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &got) != 0) return std::unexpected(socket_error(errno, at));
  made->local_ = read_address(address);
  return made;
}

void UdpSocket::configure(const UdpSocketOptions& options) {
  ask_for_buffer(fd_, SO_RCVBUFFORCE, SO_RCVBUF, options.receive_buffer_bytes);
  ask_for_buffer(fd_, SO_SNDBUFFORCE, SO_SNDBUF, options.send_buffer_bytes);
  set_option(fd_, SOL_SOCKET, SO_RXQ_OVFL, int{1});
  set_option(fd_, SOL_SOCKET, SO_TIMESTAMPNS, int{1});
  // Without these an unconnected socket does not hear of ICMP errors at all, and they could not be counted.
  set_option(fd_, IPPROTO_IP, IP_RECVERR, int{1});
  if (v6_) set_option(fd_, IPPROTO_IPV6, IPV6_RECVERR, int{1});
  if (!options.use_offload) return;
  segmentation_ = set_option(fd_, SOL_UDP, UDP_SEGMENT, int{0});   // 0: no segmentation but where a message asks for it
  coalescing_ = set_option(fd_, SOL_UDP, UDP_GRO, int{1});
}

// Messages for what follows `from`; each a train or a piece of one, or a single datagram where the kernel cannot cut. Returns how many.
std::size_t UdpSocket::fill_batch(std::span<const Datagrams> trains, Sent from) {
  std::size_t count = 0;
  std::size_t offset = from.bytes_of_next;
  for (std::size_t t = from.trains; t < trains.size() && count < kMaxBatch; ++t, offset = 0) {
    const Datagrams& train = trains[t];
    const std::size_t segment = train.segment_size == 0 ? train.bytes.size() : train.segment_size;
    const std::size_t longest =
        segmentation_ && segment > 0 && segment < kMaxTrainBytes ? std::min(kMaxSegments, kMaxTrainBytes / segment) * segment : segment;
    do {
      const base::ByteView piece = train.bytes.subspan(offset, std::min(longest, train.bytes.size() - offset));
      msghdr& message = work_->message(count);
      message = {};
      message.msg_name = &work_->addresses[count];
      message.msg_namelen = write_address(train.peer, v6_, work_->addresses[count]);
      work_->vectors[count] = {.iov_base = const_cast<std::byte*>(piece.data()), .iov_len = piece.size()};   // sending only reads it
      message.msg_iov = &work_->vectors[count];
      message.msg_iovlen = 1;
      work_->datagrams[count] = 1;
      if (piece.size() > segment) {
        work_->datagrams[count] = static_cast<std::uint16_t>((piece.size() + segment - 1) / segment);
        message.msg_control = work_->controls[count].bytes.data();
        message.msg_controllen = CMSG_SPACE(sizeof(std::uint16_t));
        cmsghdr* const header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_UDP;
        header->cmsg_type = UDP_SEGMENT;
        header->cmsg_len = CMSG_LEN(sizeof(std::uint16_t));
        std::memcpy(CMSG_DATA(header), &train.segment_size, sizeof train.segment_size);
      }
      ++count;
      offset += piece.size();
    } while (offset < train.bytes.size() && count < kMaxBatch);
  }
  return count;
}

// Whether the same message may be tried again after this error.
bool UdpSocket::survive(int os_error, std::size_t attempt) {
  if (os_error == EINTR) return true;
  if (comes_from_icmp(os_error)) {
    drain_icmp();
    return attempt < kAttempts;
  }
  const bool was_train = work_->datagrams[0] > 1;
  if (!was_train) return false;
  // EIO: the interface cannot do checksums in hardware, so the kernel does not cut for it. EINVAL, EMSGSIZE: the segments are
  // longer than the path takes, and only whole datagrams can be fragmented. One by one from here on.
  segmentation_ = false;
  return true;
}

DatagramSocket::Sent UdpSocket::send(std::span<const Datagrams> trains) {
  Sent done;
  std::size_t attempt = 0;
  const auto take = [&](std::size_t bytes) {
    done.bytes_of_next += bytes;
    if (done.bytes_of_next >= trains[done.trains].bytes.size()) done = {done.trains + 1, 0};
  };
  while (done.trains < trains.size()) {
    const std::size_t count = fill_batch(trains, done);
    const int sent = ::sendmmsg(fd_, work_->headers.data(), static_cast<unsigned>(count), 0);
    ++stats_.send_calls;
    if (sent < 0) {
      if (errno == EAGAIN || errno == EWOULDBLOCK) break;
      if (survive(errno, ++attempt)) continue;
      stats_.send_failures += work_->datagrams[0];
      take(work_->vectors[0].iov_len);
      attempt = 0;
      continue;
    }
    attempt = 0;
    for (std::size_t i = 0; i < static_cast<std::size_t>(sent); ++i) {
      stats_.sent_datagrams += work_->datagrams[i];
      stats_.sent_bytes += work_->vectors[i].iov_len;
      take(work_->vectors[i].iov_len);
    }
  }
  return done;
}

std::size_t UdpSocket::receive(std::span<const base::MutableByteView> buffers, std::span<ReceivedDatagrams> out) {
  const std::size_t wanted = std::min({buffers.size(), out.size(), kMaxBatch});
  int got = -1;
  for (std::size_t attempt = 0; got < 0 && attempt < kAttempts; ++attempt) {
    for (std::size_t i = 0; i < wanted; ++i) {
      work_->vectors[i] = {.iov_base = buffers[i].data(), .iov_len = buffers[i].size()};
      msghdr& message = work_->message(i);
      message = {};
      message.msg_name = &work_->addresses[i];
      message.msg_namelen = sizeof work_->addresses[i];
      message.msg_iov = &work_->vectors[i];
      message.msg_iovlen = 1;
      message.msg_control = work_->controls[i].bytes.data();
      message.msg_controllen = kControlBytes;
    }
    got = ::recvmmsg(fd_, work_->headers.data(), static_cast<unsigned>(wanted), MSG_DONTWAIT, nullptr);
    ++stats_.receive_calls;
    if (got >= 0) break;
    if (errno == EAGAIN || errno == EWOULDBLOCK) {
      drain_icmp();   // what waits there wakes a waiting loop as well, again and again, also when its error was already told to a send
      return 0;
    }
    if (comes_from_icmp(errno)) drain_icmp();
  }
  std::size_t count = 0;
  const base::WallTime now = wall_now();
  for (std::size_t i = 0; i < static_cast<std::size_t>(std::max(got, 0)); ++i) {
    msghdr& message = work_->message(i);
    ReceivedDatagrams train{{.peer = read_address(work_->addresses[i]), .bytes = buffers[i].first(work_->headers[i].msg_len)}, {}};
    for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr; header = CMSG_NXTHDR(&message, header)) {
      if (header->cmsg_level == SOL_UDP && header->cmsg_type == UDP_GRO) {
        int segment = 0;
        std::memcpy(&segment, CMSG_DATA(header), sizeof segment);
        if (segment > 0 && static_cast<std::size_t>(segment) < train.bytes.size()) train.segment_size = static_cast<std::uint16_t>(segment);
      } else if (header->cmsg_level == SOL_SOCKET && header->cmsg_type == SO_RXQ_OVFL) {
        std::uint32_t drops = 0;
        std::memcpy(&drops, CMSG_DATA(header), sizeof drops);
        stats_.kernel_drops += drops - std::exchange(last_drop_count_, drops);
      } else if (header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_TIMESTAMPNS) {
        timespec came{};
        std::memcpy(&came, CMSG_DATA(header), sizeof came);
        const auto at = std::chrono::seconds{came.tv_sec} + std::chrono::nanoseconds{came.tv_nsec};
        train.waited = waited_since(at, now);
      }
    }
    if ((message.msg_flags & MSG_TRUNC) != 0) {
      ++stats_.truncated;
      continue;
    }
    stats_.received_datagrams += train.count();
    stats_.received_bytes += train.bytes.size();
    out[count++] = train;
  }
  return count;
}

// Each ICMP error waits in a queue of its own, which counts against the receive buffer.
void UdpSocket::drain_icmp() {
  for (int i = 0; i < kMaxIcmpPerCall; ++i) {
    msghdr message{};
    Workspace::Control control;
    message.msg_control = control.bytes.data();
    message.msg_controllen = control.bytes.size();
    if (::recvmsg(fd_, &message, MSG_ERRQUEUE | MSG_DONTWAIT) < 0) return;
    ++stats_.unreachable;
  }
}

}  // namespace runnel::net
