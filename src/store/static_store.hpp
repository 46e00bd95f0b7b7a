// The chunks and the hash tree of one static swarm on disk: the media file in place, an index folder for the rest.
// How it survives kill -9 and power loss: docs/STORE.md and docs/adr/0010-file-store.md.
#pragma once
#include <cstdint>
#include <expected>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/bytes.hpp"
#include "base/time.hpp"
#include "core/tree/node_store.hpp"
#include "core/tree/types.hpp"
#include "crypto/hash.hpp"
#include "store/error.hpp"

namespace runnel::store {

// Hashing a whole file takes seconds per gigabyte: both are called every few megabytes, on the thread that opens.
struct Progress {
  std::function<void(std::uint64_t done_bytes, std::uint64_t total_bytes)> report;   // may be empty
  std::function<bool()> cancelled;                                                    // may be empty; true stops with Fault::cancelled
};

struct SeedOptions {
  std::filesystem::path file;           // what is shared; only read
  std::filesystem::path cache_folder;   // where its tree is kept; made if missing
  std::uint32_t chunk_size = 1080;      // bytes
  Progress progress;
};

struct DownloadOptions {
  std::filesystem::path file;           // made if missing, resumed if it is ours
  std::filesystem::path index_folder;   // empty: index_folder_beside(file)
  crypto::Digest root;                  // the swarm id
  std::uint32_t chunk_size = 1080;      // bytes
  std::optional<std::uint64_t> size;    // bytes, if known
  bool preallocate = false;             // take the space at once instead of growing a sparse file
  Progress progress;                    // used when what is there has to be hashed again
};

// ".NAME.runnel" beside the file.
std::filesystem::path index_folder_beside(const std::filesystem::path& file);

// One owner, not thread-safe; it may be opened on one thread and then used on another. Keeps one thread of its own, which
// only waits for fsync. A failed call leaves what was held before as it was.
class StaticStore {
 public:
  static constexpr std::uint32_t kMinChunkSize = 64;              // bytes; keeps the tree smaller than the file
  static constexpr std::uint32_t kMaxChunkSize = 65'535;          // bytes; more than a UDP datagram carries
  static constexpr std::uint64_t kMaxFileBytes = 1ULL << 50;
  static constexpr base::Duration kCommitInterval{100'000};       // at most so long does a verified chunk stay unclaimed
  static constexpr std::uint64_t kCommitBytes = 640 << 10;        // nor more than so many bytes of them (ADR 10)
  static constexpr base::Duration kSyncInterval{30'000'000};
  static constexpr std::uint64_t kSyncBytes = 512 << 20;
  static constexpr base::Duration kIdentityInterval{1'000'000};   // between looks whether the file changed

  // Shares an existing file. Its tree comes from the folder beside it (a finished download), from the cache, or from
  // hashing it all. Faults: not_found, no_permission, not_a_file, empty_file, cancelled, changed_on_disk (while hashing),
  // disk_full (the cache), in_use (another process is hashing it), io_failed.
  // `hasher` outlives the store and is used by it alone.
  static std::expected<std::unique_ptr<StaticStore>, Error> open_seed(const SeedOptions& options, crypto::Hasher& hasher, base::Time now);

  // Begins or resumes a download. What is claimed afterwards is verified: if the file changed, or after a power loss, it is
  // hashed again first. A whole file that lost its index is hashed and taken over if its root is right. Faults: no_folder,
  // no_permission, not_a_file, disk_full, in_use, exists, other_swarm, wrong_size, cancelled, io_failed.
  static std::expected<std::unique_ptr<StaticStore>, Error> open_download(const DownloadOptions& options, crypto::Hasher& hasher,
                                                                          base::Time now);

  // Closes as close() does, silently.
  ~StaticStore();
  StaticStore(const StaticStore&) = delete;
  StaticStore& operator=(const StaticStore&) = delete;

  [[nodiscard]] const crypto::Digest& root() const;
  [[nodiscard]] std::uint32_t chunk_size() const;
  [[nodiscard]] const std::filesystem::path& file() const;
  [[nodiscard]] bool read_only() const;                            // a seed
  [[nodiscard]] std::optional<std::uint64_t> size() const;         // bytes
  [[nodiscard]] std::optional<std::uint64_t> chunk_count() const;
  // Once the size is proved. Grows the file, sparse or preallocated. Faults: wrong_size, disk_full (when the free space cannot
  // hold the rest), file_too_large, io_failed. Again with the same size is nothing.
  std::expected<void, Error> set_size(std::uint64_t bytes);

  // Verified tree nodes, kept in pages on disk. Put a chunk's nodes before write() of the chunk. An I/O failure behind put() shows
  // in the next commit().
  [[nodiscard]] tree::NodeStore& nodes();

  // Verified chunks, each of chunk_size() bytes but for the file's last one. Commits by itself when kCommitBytes are waiting. Of
  // several runs all are written, or none counts. Faults: size_unknown, wrong_size, read_only, disk_full, file_too_large, io_failed.
  std::expected<void, Error> write(std::span<const tree::ChunkRun> runs, base::Time now);
  std::expected<void, Error> write(tree::ChunkIndex first, std::span<const base::ByteView> chunks, base::Time now) {
    const tree::ChunkRun run{first, chunks};
    return write({&run, 1}, now);
  }
  // Verified bytes from `offset` on: as many as fit, fewer before a gap, 0 at the end of the file. Faults: not_held (not even the
  // first byte), changed_on_disk (until reverify()), io_failed.
  std::expected<std::size_t, Error> read(std::uint64_t offset, base::MutableByteView into, base::Time now);

  [[nodiscard]] std::vector<tree::ChunkRange> verified() const;    // in order, not touching
  [[nodiscard]] std::uint64_t verified_chunks() const;
  [[nodiscard]] bool is_verified(tree::ChunkIndex index) const;
  [[nodiscard]] bool complete() const;
  // Hashes what is held within `range` again and gives up what does not match. Returns what was given up, in order.
  std::expected<std::vector<tree::ChunkRange>, Error> reverify(tree::ChunkRange range, const Progress& progress = {});

  // Does what is due: a commit, a sync mark. On failure everything stays pending and the next call tries again.
  std::expected<void, Error> commit(base::Time now);
  // When commit() has something to do; nullopt while nothing is pending.
  [[nodiscard]] std::optional<base::Time> next_commit() const;
  // Commits and syncs everything; afterwards only the destructor may be called.
  std::expected<void, Error> close();

  // How it went, for logs and tests.
  struct Stats {
    std::uint64_t commits = 0;
    std::uint64_t sync_marks = 0;
    std::uint64_t rehashed_chunks = 0;      // at open and by reverify()
    std::uint64_t given_up_chunks = 0;      // claimed before, but no longer true
    std::uint64_t damaged_tree_pages = 0;
  };
  [[nodiscard]] Stats stats() const;

 private:
  class Impl;
  explicit StaticStore(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace runnel::store
