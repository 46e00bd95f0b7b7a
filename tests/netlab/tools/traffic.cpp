// netlab-traffic: one host's part of a measurement. Sends datagrams at a steady rate and counts those that come, then prints both.
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <stdexcept>
#include <string>
#include <vector>

#include <netinet/in.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <CLI/CLI.hpp>

#include "base/endpoint.hpp"
#include "netlab/file_descriptor.hpp"
#include "netlab/time.hpp"

namespace runnel::netlab {
namespace {

constexpr std::uint16_t kPort = 7000;
constexpr int kUdpSegment = 103;  // linux/udp.h; not in the headers of Debian 12's C library
constexpr int kUdpGro = 104;
constexpr int kBufferBytes = 16 << 20;
// For what is on its way when the last was sent.
constexpr std::chrono::seconds kDrain{1};

struct Arguments {
  std::string to;             // empty: only receives
  double mbps = 3;            // of payload
  double start_at_s = 0;      // CLOCK_MONOTONIC
  double seconds = 5;
  std::size_t bytes = 1200;   // of a datagram
  std::size_t segments = 1;   // datagrams per call
};

Duration from_s(double s) { return from_ms(s * 1e3); }

sockaddr_in address_of(const std::string& text) {
  const auto parsed = base::IpAddress::parse(text);
  if (!parsed || !parsed->is_v4()) throw std::runtime_error{text + ": not an IPv4 address"};
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(kPort);
  const auto octets = parsed->v4_octets();
  std::memcpy(&address.sin_addr, octets.data(), octets.size());
  return address;
}

FileDescriptor make_socket(const Arguments& arguments) {
  FileDescriptor socket{::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
  const auto set = [&](int level, int name, int value) { ::setsockopt(socket.get(), level, name, &value, sizeof value); };
  set(SOL_SOCKET, SO_RCVBUFFORCE, kBufferBytes);
  set(SOL_SOCKET, SO_SNDBUFFORCE, kBufferBytes);
  set(IPPROTO_UDP, kUdpGro, 1);
  if (arguments.segments > 1) set(IPPROTO_UDP, kUdpSegment, static_cast<int>(arguments.bytes));
  const sockaddr_in any = address_of("0.0.0.0");
  if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&any), sizeof any) != 0)
    throw std::runtime_error{std::string{"bind: "} + std::strerror(errno)};
  return socket;
}

std::uint64_t receive_waiting(int socket) {
  std::array<std::byte, 65536> buffer;  // not set to anything: it is large, and only its size counts
  std::uint64_t bytes = 0;
  for (ssize_t size = 0; (size = ::recv(socket, buffer.data(), buffer.size(), MSG_DONTWAIT)) >= 0;)
    bytes += static_cast<std::uint64_t>(size);
  return bytes;
}

void wait_until(int socket, Time until) {
  const Duration left = std::max(Duration{}, until - Clock::now());
  const timespec timeout{.tv_sec = static_cast<time_t>(left.count() / 1'000'000'000),
                         .tv_nsec = static_cast<long>(left.count() % 1'000'000'000)};
  pollfd readable{.fd = socket, .events = POLLIN, .revents = 0};
  ::ppoll(&readable, 1, &timeout, nullptr);
}

int run(const Arguments& arguments) {
  ::prctl(PR_SET_TIMERSLACK, 1);
  const FileDescriptor socket = make_socket(arguments);
  const sockaddr_in to = arguments.to.empty() ? sockaddr_in{} : address_of(arguments.to);
  const std::vector<std::byte> payload(arguments.bytes * arguments.segments);
  const Duration interval = from_s(static_cast<double>(payload.size()) * 8 / 1e6 / arguments.mbps);
  const Time start{from_s(arguments.start_at_s)};
  const Time end = start + from_s(arguments.seconds);
  Time next = arguments.to.empty() ? end : start;
  std::uint64_t sent = 0;
  std::uint64_t received = 0;
  for (Time now = Clock::now(); now < end + kDrain; now = Clock::now()) {
    for (; next <= now && next < end; next += interval) {
      const ssize_t size = ::sendto(socket.get(), payload.data(), payload.size(), 0, reinterpret_cast<const sockaddr*>(&to), sizeof to);
      if (size > 0) sent += static_cast<std::uint64_t>(size);
    }
    received += receive_waiting(socket.get());
    wait_until(socket.get(), next < end ? next : end + kDrain);
  }
  std::printf("{\"sent_bytes\": %llu, \"received_bytes\": %llu}\n", static_cast<unsigned long long>(sent),
              static_cast<unsigned long long>(received));
  return 0;
}

}  // namespace
}  // namespace runnel::netlab

int main(int argc, char** argv) {
  runnel::netlab::Arguments arguments;
  CLI::App app{"Sends datagrams at a steady rate, counts those that come, and prints both.", "netlab-traffic"};
  app.add_option("--to", arguments.to, "the receiver's IPv4 address (default: only receives)");
  app.add_option("--mbps", arguments.mbps, "of payload")->check(CLI::PositiveNumber);
  app.add_option("--start-at", arguments.start_at_s, "seconds of the monotonic clock");
  app.add_option("--seconds", arguments.seconds);
  app.add_option("--bytes", arguments.bytes, "of a datagram")->check(CLI::Range(1, 1472));
  app.add_option("--segments", arguments.segments, "datagrams per call")->check(CLI::Range(1, 54));
  CLI11_PARSE(app, argc, argv);
  try {
    return runnel::netlab::run(arguments);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "netlab-traffic: %s\n", error.what());
    return 1;
  }
}
