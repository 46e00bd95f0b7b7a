#include "store/live_window.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

namespace runnel::store {

using tree::ChunkIndex;
using tree::ChunkRange;

namespace {

// Bits from..63 and 0..to, both included.
constexpr std::uint64_t bits_from(std::uint64_t from) { return ~std::uint64_t{0} << from; }
constexpr std::uint64_t bits_to(std::uint64_t to) { return ~std::uint64_t{0} >> (63 - to); }

}  // namespace

LiveWindow::LiveWindow(LiveWindowLimits limits)
    : limits_(limits), max_slabs_(static_cast<std::size_t>(std::max<std::uint64_t>(limits.max_bytes / kSlabBytes, 2))) {
  limits_.span_chunks = std::max<std::uint64_t>(limits_.span_chunks, 1);
  // One more than the span needs, since it may begin and end inside a block.
  ring_.assign(static_cast<std::size_t>((limits_.span_chunks + kBlockChunks - 1) / kBlockChunks + 1), kNone);
}

const LiveWindow::Block* LiveWindow::find(std::uint64_t number) const {
  const std::uint32_t at = ring_[number % ring_.size()];
  return at != kNone && blocks_[at]->number == number ? blocks_[at].get() : nullptr;
}

LiveWindow::Block& LiveWindow::find_or_make(std::uint64_t number) {
  std::uint32_t& at = ring_[number % ring_.size()];
  if (at != kNone) return *blocks_[at];   // within the span no two blocks share a place
  if (free_blocks_.empty()) {
    blocks_.push_back(std::make_unique<Block>());
    free_blocks_.push_back(static_cast<std::uint32_t>(blocks_.size() - 1));
  }
  at = free_blocks_.back();
  free_blocks_.pop_back();
  blocks_[at]->number = number;
  blocks_[at]->present = 0;
  return *blocks_[at];
}

PutResult LiveWindow::put(ChunkIndex index, base::ByteView bytes) {
  const std::uint64_t i = index.value();
  if (bytes.empty() || bytes.size() > kMaxChunkBytes) return PutResult::too_large;
  if (i < low_) return PutResult::too_old;
  if (chunks_ > 0 && i < newest_ && newest_ - i >= limits_.span_chunks) return PutResult::too_old;
  if (has(index)) return PutResult::duplicate;
  if (i >= limits_.span_chunks && (chunks_ == 0 || i > newest_)) drop_before(ChunkIndex{i - limits_.span_chunks + 1});
  if (!make_room(bytes.size(), index)) return PutResult::too_old;

  Slab& slab = slabs_[open_slab_];
  std::memcpy(slab.bytes.get() + slab.used, bytes.data(), bytes.size());
  Block& block = find_or_make(i / kBlockChunks);
  block.places[i % kBlockChunks] = {open_slab_, static_cast<std::uint16_t>(slab.used), static_cast<std::uint16_t>(bytes.size())};
  block.present |= std::uint64_t{1} << (i % kBlockChunks);
  slab.used += static_cast<std::uint32_t>(bytes.size());
  ++slab.live;
  first_block_ = chunks_ == 0 ? block.number : std::min(first_block_, block.number);
  newest_ = chunks_ == 0 ? i : std::max(newest_, i);
  ++chunks_;
  payload_bytes_ += bytes.size();
  return PutResult::stored;
}

// A slab with room becomes the open one, at the price of the oldest chunks. False if the newcomer itself would be the price.
bool LiveWindow::make_room(std::size_t size, ChunkIndex newcomer) {
  const auto fits = [&] { return open_slab_ != kNone && slabs_[open_slab_].used + size <= kSlabBytes; };
  while (!fits()) {
    if (open_slab_ != kNone && slabs_[open_slab_].live == 0) {
      slabs_[open_slab_].used = 0;
    } else if (!free_slabs_.empty()) {
      open_slab_ = free_slabs_.back();
      free_slabs_.pop_back();
    } else if (slabs_.size() < max_slabs_) {
      slabs_.push_back({.bytes = std::make_unique_for_overwrite<std::byte[]>(kSlabBytes)});
      open_slab_ = static_cast<std::uint32_t>(slabs_.size() - 1);
    } else {
      const auto first = oldest();
      if (!first || *first >= newcomer) return false;
      drop_before(ChunkIndex{first->value() + 1});
    }
  }
  return true;
}

std::optional<base::ByteView> LiveWindow::get(ChunkIndex index) const {
  const Block* const block = find(index.value() / kBlockChunks);
  const std::uint64_t bit = index.value() % kBlockChunks;
  if (block == nullptr || ((block->present >> bit) & 1) == 0) return std::nullopt;
  const Place place = block->places[bit];
  return base::ByteView{slabs_[place.slab].bytes.get() + place.offset, place.length};
}

bool LiveWindow::has(ChunkIndex index) const {
  const Block* const block = find(index.value() / kBlockChunks);
  return block != nullptr && ((block->present >> (index.value() % kBlockChunks)) & 1) != 0;
}

std::optional<ChunkRange> LiveWindow::run_around(ChunkIndex index) const {
  if (!has(index)) return std::nullopt;
  // Upwards: the first hole after it; downwards: the last one before. A full block takes one step.
  std::uint64_t last = index.value();
  for (std::uint64_t number = last / kBlockChunks;; ++number) {
    const Block* const block = find(number);
    const std::uint64_t from = number == index.value() / kBlockChunks ? index.value() % kBlockChunks : 0;
    const std::uint64_t holes = block == nullptr ? bits_from(0) : ~block->present & bits_from(from);
    if (holes == 0) continue;
    last = number * kBlockChunks + static_cast<std::uint64_t>(std::countr_zero(holes)) - 1;
    break;
  }
  std::uint64_t first = 0;
  for (std::uint64_t number = index.value() / kBlockChunks;; --number) {
    const Block* const block = find(number);
    const std::uint64_t to = number == index.value() / kBlockChunks ? index.value() % kBlockChunks : 63;
    const std::uint64_t holes = block == nullptr ? bits_from(0) : ~block->present & bits_to(to);
    if (holes == 0 && number > 0) continue;
    if (holes != 0) first = number * kBlockChunks + static_cast<std::uint64_t>(std::bit_width(holes));
    break;
  }
  return ChunkRange{ChunkIndex{first}, ChunkIndex{last}};
}

std::vector<ChunkRange> LiveWindow::runs(ChunkRange within, std::size_t limit) const {
  std::vector<ChunkRange> found;
  ChunkIndex at = within.first;
  while (found.size() < limit) {
    const auto start = next(at);
    if (!start || *start > within.last) break;
    const ChunkIndex end = std::min(run_around(*start)->last, within.last);
    found.push_back({*start, end});
    if (end == within.last) break;
    at = ChunkIndex{end.value() + 1};
  }
  return found;
}

std::optional<ChunkIndex> LiveWindow::next(ChunkIndex index) const {
  if (chunks_ == 0 || index.value() > newest_) return std::nullopt;
  const std::uint64_t begin = std::max(index.value() / kBlockChunks, first_block_);
  for (std::uint64_t number = begin; number <= newest_ / kBlockChunks; ++number) {
    const Block* const block = find(number);
    if (block == nullptr) continue;
    const std::uint64_t held =
        block->present & (number == index.value() / kBlockChunks ? bits_from(index.value() % kBlockChunks) : bits_from(0));
    if (held != 0) return ChunkIndex{number * kBlockChunks + static_cast<std::uint64_t>(std::countr_zero(held))};
  }
  return std::nullopt;
}

void LiveWindow::drop_before(ChunkIndex index) {
  if (index.value() <= low_) return;
  low_ = index.value();
  const std::uint64_t boundary = low_ / kBlockChunks;
  // No further than the newest block, however far ahead the index is.
  for (; chunks_ > 0 && first_block_ < boundary; ++first_block_) {
    if (find(first_block_) != nullptr) free_block(first_block_);
  }
  if (chunks_ == 0 || find(boundary) == nullptr || low_ % kBlockChunks == 0) return;
  Block& block = *blocks_[ring_[boundary % ring_.size()]];
  drop_bits(block, bits_to(low_ % kBlockChunks - 1));
  if (block.present == 0) free_block(boundary);
}

void LiveWindow::drop_bits(Block& block, std::uint64_t mask) {
  for (std::uint64_t bits = block.present & mask; bits != 0; bits &= bits - 1) {
    const Place place = block.places[static_cast<std::size_t>(std::countr_zero(bits))];
    Slab& slab = slabs_[place.slab];
    --chunks_;
    payload_bytes_ -= place.length;
    if (--slab.live == 0 && place.slab != open_slab_) {
      slab.used = 0;
      free_slabs_.push_back(place.slab);
    }
  }
  block.present &= ~mask;
}

void LiveWindow::free_block(std::uint64_t number) {
  std::uint32_t& at = ring_[number % ring_.size()];
  drop_bits(*blocks_[at], ~std::uint64_t{0});
  free_blocks_.push_back(at);
  at = kNone;
}

void LiveWindow::clear() { *this = LiveWindow{limits_}; }

std::optional<ChunkIndex> LiveWindow::oldest() const { return next(ChunkIndex{low_}); }

std::optional<ChunkIndex> LiveWindow::newest() const { return chunks_ > 0 ? std::optional{ChunkIndex{newest_}} : std::nullopt; }

std::uint64_t LiveWindow::memory_bytes() const {
  return slabs_.size() * kSlabBytes + blocks_.size() * sizeof(Block) + ring_.size() * sizeof(ring_[0]);
}

}  // namespace runnel::store
