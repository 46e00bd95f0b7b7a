// The cache folder: trees of shared files, and downloads that nobody asked to keep. A quota, and what goes first.
#pragma once
#include <chrono>
#include <cstdint>
#include <expected>
#include <filesystem>
#include <string>
#include <vector>

#include "crypto/hash.hpp"
#include "store/error.hpp"

namespace runnel::store {

struct CacheEntry {
  std::filesystem::path folder;
  std::uint64_t bytes = 0;                             // on disk, holes not counted
  std::chrono::system_clock::time_point last_used;     // the file system's clock
  bool in_use = false;                                 // a process has it open
};

// Where a download without a name of its own goes: both go into DownloadOptions.
struct CachePlace {
  std::filesystem::path file;
  std::filesystem::path index_folder;
};

// Each entry is a folder with a lock file. Several processes may use one cache at once. Not thread-safe.
class Cache {
 public:
  // `folder` is made if missing.
  static std::expected<Cache, Error> open(const std::filesystem::path& folder, std::uint64_t quota_bytes);

  [[nodiscard]] const std::filesystem::path& folder() const { return folder_; }   // SeedOptions::cache_folder
  // The folder for it is made.
  [[nodiscard]] std::expected<CachePlace, Error> place_for(const crypto::Digest& root, std::uint32_t chunk_size);
  // Least recently used first.
  [[nodiscard]] std::expected<std::vector<CacheEntry>, Error> list() const;
  // Removes the least recently used entries until the rest fits the quota; never one in use. Returns the bytes freed.
  std::expected<std::uint64_t, Error> evict();

 private:
  Cache(std::filesystem::path folder, std::uint64_t quota_bytes) : folder_(std::move(folder)), quota_bytes_(quota_bytes) {}
  std::filesystem::path folder_;
  std::uint64_t quota_bytes_;
};

}  // namespace runnel::store
