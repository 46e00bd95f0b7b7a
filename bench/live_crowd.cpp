// Many viewers of one live stream in one process, each with an engine, a sealer and a socket of its own, that take everything from the
// caster and give nothing: what a caster does when nobody helps it. Each hashes and opens all that comes; a signature that one of them has
// found good is good for all, and each thread has a turn at many of them every few milliseconds, since the viewers' processors are not what
// is measured.
//
//   bench_live_crowd LINK CASTER_ADDRESS VIEWERS WARM_UP_S SECONDS
//
// Prints one JSON object: {"viewers":..., "records":..., "in_time":..., "p50_ms":..., "p99_ms":..., "p999_ms":...}. A delay is from the
// time that the record carries (the same clock here) to the moment it is verified and in order; in_time is the share that came within 300
// ms, of all records that any viewer saw, times the viewers.
#include <malloc.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <unordered_set>
#include <vector>

#include "base/log.hpp"
#include "core/swarm/link.hpp"
#include "core/swarm/sealing_key.hpp"
#include "crypto/openssl.hpp"
#include "crypto/secret_rng.hpp"
#include "crypto/sign.hpp"
#include "media/record.hpp"
#include "net/clock.hpp"
#include "net/engine_loop.hpp"
#include "net/udp_socket.hpp"
#include "node/live_host.hpp"

