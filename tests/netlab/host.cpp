#include "netlab/host.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <sstream>
#include <string_view>

#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/ipv6.h>
#include <net/if.h>
#include <net/route.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "netlab/offload.hpp"

namespace runnel::netlab {
namespace {

constexpr std::string_view kDevice = "tun0";
// The device's own queue, in packets: 30 ms at 1 Gb/s, so that a lab that is not scheduled for a moment loses nothing. The kernel's
// default is 500.
constexpr int kDeviceQueuePackets = 2500;
constexpr std::uint8_t kWholeAddress6 = 128;

[[noreturn]] void fail(const std::string& what) {
  const bool is_about_rights = errno == EPERM || errno == EACCES;
  throw LabError{what + ": " + std::strerror(errno) + (is_about_rights ? " (netlab needs root: CAP_NET_ADMIN and CAP_SYS_ADMIN)" : ""),
                 is_about_rights};
}

void control(int socket, unsigned long request, void* argument, const char* what) {
  if (::ioctl(socket, request, argument) != 0) fail(what);
}

ifreq request_for(std::string_view device) {
  ifreq request{};
  device.copy(request.ifr_name, IFNAMSIZ - 1);
  return request;
}

void put_address(sockaddr& into, const base::IpAddress& address) {
  sockaddr_in in{};
  in.sin_family = AF_INET;
  const auto octets = address.v4_octets();
  std::memcpy(&in.sin_addr, octets.data(), octets.size());
  std::memcpy(&into, &in, sizeof in);
}

base::IpAddress prefix_mask() { return base::IpAddress::v4({255, 255, 255, 255}); }

void bring_up(int socket, std::string_view device) {
  ifreq request = request_for(device);
  control(socket, SIOCGIFFLAGS, &request, "flags of a device");
  request.ifr_flags = static_cast<short>(request.ifr_flags | IFF_UP);
  control(socket, SIOCSIFFLAGS, &request, "bring a device up");
}

void configure_v4(int socket, const base::IpAddress& address) {
  ifreq request = request_for(kDevice);
  put_address(request.ifr_addr, address);
  control(socket, SIOCSIFADDR, &request, "IPv4 address");
  put_address(request.ifr_netmask, prefix_mask());
  control(socket, SIOCSIFNETMASK, &request, "IPv4 netmask");
}

void route_v4(int socket) {
  rtentry route{};
  put_address(route.rt_dst, base::IpAddress::v4({0, 0, 0, 0}));
  put_address(route.rt_genmask, base::IpAddress::v4({0, 0, 0, 0}));
  std::string device{kDevice};
  route.rt_dev = device.data();
  route.rt_flags = RTF_UP;
  control(socket, SIOCADDRT, &route, "IPv4 route");
}

void configure_v6(int socket, int device_index, const base::IpAddress& address) {
  in6_ifreq request{};
  std::memcpy(&request.ifr6_addr, address.v6_octets().data(), address.v6_octets().size());
  request.ifr6_prefixlen = kWholeAddress6;
  request.ifr6_ifindex = device_index;
  control(socket, SIOCSIFADDR, &request, "IPv6 address");
  in6_rtmsg route{};
  route.rtmsg_ifindex = device_index;
  route.rtmsg_metric = 1;
  route.rtmsg_flags = RTF_UP;
  control(socket, SIOCADDRT, &route, "IPv6 route");
}

FileDescriptor open_or_fail(const char* path, int flags) {
  FileDescriptor fd{::open(path, flags | O_CLOEXEC)};
  if (!fd) fail(path);
  return fd;
}

FileDescriptor open_tun() {
  FileDescriptor tun{::open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC)};
  if (!tun) {
    // A kernel without TUN is no more to be had by the user than root's rights are.
    if (errno == ENOENT || errno == ENODEV) throw LabError{"netlab needs /dev/net/tun, and this kernel has none", true};
    fail("/dev/net/tun");
  }
  ifreq request = request_for(kDevice);
  request.ifr_flags = static_cast<short>(IFF_TUN | IFF_NO_PI | IFF_VNET_HDR);
  control(tun.get(), TUNSETIFF, &request, "make a TUN device");
  // UDP's segments are news of Linux 6.2; without them datagrams come one by one.
  constexpr unsigned kFeatures = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6;
  if (::ioctl(tun.get(), TUNSETOFFLOAD, kFeatures | kTunFeatureUso4 | kTunFeatureUso6) != 0 &&
      ::ioctl(tun.get(), TUNSETOFFLOAD, kFeatures) != 0)
    fail("offload of a TUN device");
  return tun;
}

// Whatever happens, back to where the thread was.
class Visit {
 public:
  explicit Visit(int home) : home_(home) {}
  Visit(const Visit&) = delete;
  Visit& operator=(const Visit&) = delete;
  ~Visit() { static_cast<void>(::setns(home_, CLONE_NEWNET)); }

