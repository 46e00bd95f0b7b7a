// What will happen, in order of time; what happens at one time, in the order it was put in.
#pragma once
#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "base/time.hpp"

namespace runnel::sim {

// A binary heap of small entries; what is to happen stands apart, by number, and numbers are used again.
template <class What>
class EventQueue {
 public:
  void push(base::Time at, What what) {
    std::uint32_t slot = static_cast<std::uint32_t>(slots_.size());
    if (free_.empty()) {
      slots_.push_back(std::move(what));
    } else {
      slot = free_.back();
      free_.pop_back();
      slots_[slot] = std::move(what);
    }
    heap_.push_back({at, next_order_++, slot});
    std::ranges::push_heap(heap_, later);
  }
  [[nodiscard]] bool empty() const { return heap_.empty(); }
  // base::Time::max(): nothing will happen.
  [[nodiscard]] base::Time next_at() const { return heap_.empty() ? base::Time::max() : heap_.front().at; }
  // Only when there is one.
  What pop() {
    std::ranges::pop_heap(heap_, later);
    const std::uint32_t slot = heap_.back().slot;
    heap_.pop_back();
    free_.push_back(slot);
    return std::move(slots_[slot]);
  }

 private:
  struct Entry {
    base::Time at;
    std::uint64_t order = 0;
    std::uint32_t slot = 0;
  };
  static bool later(const Entry& a, const Entry& b) { return a.at != b.at ? a.at > b.at : a.order > b.order; }

  std::vector<Entry> heap_;
  std::vector<What> slots_;
  std::vector<std::uint32_t> free_;
  std::uint64_t next_order_ = 0;
};

}  // namespace runnel::sim
