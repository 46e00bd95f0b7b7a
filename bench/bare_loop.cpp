// The least that moving chunks costs on this machine: one thread reads a file, (seals) and sends; the other receives, (opens), hashes
// each chunk and one parent, and writes a file. No protocol, no tree, no loss: what Runnel is measured against.
//
//   bench_bare_loop FILE COPY [--seal] [--no-files] [--rate MB/S] [--rounds N]
//
// Prints one JSON object per round: {"kind":..., "mb_per_s":..., "cpu_s_per_gb":...}, times from the first chunk to the last.
#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "crypto/openssl.hpp"
#include "net/sealed_channel.hpp"
#include "net/udp_socket.hpp"

namespace {

using namespace runnel;
using Clock = std::chrono::steady_clock;

constexpr std::size_t kChunk = 1080;
constexpr std::size_t kHeader = 21;                  // channel id and the head of a DATA message, as Runnel's datagrams have them
constexpr std::size_t kDatagram = kHeader + kChunk;
constexpr std::size_t kTrain = 44;                   // datagrams to a system call's message, as Runnel's
constexpr std::size_t kTrains = 4;                   // to a system call
constexpr std::size_t kWindow = 64 * kTrain;         // datagrams on their way at most; an ACK comes back for each batch that was read
constexpr std::array<std::byte, 32> kSecret{};

struct Options {
  std::string file, copy;
  bool seal = false;
  bool files = true;
  double rate = 0;   // bytes per second; 0: as fast as it goes
  int rounds = 1;
};

[[noreturn]] void fail(const std::string& what) {
  std::perror(what.c_str());
  std::exit(1);
}

void wait_for(const net::UdpSocket& socket, short events) {
  pollfd waited{.fd = static_cast<int>(socket.native_handle()), .events = events, .revents = 0};
  ::poll(&waited, 1, 1000);
}

std::unique_ptr<net::UdpSocket> open_socket() {
  auto socket = net::UdpSocket::open(*base::Endpoint::parse("127.0.0.1:0"));
  if (!socket) fail(message(socket.error()));
  return std::move(*socket);
}

net::SealedSender make_sender() { return {crypto::SealAlgorithm::aes_128_gcm, kSecret}; }

// Sends what was read, so many datagrams ahead of what was acknowledged.
class Sender {
 public:
  Sender(const Options& options, std::uint64_t chunks, net::UdpSocket& socket, const base::Endpoint& to)
      : options_(options), chunks_(chunks), socket_(socket), to_(to), sealer_(make_sender()) {
    if (options.files && (fd_ = ::open(options.file.c_str(), O_RDONLY | O_CLOEXEC)) < 0) fail(options.file);
  }
  ~Sender() { ::close(fd_); }

  void run() {
    const Clock::time_point start = Clock::now();
    for (std::uint64_t next = 0; next < chunks_;) {
      while (next - acked_ + kTrain > kWindow) read_acks();
      pace(start, next);
      next += send_batch(next);
    }
    while (acked_ < chunks_) read_acks();
  }

 private:
  void pace(Clock::time_point start, std::uint64_t next) const {
    if (options_.rate > 0)
      std::this_thread::sleep_until(start + std::chrono::duration_cast<Clock::duration>(
                                                std::chrono::duration<double>(static_cast<double>(next * kChunk) / options_.rate)));
  }
  std::uint64_t send_batch(std::uint64_t first) {
    const std::uint64_t room = std::min<std::uint64_t>(kWindow - (first - acked_), kTrain * kTrains);
    const std::uint64_t count = std::min(room, chunks_ - first);
    if (options_.files && ::pread(fd_, read_.data(), count * kChunk, static_cast<off_t>(first * kChunk)) < 0) fail("pread");
    std::vector<net::Datagrams>& trains = trains_;
    trains.clear();
    const std::size_t size = kDatagram + (options_.seal ? net::kSealedOverhead : 0);
    std::array<std::byte, kDatagram> plain{};
    std::byte* out = wire_.data();
    for (std::uint64_t i = 0; i < count; ++i) {
      std::byte* const at = options_.seal ? plain.data() : out;
      base::store_big_endian(at + 4, first + i);
      std::memcpy(at + kHeader, read_.data() + i * kChunk, kChunk);
      if (options_.seal) sealer_.seal(plain, {out, size});
      if (i % kTrain == 0) trains.push_back({to_, {out, 0}, static_cast<std::uint16_t>(size)});
      trains.back().bytes = {trains.back().bytes.data(), trains.back().bytes.size() + size};
      out += size;
    }
    for (std::span<const net::Datagrams> rest{trains}; !rest.empty();) {
      const auto sent = socket_.send(rest);
      rest = rest.subspan(sent.trains);
      if (!rest.empty()) {
        if (sent.bytes_of_next > 0) fail("a train was cut");
        wait_for(socket_, POLLOUT);
      }
    }
    return count;
  }
  void read_acks() {
    std::array<std::byte, net::kReceiveBufferBytes> buffer;
    const base::MutableByteView view{buffer};
    net::ReceivedDatagrams got;
    if (socket_.receive({&view, 1}, {&got, 1}) == 0) {
      wait_for(socket_, POLLIN);
      return;
    }
    for (std::size_t i = 0; i < got.count(); ++i) acked_ = std::max(acked_, base::load_big_endian<std::uint64_t>(got.datagram(i).data()));
  }

