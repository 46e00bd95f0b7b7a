// Chunk indices, ranges of chunks and bins (nodes of the hash tree).
#pragma once
#include <bit>
#include <cstdint>
#include <optional>
#include <span>

#include "base/bytes.hpp"
#include "base/strong.hpp"

namespace runnel::tree {

// Position of a chunk in the content, from 0. Live indices tell their time (unix seconds x 8192) and never repeat.
using ChunkIndex = base::Strong<struct ChunkIndexTag, std::uint64_t>;

// Chunks first..last, both included (RFC 7574 4.1); never empty.
struct ChunkRange {
  ChunkIndex first;
  ChunkIndex last;
  [[nodiscard]] constexpr bool valid() const { return first <= last; }
  [[nodiscard]] constexpr std::uint64_t count() const { return last.value() - first.value() + 1; }
  [[nodiscard]] constexpr bool contains(ChunkIndex i) const { return first <= i && i <= last; }
  [[nodiscard]] constexpr bool contains(ChunkRange r) const { return first <= r.first && r.last <= last; }
  [[nodiscard]] constexpr bool overlaps(ChunkRange r) const { return first <= r.last && r.first <= last; }
  friend constexpr auto operator<=>(const ChunkRange&, const ChunkRange&) = default;
};

// Neighbouring chunks and their bytes, from `first` on; views into somebody else's memory.
struct ChunkRun {
  ChunkIndex first;
  std::span<const base::ByteView> chunks;
  // Of a run that is not empty.
  [[nodiscard]] constexpr ChunkRange range() const { return {first, ChunkIndex{first.value() + chunks.size() - 1}}; }
};

// A node of the hash tree, numbered as in RFC 7574 4.2: leaf i is bin 2i, a parent lies midway between its children.
// Valid for chunk indices below 2^62.
class Bin {
 public:
  constexpr Bin() = default;
  constexpr explicit Bin(std::uint64_t number) : number_(number) {}
  static constexpr Bin leaf(ChunkIndex i) { return Bin{i.value() * 2}; }
  // The node at `layer` (leaves are layer 0) with `offset` nodes to its left.
  static constexpr Bin at(unsigned layer, std::uint64_t offset) { return Bin{(offset << (layer + 1)) + (std::uint64_t{1} << layer) - 1}; }
  // The node whose leaves are exactly `range`; nullopt when the range is not an aligned power of two.
  static constexpr std::optional<Bin> of(ChunkRange range) {
    const std::uint64_t count = range.count();
    if (!range.valid() || !std::has_single_bit(count) || range.first.value() % count != 0) return std::nullopt;
    const auto layer = static_cast<unsigned>(std::countr_zero(count));
    return at(layer, range.first.value() >> layer);
  }
  [[nodiscard]] constexpr std::uint64_t number() const { return number_; }
  [[nodiscard]] constexpr unsigned layer() const { return static_cast<unsigned>(std::countr_one(number_)); }
  [[nodiscard]] constexpr std::uint64_t offset() const { return number_ >> (layer() + 1); }
  [[nodiscard]] constexpr bool is_leaf() const { return (number_ & 1) == 0; }
  [[nodiscard]] constexpr bool is_left() const { return (offset() & 1) == 0; }
  [[nodiscard]] constexpr Bin parent() const { return at(layer() + 1, offset() >> 1); }
  [[nodiscard]] constexpr Bin sibling() const { return at(layer(), offset() ^ 1); }
  [[nodiscard]] constexpr Bin left() const { return at(layer() - 1, offset() << 1); }         // not of a leaf
  [[nodiscard]] constexpr Bin right() const { return at(layer() - 1, (offset() << 1) | 1); }  // not of a leaf
  [[nodiscard]] constexpr ChunkRange range() const {
    const std::uint64_t first = offset() << layer();
    return {ChunkIndex{first}, ChunkIndex{first + (std::uint64_t{1} << layer()) - 1}};
  }
  [[nodiscard]] constexpr bool contains(Bin other) const { return range().contains(other.range()); }
  friend constexpr auto operator<=>(Bin, Bin) = default;

 private:
  std::uint64_t number_ = 0;
};

}  // namespace runnel::tree

template <>
struct std::hash<runnel::tree::Bin> {
  std::size_t operator()(runnel::tree::Bin b) const noexcept { return std::hash<std::uint64_t>{}(b.number()); }
};
