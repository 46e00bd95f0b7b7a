#include "store/cache.hpp"

#include <algorithm>
#include <string>
#include <string_view>

#include "store/file.hpp"

namespace runnel::store {
namespace {

// Entries are known by their names; anything else in the folder is left alone.
constexpr std::string_view kSeedPrefix = "seed-";
constexpr std::string_view kSwarmPrefix = "swarm-";
constexpr std::string_view kRemovedPrefix = "removed-";   // what a crash kept from being removed whole

// Space on disk of a plain folder's files. A file that goes meanwhile counts nothing.
std::uint64_t bytes_in(const std::filesystem::path& folder) {
  std::uint64_t bytes = 0;
  std::error_code error;
  for (auto at = std::filesystem::directory_iterator(folder, error); !error && at != std::filesystem::directory_iterator{};
       at.increment(error)) {
    if (const auto file = File::open(at->path(), OpenMode::read)) bytes += file->allocated_bytes();
  }
  return bytes;
}

}  // namespace

std::expected<Cache, Error> Cache::open(const std::filesystem::path& folder, std::uint64_t quota_bytes) {
  if (auto made = make_folders(folder); !made) return std::unexpected(made.error());
  return Cache(folder, quota_bytes);
}

std::expected<CachePlace, Error> Cache::place_for(const crypto::Digest& root, std::uint32_t chunk_size) {
  const std::filesystem::path entry = folder_ / (std::string{kSwarmPrefix} + base::to_hex(root.view()) + '-' + std::to_string(chunk_size));
  if (auto made = make_folders(entry); !made) return std::unexpected(made.error());
  return CachePlace{.file = entry / "media", .index_folder = entry};
}

std::expected<std::vector<CacheEntry>, Error> Cache::list() const {
  std::vector<CacheEntry> entries;
  std::error_code error;
  auto at = std::filesystem::directory_iterator(folder_, error);
  for (; !error && at != std::filesystem::directory_iterator{}; at.increment(error)) {
    const std::string name = at->path().filename().string();
    if (!name.starts_with(kSeedPrefix) && !name.starts_with(kSwarmPrefix)) continue;
    CacheEntry entry{.folder = at->path(), .bytes = bytes_in(at->path())};
    if (auto lock = File::open(at->path() / "lock", OpenMode::read)) {
      entry.in_use = !lock->lock(false);
      if (const auto identity = lock->identity()) {
        entry.last_used = std::chrono::system_clock::time_point{
            std::chrono::duration_cast<std::chrono::system_clock::duration>(std::chrono::nanoseconds{identity->modified_ns})};
      }
    }
    entries.push_back(std::move(entry));
  }
  if (error) return std::unexpected(error_from_errno(error.value(), folder_));
  std::ranges::sort(entries, {}, &CacheEntry::last_used);
  return entries;
}

std::expected<std::uint64_t, Error> Cache::evict() {
  const auto entries = list();
  if (!entries) return std::unexpected(entries.error());
  std::uint64_t total = 0;
  for (const CacheEntry& entry : *entries) total += entry.bytes;
  std::uint64_t freed = 0;
  std::error_code error;
  for (const CacheEntry& entry : *entries) {
    if (total - freed <= quota_bytes_) break;
    if (entry.in_use) continue;
    // Held until the folder is gone under its name, so that nobody opens what is half removed.
    const auto lock = lock_folder(entry.folder, false, entry.folder);
    if (!lock) continue;
    const std::filesystem::path removed = folder_ / (std::string{kRemovedPrefix} + entry.folder.filename().string());
    std::filesystem::remove_all(removed, error);
    std::filesystem::rename(entry.folder, removed, error);
    if (!error) freed += entry.bytes;
  }
  auto at = std::filesystem::directory_iterator(folder_, error);
  for (; !error && at != std::filesystem::directory_iterator{}; at.increment(error)) {
    std::error_code ignored;   // another process may be at it as well
    if (at->path().filename().string().starts_with(kRemovedPrefix)) std::filesystem::remove_all(at->path(), ignored);
  }
  return freed;
}

}  // namespace runnel::store