  const Options& options_;
  std::uint64_t chunks_;
  net::UdpSocket& socket_;
  base::Endpoint to_;
  net::SealedSender sealer_;
  int fd_ = -1;
  std::uint64_t acked_ = 0;
  std::vector<net::Datagrams> trains_;
  std::vector<std::byte> read_ = std::vector<std::byte>(kTrain * kTrains * kChunk);
  std::vector<std::byte> wire_ = std::vector<std::byte>(kTrain * kTrains * (kDatagram + net::kSealedOverhead));
};

// Hashes and writes what comes, and says how far it is.
class Receiver {
 public:
  Receiver(const Options& options, std::uint64_t chunks, net::UdpSocket& socket, const base::Endpoint& to)
      : options_(options), chunks_(chunks), socket_(socket), to_(to), opener_(crypto::SealAlgorithm::aes_128_gcm, kSecret) {
    if (options.files && (fd_ = ::open(options.copy.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644)) < 0) fail(options.copy);
    for (auto& buffer : buffers_) views_.emplace_back(buffer);
  }
  ~Receiver() { ::close(fd_); }

  void run() {
    std::vector<net::ReceivedDatagrams> got(buffers_.size());
    while (done_ < chunks_) {
      const std::size_t trains = socket_.receive(views_, got);
      if (trains == 0) {
        wait_for(socket_, POLLIN);
        continue;
      }
      if (done_ == 0) first_ = Clock::now();
      for (std::size_t t = 0; t < trains; ++t) {
        for (std::size_t i = 0; i < got[t].count(); ++i) take(got[t].datagram(i));
      }
      write();
      std::array<std::byte, sizeof done_> ack;
      base::store_big_endian(ack.data(), done_);
      const net::Datagrams datagram{to_, ack};
      socket_.send({&datagram, 1});
    }
    last_ = Clock::now();
  }
  [[nodiscard]] double seconds() const { return std::chrono::duration<double>(last_ - first_).count(); }

 private:
  void take(base::MutableByteView datagram) {
    if (options_.seal) {
      const auto opened = opener_.open(datagram);
      if (!opened) fail("a datagram does not open");
      datagram = *opened;
    }
    const base::ByteView chunk = datagram.subspan(kHeader);
    const crypto::Digest leaf = hasher_->hash(chunk);
    parent_ = hasher_->hash_pair(parent_, leaf);
    gathered_.push_back({const_cast<std::byte*>(chunk.data()), chunk.size()});
    ++done_;
  }
  void write() {
    constexpr std::size_t kMost = 1024;   // IOV_MAX
    for (std::size_t at = 0; options_.files && at < gathered_.size(); at += kMost) {
      const int count = static_cast<int>(std::min(kMost, gathered_.size() - at));
      if (::pwritev(fd_, gathered_.data() + at, count, static_cast<off_t>(written_)) < 0) fail("pwritev");
      written_ += static_cast<std::uint64_t>(count) * kChunk;
    }
    gathered_.clear();
  }

  const Options& options_;
  std::uint64_t chunks_;
  net::UdpSocket& socket_;
  base::Endpoint to_;
  net::SealedReceiver opener_;
  std::unique_ptr<crypto::Hasher> hasher_ = crypto::make_hasher(crypto::HashAlgorithm::sha256);
  crypto::Digest parent_{32};
  int fd_ = -1;
  std::uint64_t done_ = 0;
  std::uint64_t written_ = 0;
  std::array<std::vector<std::byte>, 32> buffers_ = [] {
    std::array<std::vector<std::byte>, 32> made;
    made.fill(std::vector<std::byte>(net::kReceiveBufferBytes));
    return made;
  }();
  std::vector<base::MutableByteView> views_;
  std::vector<iovec> gathered_;
  Clock::time_point first_, last_;
};

double cpu_s() {
  rusage used{};
  ::getrusage(RUSAGE_SELF, &used);
  const auto seconds = [](const timeval& t) { return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6; };
  return seconds(used.ru_utime) + seconds(used.ru_stime);
}

void round(const Options& options) {
  const int fd = ::open(options.file.c_str(), O_RDONLY | O_CLOEXEC);
  const off_t size = fd < 0 ? -1 : ::lseek(fd, 0, SEEK_END);
  if (size < 0) fail(options.file);
  ::close(fd);
  const std::uint64_t chunks = static_cast<std::uint64_t>(size) / kChunk;
  const auto a = open_socket();
  const auto b = open_socket();
  Sender sender{options, chunks, *a, b->local()};
  Receiver receiver{options, chunks, *b, a->local()};
  const double before = cpu_s();
  std::thread other{[&] { sender.run(); }};
  receiver.run();
  other.join();
  const double bytes = static_cast<double>(chunks * kChunk);
  std::printf("{\"kind\":\"%s%s\",\"mb_per_s\":%.1f,\"cpu_s_per_gb\":%.3f}\n", options.seal ? "sealed" : "plain",
              options.files ? "" : " without files", bytes / receiver.seconds() / 1e6, (cpu_s() - before) / bytes * 1e9);
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  std::vector<std::string> names;
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    if (word == "--seal")
      options.seal = true;
    else if (word == "--no-files")
      options.files = false;
    else if (word == "--rate" && i + 1 < argc)
      options.rate = std::atof(argv[++i]) * 1e6;
    else if (word == "--rounds" && i + 1 < argc)
      options.rounds = std::atoi(argv[++i]);
    else
      names.emplace_back(word);
  }
  if (names.size() != 2) {
    std::fprintf(stderr, "bench_bare_loop FILE COPY [--seal] [--no-files] [--rate MB/S] [--rounds N]\n");
    return 2;
  }
  options.file = names[0];
  options.copy = names[1];
  for (int i = 0; i < options.rounds; ++i) round(options);
}
