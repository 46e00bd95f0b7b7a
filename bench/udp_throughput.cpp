// How fast datagrams of a chunk's size go from one thread to another over loopback, with segmentation offload and without.
// Prints one line per case: MB/s that arrived, of what was sent, and system calls per 1,000 datagrams.
#include <poll.h>
#include <sys/resource.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <thread>
#include <vector>

#include "net/udp_socket.hpp"

namespace {

using runnel::base::Bytes;
using runnel::base::Endpoint;
using runnel::base::MutableByteView;
using runnel::net::Datagrams;
using runnel::net::UdpSocket;

constexpr std::uint16_t kDatagramBytes = 1100;
constexpr std::size_t kTrain = 59;   // datagrams that fit the longest train

bool wait_for(const UdpSocket& socket, short events, int timeout_ms) {
  pollfd waited{.fd = static_cast<int>(socket.native_handle()), .events = events, .revents = 0};
  return ::poll(&waited, 1, timeout_ms) == 1;
}

void receive_all(UdpSocket& socket, const std::atomic<bool>& done) {
  std::vector<Bytes> buffers(16, Bytes(runnel::net::kReceiveBufferBytes));
  std::vector<MutableByteView> views(buffers.begin(), buffers.end());
  std::vector<runnel::net::ReceivedDatagrams> out(views.size());
  for (;;) {
    if (socket.receive(views, out) > 0) continue;
    if (done && !wait_for(socket, POLLIN, 0)) return;
    wait_for(socket, POLLIN, 10);
  }
}

void run(const char* at, bool offload, std::chrono::milliseconds length) {
  auto sender = UdpSocket::open(*Endpoint::parse(at), {.use_offload = offload});
  auto receiver = UdpSocket::open(*Endpoint::parse(at), {.use_offload = offload});
  if (!sender || !receiver) {
    std::printf("%-14s %s\n", at, message(sender ? receiver.error() : sender.error()).c_str());
    return;
  }
  std::atomic<bool> done = false;
  std::thread other([&] { receive_all(**receiver, done); });
  const Bytes bytes(kTrain * kDatagramBytes);
  const std::vector<Datagrams> trains(4, {.peer = (*receiver)->local(), .bytes = bytes, .segment_size = kDatagramBytes});
  const auto start = std::chrono::steady_clock::now();
  while (std::chrono::steady_clock::now() - start < length) {
    if ((*sender)->send(trains).trains < trains.size()) wait_for(**sender, POLLOUT, 10);
  }
  done = true;
  other.join();
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  const auto& in = (*receiver)->stats();
  const auto& out = (*sender)->stats();
  std::printf("%-14s offload %-3s  %7.0f MB/s arrived  %5.1f %% of sent  calls per 1,000: %5.1f send, %5.1f receive\n", at,
              offload ? "on" : "off", static_cast<double>(in.received_bytes) / seconds / 1e6,
              100.0 * static_cast<double>(in.received_bytes) / static_cast<double>(out.sent_bytes),
              1000.0 * static_cast<double>(out.send_calls) / static_cast<double>(out.sent_datagrams),
              1000.0 * static_cast<double>(in.receive_calls) / static_cast<double>(in.received_datagrams));
}

}  // namespace

int main(int argc, char** argv) {
  const std::chrono::milliseconds length{argc > 1 ? std::atoi(argv[1]) : 2000};
  for (const char* const at : {"127.0.0.1:0", "[::1]:0"}) {
    for (const bool offload : {true, false}) run(at, offload, length);
  }
}
