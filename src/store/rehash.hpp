// Hashing what is on the disk: a whole file into a new tree, or claimed chunks against the tree that is there.
#pragma once
#include <bit>
#include <cstdint>
#include <expected>
#include <vector>

#include "base/bytes.hpp"
#include "core/tree/interval_set.hpp"
#include "core/tree/types.hpp"
#include "crypto/hash.hpp"
#include "store/error.hpp"
#include "store/file.hpp"
#include "store/static_store.hpp"
#include "store/tree_file.hpp"

namespace runnel::store {

constexpr std::uint64_t chunks_in(std::uint64_t bytes, std::uint32_t chunk_size) { return (bytes + chunk_size - 1) / chunk_size; }
// The root of a tree over that many chunks, at least one (RFC 7574 5.1: leaves padded to a power of two).
constexpr tree::Bin root_bin(std::uint64_t chunks) { return tree::Bin::at(static_cast<unsigned>(std::bit_width(chunks - 1)), 0); }

// What both jobs work on; all outlive the job.
struct HashJob {
  const File& media;
  TreeFile& tree;
  crypto::Hasher& hasher;
  std::uint32_t chunk_size = 0;      // bytes
  std::uint64_t size = 0;            // bytes of the media file, at least 1
  const Progress& progress;
};

// Chunks of a file in rising order, read in larger pieces; calls the progress functions.
class ChunkReader {
 public:
  // `total_bytes` is what progress is reported of.
  ChunkReader(const HashJob& job, std::uint64_t total_bytes);
  // The view lives until the next call. Shorter than it should be where the file has been cut. Faults: cancelled, io_failed.
  std::expected<base::ByteView, Error> read(tree::ChunkIndex index);
  [[nodiscard]] std::uint64_t expected_bytes(tree::ChunkIndex index) const;
  [[nodiscard]] std::uint64_t chunks_read() const { return chunks_read_; }

 private:
  const HashJob& job_;
  std::uint64_t total_bytes_;
  std::uint64_t done_bytes_ = 0;
  std::uint64_t reported_bytes_ = 0;
  std::uint64_t chunks_read_ = 0;
  base::Bytes buffer_;
  std::uint64_t buffer_offset_ = 0;
  std::size_t buffer_size_ = 0;
};

// Hashes the whole file into the tree, level by level as it goes, and returns the root. Faults: cancelled, changed_on_disk (shorter
// than `size`), disk_full, io_failed.
std::expected<crypto::Digest, Error> build_tree(const HashJob& job);

struct Recheck {
  tree::IntervalSet good;
  std::uint64_t hashed_chunks = 0;
};
// Which of the claimed chunks are what the tree under `root` says: each leaf's hash, and each node's on the way to the root. Nodes that
// are missing are made again from what lies below them. Chunks in `trusted` are not hashed; their nodes are checked all the
// same. Faults: cancelled, io_failed.
std::expected<Recheck, Error> recheck(const HashJob& job, const crypto::Digest& root, const tree::IntervalSet& claimed,
                                      const tree::IntervalSet& trusted);

}  // namespace runnel::store
