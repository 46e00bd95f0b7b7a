// The blocks of an input that were read last. A demuxer reads in small pieces and comes back to the same places; what
// lies below may be a network away.
#pragma once
#include <cstdint>
#include <expected>
#include <list>
#include <unordered_map>

#include "media_helper/random_reader.hpp"

namespace runnel::media_helper {

// Blocks are fetched alone after a jump, and in runs that double (up to kMaxRun) while reading goes on in order, with the next run
// announced meanwhile: a seek costs one block, a segment few round trips. One owner, one thread.
class BlockCache {
 public:
  static constexpr std::size_t kBlock = 64U << 10;
  static constexpr std::size_t kMaxBlocks = 256;   // 16 MiB: the audio of a segment lies between its video, and is cut after it
  static constexpr std::size_t kMaxRun = 4;        // 256 KiB: 0.1 s of a 20 Mb/s network, many round trips' worth

  explicit BlockCache(RandomReader& reader) : reader_(reader) {}
  [[nodiscard]] std::uint64_t size() const { return reader_.size(); }
  // At least one byte, at most into.size(); 0 at the end.
  [[nodiscard]] std::expected<std::size_t, ReadError> read(std::uint64_t offset, base::MutableByteView into);

 private:
  struct Block {
    std::uint64_t number = 0;
    base::Bytes bytes;
  };
  using Blocks = std::list<Block>;   // newest first
  std::expected<Blocks::iterator, ReadError> fetch(std::uint64_t number);
  [[nodiscard]] std::size_t run_from(std::uint64_t number) const;
  void store(std::uint64_t number, base::ByteView bytes);

  RandomReader& reader_;
  Blocks blocks_;
  std::unordered_map<std::uint64_t, Blocks::iterator> by_number_;
  std::uint64_t next_ = ~std::uint64_t{0};   // where reading in order would go on
  std::size_t run_ = 1;
};

}  // namespace runnel::media_helper
