#include "node/recording_share.hpp"

#include <utility>

#include "core/swarm/metadata.hpp"
#include "crypto/openssl.hpp"
#include "net/clock.hpp"

namespace runnel::node {

RecordingShare::RecordingShare(std::vector<LiveRecording::File> files, std::filesystem::path cache_folder) {
  job_.start([this, files = std::move(files), cache_folder = std::move(cache_folder)] { return hash(files, cache_folder); });
}

RecordingShare::~RecordingShare() { cancelled_ = true; }

store::Background::Result RecordingShare::hash(const std::vector<LiveRecording::File>& files, const std::filesystem::path& cache_folder) {
  for (const LiveRecording::File& file : files) {
    Shared shared{file, crypto::make_hasher(crypto::HashAlgorithm::sha256), nullptr};
    store::SeedOptions options{.file = file.path, .cache_folder = cache_folder, .chunk_size = swarm::kDefaultChunkSize, .progress = {}};
    options.progress.cancelled = [this] { return cancelled_.load(); };
    auto opened = store::StaticStore::open_seed(options, *shared.hasher, net::steady_now());
    if (!opened) return std::unexpected(opened.error());
    shared.store = std::move(*opened);
    shared_.push_back(std::move(shared));
  }
  return {};
}

std::optional<RecordingShare::Result> RecordingShare::poll() {
  const auto done = job_.poll();
  if (!done) return std::nullopt;
  if (!*done) return std::unexpected(message(done->error()));
  return std::exchange(shared_, {});
}

}  // namespace runnel::node
