// Memory for packets on their way: slots of one size, made in slabs when needed, kept for the next, never more than a limit.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "base/bytes.hpp"

namespace runnel::netlab {

class PacketPool {
 public:
  PacketPool(std::size_t slot_bytes, std::uint32_t max_slots) : slot_bytes_(slot_bytes), max_slots_(max_slots) {}

  // nullopt: the limit is reached.
  [[nodiscard]] std::optional<std::uint32_t> take() {
    if (free_.empty() && !grow()) return std::nullopt;
    const std::uint32_t slot = free_.back();
    free_.pop_back();
    return slot;
  }
  void give_back(std::uint32_t slot) { free_.push_back(slot); }
  // Valid until the slot is given back.
  [[nodiscard]] base::MutableByteView bytes(std::uint32_t slot) {
    return {slabs_[slot / kSlabSlots].get() + slot % kSlabSlots * slot_bytes_, slot_bytes_};
  }
  [[nodiscard]] std::uint32_t in_use() const { return made_ - static_cast<std::uint32_t>(free_.size()); }

 private:
  static constexpr std::uint32_t kSlabSlots = 256;

  bool grow() {
    if (made_ >= max_slots_) return false;
    slabs_.push_back(std::make_unique_for_overwrite<std::byte[]>(kSlabSlots * slot_bytes_));
    for (std::uint32_t i = kSlabSlots; i > 0; --i) free_.push_back(made_ + i - 1);
    made_ += kSlabSlots;
    return true;
  }

  std::size_t slot_bytes_;
  std::uint32_t max_slots_;
  std::uint32_t made_ = 0;
  std::vector<std::unique_ptr<std::byte[]>> slabs_;
  std::vector<std::uint32_t> free_;
};

}  // namespace runnel::netlab
