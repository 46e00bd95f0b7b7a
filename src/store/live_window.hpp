// The last minute or so of a live swarm, in memory.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "base/bytes.hpp"
#include "core/tree/types.hpp"

namespace runnel::store {

struct LiveWindowLimits {
  std::uint64_t span_chunks = 60 * 8192;       // indices from the oldest to the newest: 60 s at 8192 indices a second
  std::uint64_t max_bytes = 96ULL << 20;       // memory for payload, in whole slabs; 60 s of 12.5 Mb/s
};

enum class PutResult {
  stored,
  duplicate,   // held already; the bytes held stay
  too_old,     // before the window, or the oldest of a window that is full
  too_large,   // empty, longer than kMaxChunkBytes, or longer than the whole window
};

// Verified chunks by index, of variable length, with gaps. Payload is appended to slabs of 64 KiB that are reused, so a
// chunk costs its bytes and some 10 to 30 more. put(), get() and drop_before() take constant time but for the chunks they drop.
// One owner, not thread-safe. Only verified chunks may be put: a wrong index far ahead would empty the window.
class LiveWindow {
 public:
  static constexpr std::size_t kMaxChunkBytes = 65'535;  // more than a UDP datagram carries

  explicit LiveWindow(LiveWindowLimits limits = {});

  // Copies the bytes. An index ahead moves the window; the oldest chunks are dropped when it is full.
  PutResult put(tree::ChunkIndex index, base::ByteView bytes);
  // The view lives until the next put(), drop_before() or clear().
  [[nodiscard]] std::optional<base::ByteView> get(tree::ChunkIndex index) const;
  [[nodiscard]] bool has(tree::ChunkIndex index) const;
  // The longest run of held chunks that contains `index`; nullopt if it is not held.
  [[nodiscard]] std::optional<tree::ChunkRange> run_around(tree::ChunkIndex index) const;
  // Runs of held chunks that overlap `within`, clipped to it, in order, at most `limit`.
  [[nodiscard]] std::vector<tree::ChunkRange> runs(tree::ChunkRange within, std::size_t limit) const;
  // The first held chunk at or after `index`.
  [[nodiscard]] std::optional<tree::ChunkIndex> next(tree::ChunkIndex index) const;
  void drop_before(tree::ChunkIndex index);
  void clear();

  [[nodiscard]] std::optional<tree::ChunkIndex> oldest() const;
  [[nodiscard]] std::optional<tree::ChunkIndex> newest() const;
  [[nodiscard]] std::uint64_t chunks() const { return chunks_; }
  [[nodiscard]] std::uint64_t payload_bytes() const { return payload_bytes_; }
  [[nodiscard]] std::uint64_t memory_bytes() const;   // slabs, blocks and tables, free ones included

 private:
  static constexpr std::size_t kSlabBytes = 65'536;
  static constexpr std::uint64_t kBlockChunks = 64;
  static constexpr std::uint32_t kNone = 0xffff'ffff;

  struct Place {
    std::uint32_t slab;
    std::uint16_t offset;
    std::uint16_t length;
  };
  struct Block {                        // 64 neighbouring indices
    std::uint64_t number = 0;           // index / 64
    std::uint64_t present = 0;          // bit i: index number * 64 + i is held
    std::array<Place, kBlockChunks> places;
  };
  struct Slab {
    std::unique_ptr<std::byte[]> bytes;
    std::uint32_t used = 0;
    std::uint32_t live = 0;             // chunks still in it
  };

  [[nodiscard]] const Block* find(std::uint64_t number) const;
  Block& find_or_make(std::uint64_t number);
  [[nodiscard]] std::optional<std::uint32_t> slab_with_room(std::size_t size);
  void drop_bits(Block& block, std::uint64_t mask);
  void free_block(std::uint64_t number);
  bool make_room(std::size_t size, tree::ChunkIndex newcomer);

  LiveWindowLimits limits_;
  std::size_t max_slabs_;
  std::vector<std::uint32_t> ring_;     // block number modulo its size -> place in blocks_, or kNone
  std::vector<std::unique_ptr<Block>> blocks_;
  std::vector<std::uint32_t> free_blocks_;
  std::vector<Slab> slabs_;
  std::vector<std::uint32_t> free_slabs_;
  std::uint32_t open_slab_ = kNone;
  std::uint64_t low_ = 0;               // nothing below is held or taken
  std::uint64_t first_block_ = 0;       // no block in use is below
  std::uint64_t newest_ = 0;            // only if chunks_ > 0
  std::uint64_t chunks_ = 0;
  std::uint64_t payload_bytes_ = 0;
};

}  // namespace runnel::store