 private:
  int home_;
};

}  // namespace

void enter_namespace(int network_namespace) {
  if (::setns(network_namespace, CLONE_NEWNET) != 0) fail("enter a host");
}

void replace_process(const std::vector<std::string>& words) {
  std::vector<char*> arguments;
  arguments.reserve(words.size() + 1);
  for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  ::execvp(arguments[0], arguments.data());
}

Host::Host(const HostSettings& settings, std::uint32_t mtu_bytes) {
  const FileDescriptor home = open_or_fail("/proc/thread-self/ns/net", O_RDONLY);
  if (::unshare(CLONE_NEWNET) != 0) fail("make a network namespace");
  const Visit visit{home.get()};
  namespace_ = open_or_fail("/proc/thread-self/ns/net", O_RDONLY);
  tun_ = open_tun();
  configure(settings, mtu_bytes);
  device_counters_ = open_or_fail("/proc/thread-self/net/dev", O_RDONLY);
}

void Host::configure(const HostSettings& settings, std::uint32_t mtu_bytes) const {
  const FileDescriptor v4{::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
  const FileDescriptor v6{::socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
  if (!v4 || !v6) fail("a socket");
  bring_up(v4.get(), "lo");
  ifreq request = request_for(kDevice);
  request.ifr_mtu = static_cast<int>(mtu_bytes);
  control(v4.get(), SIOCSIFMTU, &request, "MTU");
  request.ifr_qlen = kDeviceQueuePackets;
  control(v4.get(), SIOCSIFTXQLEN, &request, "length of the device's queue");
  configure_v4(v4.get(), settings.address);
  bring_up(v4.get(), kDevice);
  control(v4.get(), SIOCGIFINDEX, &request, "number of a device");
  route_v4(v4.get());
  configure_v6(v6.get(), request.ifr_ifindex, settings.address6);
}

base::ByteView Host::read(base::MutableByteView into) const {
  const ssize_t size = ::read(tun_.get(), into.data(), into.size());
  return into.first(static_cast<std::size_t>(std::max<ssize_t>(0, size)));
}

bool Host::write(base::ByteView frame) const { return ::write(tun_.get(), frame.data(), frame.size()) >= 0; }

std::uint64_t Host::kernel_drops() const {
  std::string text(4096, '\0');
  const ssize_t size = ::pread(device_counters_.get(), text.data(), text.size(), 0);
  if (size <= 0) return 0;
  text.resize(static_cast<std::size_t>(size));
  const std::size_t at = text.find(std::string{kDevice} + ":");
  if (at == std::string::npos) return 0;
  // Eight numbers of what was received, then bytes, packets, errors and drops of what was sent (proc_net(5)).
  constexpr int kSendDropsAt = 11;
  std::istringstream fields{text.substr(at + kDevice.size() + 1)};
  std::uint64_t value = 0;
  for (int i = 0; i <= kSendDropsAt; ++i) fields >> value;
  return value;
}

}  // namespace runnel::netlab
