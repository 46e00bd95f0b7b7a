// Memory for sealed datagrams on their way out, used again and again.
#pragma once
#include <cstddef>
#include <memory>
#include <vector>

#include "base/bytes.hpp"

namespace runnel::net {

class SealedTrains {
 public:
  // Room for one train, until reset().
  [[nodiscard]] base::MutableByteView room(std::size_t size) {
    if (blocks_.empty() || used_ + size > kBlockSize) {
      if (!blocks_.empty()) ++block_;
      if (block_ == blocks_.size()) blocks_.push_back(std::make_unique_for_overwrite<std::byte[]>(kBlockSize));
      used_ = 0;
    }
    const base::MutableByteView room{blocks_[block_].get() + used_, size};
    used_ += size;
    return room;
  }
  void reset() { block_ = used_ = 0; }

 private:
  static constexpr std::size_t kBlockSize = std::size_t{1} << 18;   // some four trains
  std::vector<std::unique_ptr<std::byte[]>> blocks_;
  std::size_t block_ = 0;
  std::size_t used_ = 0;
};

}  // namespace runnel::net
