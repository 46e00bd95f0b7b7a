// What the file store itself costs: chunks and their tree nodes written, committed and read, with a hash that costs nothing.
// Usage: bench_store_throughput [FOLDER] [MEGABYTES]
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "base/rng.hpp"
#include "store/static_store.hpp"

namespace {

using namespace runnel;
using Clock = std::chrono::steady_clock;

class NoHash final : public crypto::Hasher {
 public:
  [[nodiscard]] crypto::HashAlgorithm algorithm() const override { return crypto::HashAlgorithm::sha256; }
  [[nodiscard]] crypto::Digest hash(base::ByteView data) override { return of(data.size()); }
  [[nodiscard]] crypto::Digest hash_pair(const crypto::Digest& left, const crypto::Digest& right) override {
    return of(base::load_big_endian<std::uint64_t>(left.view().data()) ^ base::load_big_endian<std::uint64_t>(right.view().data()));
  }

 private:
  static crypto::Digest of(std::uint64_t value) {
    crypto::Digest digest(32);
    base::store_big_endian(digest.mutable_view().data(), base::mix64(value));
    return digest;
  }
};

base::Time now() { return base::Time{std::chrono::duration_cast<base::Duration>(Clock::now().time_since_epoch())}; }

void report(const char* what, std::uint64_t bytes, Clock::time_point start) {
  const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
  std::printf("%-44s %8.0f MB/s\n", what, static_cast<double>(bytes) / seconds / 1e6);
}

}  // namespace

int main(int argc, char** argv) {
  const std::filesystem::path folder = argc > 1 ? argv[1] : std::filesystem::temp_directory_path();
  const std::uint64_t bytes = (argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 500) * 1'000'000;
  const std::filesystem::path file = folder / "runnel-bench.bin";
  constexpr std::uint32_t kChunk = 1080;
  constexpr std::uint64_t kBatch = 32;
  NoHash hasher;
  crypto::Digest root(32);
  {
    auto store = store::StaticStore::open_download({.file = file, .root = root, .chunk_size = kChunk, .size = bytes}, hasher, now());
    if (!store) {
      std::fprintf(stderr, "%s\n", message(store.error()).c_str());
      return 1;
    }
    const base::Bytes content(kBatch * kChunk, std::byte{7});
    std::vector<base::ByteView> views;
    for (std::uint64_t i = 0; i < kBatch; ++i) views.push_back(base::ByteView{content}.subspan(i * kChunk, kChunk));
    const std::uint64_t whole_batches = bytes / kChunk / kBatch;
    auto start = Clock::now();
    for (std::uint64_t b = 0; b < whole_batches; ++b) {
      for (std::uint64_t bin = 2 * b * kBatch; bin < 2 * (b + 1) * kBatch; ++bin) (*store)->nodes().put(tree::Bin{bin}, hasher.hash({}));
      const auto written = (*store)->write(tree::ChunkIndex{b * kBatch}, views, now());
      const auto committed = (*store)->commit(now());
      if (!written || !committed) {
        std::fprintf(stderr, "%s\n", message(written ? committed.error() : written.error()).c_str());
        return 1;
      }
    }
    report("written and committed, 32 chunks at a time", whole_batches * kBatch * kChunk, start);
    std::printf("%-44s %8llu\n", "commits", static_cast<unsigned long long>((*store)->stats().commits));
    start = Clock::now();
    base::Bytes one(kChunk);
    for (std::uint64_t i = 0; i < whole_batches * kBatch; ++i) static_cast<void>((*store)->read(i * kChunk, one, now()));
    report("read chunk by chunk", whole_batches * kBatch * kChunk, start);
    start = Clock::now();
    static_cast<void>((*store)->close());
    std::printf("%-44s %8.0f ms\n", "closed", std::chrono::duration<double, std::milli>(Clock::now() - start).count());
  }
  const auto start = Clock::now();
  {
    const auto seed =
        store::StaticStore::open_seed({.file = file, .cache_folder = folder / "runnel-bench-cache", .chunk_size = kChunk}, hasher, now());
    if (seed) report("tree of a whole file, hashing apart", bytes, start);
  }
  std::filesystem::remove_all(folder / "runnel-bench-cache");
  std::filesystem::remove_all(store::index_folder_beside(file));
  std::filesystem::remove(file);
}