namespace {

using namespace runnel;

constexpr swarm::SwarmHandle kSwarm{1};
constexpr std::int64_t kInTimeMs = 300;
constexpr std::uint64_t kWindowSeconds = 20;
constexpr base::Duration kBetweenViewers{15'000};  // fewer than the handshakes a second that a node takes
constexpr base::Duration kTurnEach{10'000};  // of a viewer, unless all take longer: what a player would not notice

[[noreturn]] void fail(const std::string& what) {
  std::fprintf(stderr, "bench_live_crowd: %s\n", what.c_str());
  std::exit(1);
}

// A socket to the caster alone, shown under a public address: of such a one nobody asks whom it knows without a certificate, so that
// viewers do not meet.
class ToCaster final : public net::DatagramSocket {
 public:
  ToCaster(std::unique_ptr<net::UdpSocket> socket, const base::Endpoint& caster) : socket_(std::move(socket)), caster_(caster) {}
  static base::Endpoint shown() { return *base::Endpoint::parse("203.0.113.1:6778"); }

  [[nodiscard]] base::Endpoint local() const override { return socket_->local(); }
  [[nodiscard]] NativeHandle native_handle() const override { return socket_->native_handle(); }
  [[nodiscard]] bool has_v6() const override { return socket_->has_v6(); }
  Sent send(std::span<const net::Datagrams> trains) override {
    trains_.assign(trains.begin(), trains.end());
    for (net::Datagrams& train : trains_) train.peer = caster_;
    return socket_->send(trains_);
  }
  std::size_t receive(std::span<const base::MutableByteView> buffers, std::span<net::ReceivedDatagrams> out) override {
    const std::size_t count = socket_->receive(buffers, out);
    for (net::ReceivedDatagrams& train : out.first(count)) train.peer = shown();
    return count;
  }
  [[nodiscard]] const net::SocketStats& stats() const override { return socket_->stats(); }

 private:
  std::unique_ptr<net::UdpSocket> socket_;
  base::Endpoint caster_;
  std::vector<net::Datagrams> trains_;
};

// What one viewer found to be signed, the others need not look into. Of all threads.
class KnownSignatures {
 public:
  [[nodiscard]] bool contains(base::ByteView message, base::ByteView signature) {
    const std::lock_guard lock{mutex_};
    return known_.contains(key(message, signature));
  }
  void add(base::ByteView message, base::ByteView signature) {
    const std::lock_guard lock{mutex_};
    known_.insert(key(message, signature));
  }

 private:
  static std::string key(base::ByteView message, base::ByteView signature) {
    return std::string{base::as_text(message)}.append(base::as_text(signature));
  }
  std::mutex mutex_;
  std::unordered_set<std::string> known_;
};

class SharedVerifier final : public crypto::Verifier {
 public:
  SharedVerifier(crypto::Verifier& verifier, KnownSignatures& known) : verifier_(verifier), known_(known) {}
  [[nodiscard]] bool verify(base::ByteView message, base::ByteView signature) override {
    if (known_.contains(message, signature)) return true;
    if (!verifier_.verify(message, signature)) return false;
    known_.add(message, signature);
    return true;
  }
  [[nodiscard]] std::size_t signature_size() const override { return verifier_.signature_size(); }

 private:
  crypto::Verifier& verifier_;
  KnownSignatures& known_;
};

struct Taken {
  std::uint64_t munro = 0;  // the first chunk
  base::WallTime made;
  std::int64_t delay_us = 0;
};

// In one thread, but for taken(), when no more turns come.
class Viewer final : public net::EngineClient {
 public:
  Viewer(const swarm::Link& link, const base::Bytes& id, const base::Endpoint& caster, std::uint64_t number, KnownSignatures& known) {
    auto socket = net::UdpSocket::open(*base::Endpoint::parse("127.0.0.1:0"));
    if (!socket) fail(message(socket.error()));
    loop_ = std::make_unique<net::EngineLoop>(std::make_unique<ToCaster>(std::move(*socket), caster),
                                              net::EngineLoop::Seeds{number, crypto::os_random_seed(), crypto::os_random_seed()}, *this);
    swarm::AddSwarm add;
    add.swarm = kSwarm;
    add.metadata = swarm::live_metadata(link, id);
    add.metadata.live_window = kWindowSeconds * swarm::kLiveIndicesPerSecond;
    add.sealing = swarm::SealPolicy::required;
    host_ = std::make_unique<node::LiveHost>(*loop_, kSwarm, add.metadata, nullptr,
                                             [this](const node::LiveHost::Munro& munro) { take(munro); });
    add.parts = host_->parts();
    add.parts.certificate_checker = nullptr;
    verifier_ = std::make_unique<SharedVerifier>(*add.parts.verifier, known);
    add.parts.verifier = verifier_.get();
    loop_->post([this, add = std::move(add), key = swarm::sealing_key(id, link.secret)] {
      loop_->sealer().add_swarm(kSwarm, key);
      loop_->input(swarm::SetLimits{0, 0, true});
      loop_->input(add);
      loop_->input(swarm::AddPeers{kSwarm, {ToCaster::shown()}, true});
    });
  }
  void turn() { loop_->turn(); }
  [[nodiscard]] const std::vector<Taken>& taken() const { return taken_; }

  bool load(const swarm::LoadChunks& load, base::Bytes& buffer, std::vector<base::ByteView>& chunks, base::Time now) override {
    return host_->load(load.range, buffer, chunks, now);
  }
  void store(const swarm::StoreChunks& store, base::Time now) override { host_->store(store.runs, now); }
  void on_event(const swarm::Event& event, base::Time now) override { host_->on_event(event, now); }
  std::optional<base::Time> on_idle(base::Time now) override { return host_->on_idle(now); }

 private:
  void take(const node::LiveHost::Munro& munro) {
    const auto record = reader_.feed(munro.bytes, true);
    if (!record || !*record) return;
    taken_.push_back({munro.range.first.value(), (*record)->time, (net::wall_now() - (*record)->time).count()});
  }

  std::unique_ptr<net::EngineLoop> loop_;
  std::unique_ptr<node::LiveHost> host_;
  std::unique_ptr<SharedVerifier> verifier_;
  media::RecordReader reader_;
  std::vector<Taken> taken_;
};

// Viewers who join one after the other and then have their turns, all in one thread.
class Driver {
 public:
  using Join = std::function<std::unique_ptr<Viewer>(std::uint64_t number)>;
  // Those whose numbers, below `count`, are `first` and on by `step`.
  Driver(std::uint64_t first, std::uint64_t step, std::uint64_t count, Join join)
      : thread_([this, first, step, count, join = std::move(join)](const std::stop_token& over) {
          const base::Time began = net::steady_now();
          std::uint64_t next = first;
          while (!over.stop_requested()) {
            const base::Time now = net::steady_now();
            for (; next < count && now - began >= static_cast<std::int64_t>(next) * kBetweenViewers; next += step)
              viewers_.push_back(join(next));
            for (const auto& viewer : viewers_) viewer->turn();
            std::this_thread::sleep_for(now + kTurnEach - net::steady_now());
          }
        }) {}
  void stop() {
    thread_.request_stop();
    thread_.join();
  }
  // After stop().
  [[nodiscard]] const std::vector<std::unique_ptr<Viewer>>& viewers() const { return viewers_; }

 private:
  std::vector<std::unique_ptr<Viewer>> viewers_;
  std::jthread thread_;
};

double at_share(const std::vector<std::int64_t>& sorted_us, double share) {
  if (sorted_us.empty()) return 0;
  return static_cast<double>(sorted_us[static_cast<std::size_t>(share * static_cast<double>(sorted_us.size() - 1))]) / 1000;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 6) fail("LINK CASTER_ADDRESS VIEWERS WARM_UP_S SECONDS");
  const auto link = swarm::parse_link(argv[1]);
  const auto caster = base::Endpoint::parse(argv[2]);
  if (!link || !caster) fail("a link or an address does not parse");
  const auto id = crypto::expand_key(link->id_bytes);
  if (!id) fail("the link is not of a live stream");
  const auto count = std::strtoull(argv[3], nullptr, 10);
  ::mallopt(M_TRIM_THRESHOLD, 1 << 30);  // pages that are given back come back zeroed: a tenth of all that the viewers took
  ::mallopt(M_MMAP_THRESHOLD, 1 << 26);
  KnownSignatures known;
  const std::uint64_t threads = std::max(1U, std::thread::hardware_concurrency());
  std::vector<std::unique_ptr<Driver>> drivers;
  for (std::uint64_t i = 0; i < threads; ++i) {
    drivers.push_back(std::make_unique<Driver>(
        i, threads, count, [&](std::uint64_t number) { return std::make_unique<Viewer>(*link, *id, *caster, number, known); }));
  }
  std::this_thread::sleep_for(static_cast<std::int64_t>(count) * kBetweenViewers +
                              std::chrono::seconds{std::strtoll(argv[4], nullptr, 10)});
  const base::WallTime from = net::wall_now();
  std::puts("measuring");  // whoever started us looks at the caster's processor time from here to the end
  std::fflush(stdout);
  std::this_thread::sleep_for(std::chrono::seconds{std::strtoll(argv[5], nullptr, 10)});
  const base::WallTime until = net::wall_now() - std::chrono::milliseconds{kInTimeMs};
  for (const auto& driver : drivers) driver->stop();

  std::map<std::uint64_t, std::size_t> seen;  // by record: how many viewers had it
  std::vector<std::int64_t> delays_us;
  for (const auto& driver : drivers) {
    for (const auto& viewer : driver->viewers()) {
      for (const Taken& taken : viewer->taken()) {
        if (taken.made < from || taken.made > until) continue;
        ++seen[taken.munro];
        delays_us.push_back(taken.delay_us);
      }
    }
  }
  std::ranges::sort(delays_us);
  const auto in_time = std::ranges::upper_bound(delays_us, kInTimeMs * 1000) - delays_us.begin();
  const double of = static_cast<double>(seen.size() * count);
  std::printf("{\"viewers\":%zu,\"records\":%zu,\"in_time\":%.5f,\"p50_ms\":%.1f,\"p99_ms\":%.1f,\"p999_ms\":%.1f}\n",
              static_cast<std::size_t>(count), seen.size(), of > 0 ? static_cast<double>(in_time) / of : 0, at_share(delays_us, 0.5),
              at_share(delays_us, 0.99), at_share(delays_us, 0.999));
}
