// What becomes of a cast's recording when the stream has ended: each file is hashed, to be shared as a static swarm.
#pragma once
#include <atomic>
#include <expected>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "crypto/hash.hpp"
#include "node/live_stream.hpp"
#include "store/background.hpp"
#include "store/static_store.hpp"

namespace runnel::node {

// Hashing takes a second or two for each gigabyte: it has a thread of its own. Owned by the service thread.
class RecordingShare {
 public:
  struct Shared {
    LiveRecording::File file;
    std::unique_ptr<crypto::Hasher> hasher;
    std::unique_ptr<store::StaticStore> store;
  };
  using Result = std::expected<std::vector<Shared>, std::string>;   // the error is a text for the user

  RecordingShare(std::vector<LiveRecording::File> files, std::filesystem::path cache_folder);
  // Gives up what is not done yet, and waits until it has.
  ~RecordingShare();
  RecordingShare(const RecordingShare&) = delete;
  RecordingShare& operator=(const RecordingShare&) = delete;

  // All files, once they are hashed; then nothing more.
  [[nodiscard]] std::optional<Result> poll();

 private:
  store::Background::Result hash(const std::vector<LiveRecording::File>& files, const std::filesystem::path& cache_folder);

  std::atomic<bool> cancelled_ = false;
  std::vector<Shared> shared_;   // the job's until it is done
  store::Background job_;
};

}  // namespace runnel::node
