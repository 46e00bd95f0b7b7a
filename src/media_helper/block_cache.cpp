#include "media_helper/block_cache.hpp"

#include <algorithm>

namespace runnel::media_helper {

std::expected<std::size_t, ReadError> BlockCache::read(std::uint64_t offset, base::MutableByteView into) {
  if (offset >= size() || into.empty()) return 0;
  const std::uint64_t number = offset / kBlock;
  auto found = by_number_.find(number);
  Blocks::iterator block;
  if (found == by_number_.end()) {
    const auto fetched = fetch(number);
    if (!fetched) return std::unexpected{fetched.error()};
    block = *fetched;
  } else {
    block = found->second;
    blocks_.splice(blocks_.begin(), blocks_, block);
  }
  const std::size_t at = offset % kBlock;
  if (at >= block->bytes.size()) return 0;   // the file shrank
  const std::size_t size = std::min(into.size(), block->bytes.size() - at);
  std::copy_n(block->bytes.begin() + static_cast<std::ptrdiff_t>(at), size, into.begin());
  return size;
}

std::size_t BlockCache::run_from(std::uint64_t number) const {
  const std::uint64_t blocks = (size() + kBlock - 1) / kBlock;
  std::size_t run = 1;
  while (run < run_ && number + run < blocks && !by_number_.contains(number + run)) ++run;
  return run;
}

std::expected<BlockCache::Blocks::iterator, ReadError> BlockCache::fetch(std::uint64_t number) {
  run_ = number == next_ ? std::min(run_ * 2, kMaxRun) : 1;
  const std::uint64_t offset = number * kBlock;
  base::Bytes bytes(static_cast<std::size_t>(std::min<std::uint64_t>(run_from(number) * kBlock, size() - offset)));
  const auto got = reader_.read(offset, bytes);
  if (!got) return std::unexpected{got.error()};
  if (*got == 0) return std::unexpected{ReadError::failed};
  bytes.resize(*got);
  const std::size_t count = (bytes.size() + kBlock - 1) / kBlock;
  for (std::size_t i = count; i-- > 0;) {   // last first, so that the one asked for is the newest
    const base::ByteView rest = base::ByteView{bytes}.subspan(i * kBlock);
    store(number + i, rest.first(std::min(rest.size(), kBlock)));
  }
  next_ = number + count;
  if (run_ > 1 && next_ * kBlock < size() && !by_number_.contains(next_)) {
    const std::uint64_t ahead = std::min<std::uint64_t>(std::min(run_ * 2, kMaxRun) * kBlock, size() - next_ * kBlock);
    reader_.prefetch(next_ * kBlock, static_cast<std::size_t>(ahead));
  }
  return blocks_.begin();
}

void BlockCache::store(std::uint64_t number, base::ByteView bytes) {
  if (const auto old = by_number_.find(number); old != by_number_.end()) blocks_.erase(old->second);
  blocks_.push_front({number, base::to_bytes(bytes)});
  by_number_[number] = blocks_.begin();
  while (blocks_.size() > kMaxBlocks) {
    by_number_.erase(blocks_.back().number);
    blocks_.pop_back();
  }
}

}  // namespace runnel::media_helper
