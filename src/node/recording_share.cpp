#include "node/recording_share.hpp"

#include <utility>

#include "core/swarm/metadata.hpp"
#include "crypto/openssl.hpp"
#include "net/clock.hpp"

namespace runnel::node {

RecordingShare::RecordingShare(std::vector<LiveRecording::File> files, std::filesystem::path cache_folder)
    : thread_([this, files = std::move(files), cache_folder = std::move(cache_folder)] {
        result_ = hash(files, cache_folder);
        done_.store(true, std::memory_order_release);
      }) {}

RecordingShare::~RecordingShare() { cancelled_ = true; }

RecordingShare::Result RecordingShare::hash(const std::vector<LiveRecording::File>& files, const std::filesystem::path& cache_folder) {
  std::vector<Shared> all;
  for (const LiveRecording::File& file : files) {
    Shared shared{file, crypto::make_hasher(crypto::HashAlgorithm::sha256), nullptr};
    const store::Progress progress{{}, [this] { return cancelled_.load(); }};
    auto opened =
        store::StaticStore::open_seed({file.path, cache_folder, swarm::kDefaultChunkSize, progress}, *shared.hasher, net::steady_now());
    if (!opened) return std::unexpected(message(opened.error()));
    shared.store = std::move(*opened);
    all.push_back(std::move(shared));
  }
  return all;
}

std::optional<RecordingShare::Result> RecordingShare::poll() {
  if (!done_.load(std::memory_order_acquire)) return std::nullopt;
  return std::exchange(result_, std::nullopt);
}

}  // namespace runnel::node
