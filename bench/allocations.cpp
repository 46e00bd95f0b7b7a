// Heap allocations per chunk, once two nodes are well into a file: sockets, sealing, engine and store of both, in one process.
// Prints {"allocations_per_chunk":..., "chunks":...}. Counted is operator new, on the engines' threads; what SQLite takes for its
// commits (one a megabyte) is its own.
//
//   bench_allocations [MEGABYTES]
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <new>
#include <random>

#include "core/swarm/sealing_key.hpp"
#include "crypto/openssl.hpp"
#include "net/clock.hpp"
#include "net/engine_loop.hpp"
#include "net/udp_socket.hpp"
#include "store/static_store.hpp"

namespace {

std::atomic<std::uint64_t> allocations{0};
std::atomic<bool> counting{false};

}  // namespace

void* operator new(std::size_t size) {
  if (counting.load(std::memory_order_relaxed)) allocations.fetch_add(1, std::memory_order_relaxed);
  if (void* const made = std::malloc(size)) return made;
  throw std::bad_alloc{};
}
void operator delete(void* made) noexcept { std::free(made); }
void operator delete(void* made, std::size_t) noexcept { ::operator delete(made); }

namespace {

using namespace runnel;

constexpr swarm::SwarmHandle kSwarm{1};

[[noreturn]] void fail(const std::string& what) {
  std::fprintf(stderr, "bench_allocations: %s\n", what.c_str());
  std::exit(1);
}

// A node's engine and store, and nothing else of it.
class End : public net::EngineClient {
 public:
  explicit End(std::unique_ptr<store::StaticStore> file) : store_(std::move(file)), loop_(open(), seeds(), *this) {}
  ~End() override { loop_.stop(); }

  void start(const swarm::Metadata& metadata) {
    loop_.start();
    loop_.post([this, metadata] {
      loop_.sealer().add_swarm(kSwarm, swarm::sealing_key(metadata.id, {}));
      loop_.input(swarm::AddSwarm{
          kSwarm, metadata, {&store_->nodes(), hasher_.get(), nullptr, nullptr}, store_->verified(), true, swarm::SealPolicy::required});
    });
  }
  void meet(const base::Endpoint& other) {
    loop_.post([this, other] { loop_.input(swarm::AddPeers{kSwarm, {other}, true}); });
  }
  [[nodiscard]] base::Endpoint at() const { return {base::IpAddress::v4({127, 0, 0, 1}), loop_.local().port}; }

  // Called by the receiving end's thread with the number of chunks stored so far.
  std::function<void(std::uint64_t)> on_stored;
  std::function<void()> on_complete;

 private:
  static std::unique_ptr<net::DatagramSocket> open() {
    auto socket = net::UdpSocket::open(*base::Endpoint::parse("127.0.0.1:0"));
    if (!socket) fail(message(socket.error()));
    return std::move(*socket);
  }
  static net::EngineLoop::Seeds seeds() { return {1, crypto::os_random_seed(), crypto::os_random_seed()}; }

  bool load(const swarm::LoadChunks& load, base::Bytes& buffer, std::vector<base::ByteView>& chunks, base::Time now) override {
    const std::uint64_t chunk = store_->chunk_size();
    buffer.resize(load.range.count() * chunk);
    const auto read = store_->read(load.range.first.value() * chunk, buffer, now);
    if (!read) return false;
    for (base::ByteView rest = base::ByteView{buffer}.first(*read); !rest.empty(); rest = rest.subspan(chunks.back().size()))
      chunks.push_back(rest.first(std::min<std::size_t>(chunk, rest.size())));
    return true;
  }
  void store(const swarm::StoreChunks& store, base::Time now) override {
    if (!store_->write(store.runs, now)) fail("the disk");
    for (const tree::ChunkRun& run : store.runs) stored_ += run.chunks.size();
    on_stored(stored_);
  }
  void on_event(const swarm::Event& event, base::Time) override {
    if (std::holds_alternative<swarm::Completed>(event) && on_complete) on_complete();
  }
  std::optional<base::Time> on_idle(base::Time now) override {
    if (const auto due = store_->next_commit(); due && *due <= now) static_cast<void>(store_->commit(now));
    return std::nullopt;
  }

  std::unique_ptr<crypto::Hasher> hasher_ = crypto::make_hasher(crypto::HashAlgorithm::sha256);
  std::unique_ptr<store::StaticStore> store_;
  std::uint64_t stored_ = 0;
  net::EngineLoop loop_;
};

}  // namespace

int main(int argc, char** argv) {
  const std::uint64_t megabytes = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 200;
  char folder_name[] = "/tmp/runnel-allocations-XXXXXX";
  if (::mkdtemp(folder_name) == nullptr) fail("no folder for temporary files");
  const std::filesystem::path folder = folder_name;
  {
    std::ofstream file{folder / "source.bin", std::ios::binary};
    std::minstd_rand random{1};
    std::vector<std::uint32_t> block(250'000);
    for (std::uint64_t i = 0; i < megabytes; ++i) {
      for (auto& word : block) word = static_cast<std::uint32_t>(random());
      file.write(reinterpret_cast<const char*>(block.data()), static_cast<std::streamsize>(block.size() * sizeof(std::uint32_t)));
    }
  }
  const auto hasher = crypto::make_hasher(crypto::HashAlgorithm::sha256);
  auto source =
      store::StaticStore::open_seed({folder / "source.bin", folder / "seed", swarm::kDefaultChunkSize, {}}, *hasher, net::steady_now());
  if (!source) fail(message(source.error()));
  swarm::Metadata metadata;
  metadata.id = base::to_bytes((*source)->root().view());
  metadata.content_bytes = (*source)->size();
  const std::uint64_t chunks = *(*source)->chunk_count();
  store::DownloadOptions options;
  options.file = folder / "copy.bin";
  options.root = (*source)->root();
  options.chunk_size = metadata.chunk_size;
  options.size = metadata.content_bytes;
  const auto other_hasher = crypto::make_hasher(crypto::HashAlgorithm::sha256);
  auto copy = store::StaticStore::open_download(options, *other_hasher, net::steady_now());
  if (!copy) fail(message(copy.error()));

  std::mutex mutex;
  std::condition_variable changed;
  bool complete = false;
  std::uint64_t first = 0;
  std::uint64_t last = 0;
  {
    End seed{std::move(*source)};
    End watcher{std::move(*copy)};
    seed.on_stored = [](std::uint64_t) {};
    watcher.on_stored = [&](std::uint64_t stored) {   // from a third of the file to two thirds
      if (first == 0 && stored >= chunks / 3) {
        first = stored;
        counting = true;
      } else if (last == 0 && stored >= 2 * chunks / 3) {
        counting = false;
        last = stored;
      }
    };
    watcher.on_complete = [&] {
      const std::lock_guard lock{mutex};
      complete = true;
      changed.notify_one();
    };
    seed.start(metadata);
    watcher.start(metadata);
    watcher.meet(seed.at());
    std::unique_lock lock{mutex};
    if (!changed.wait_for(lock, std::chrono::minutes{2}, [&] { return complete; })) fail("the file does not arrive");
  }
  std::filesystem::remove_all(folder);
  std::printf("{\"allocations_per_chunk\":%.5f,\"allocations\":%llu,\"chunks\":%llu}\n",
              static_cast<double>(allocations.load()) / static_cast<double>(last - first),
              static_cast<unsigned long long>(allocations.load()), static_cast<unsigned long long>(last - first));
}
