// What will happen, in order of time; what happens at one time, in the order it was put in.
#pragma once
#include <algorithm>
#include <cstdint>
#include <vector>

#include "base/time.hpp"

namespace runnel::sim {

enum class EventKind : std::uint8_t { packet, wake, action };

struct Event {
  base::Time at;
  std::uint64_t order = 0;
  std::uint32_t subject = 0;   // a packet, a host or an action
  EventKind kind = EventKind::action;
};

// A binary heap.
class EventQueue {
 public:
  void push(base::Time at, EventKind kind, std::uint32_t subject) {
    heap_.push_back({at, next_order_++, subject, kind});
    std::ranges::push_heap(heap_, later);
  }
  Event pop() {
    std::ranges::pop_heap(heap_, later);
    const Event first = heap_.back();
    heap_.pop_back();
    return first;
  }
  [[nodiscard]] bool empty() const { return heap_.empty(); }
  [[nodiscard]] base::Time next_at() const { return heap_.front().at; }
  [[nodiscard]] std::size_t size() const { return heap_.size(); }

 private:
  static bool later(const Event& a, const Event& b) { return a.at != b.at ? a.at > b.at : a.order > b.order; }

  std::vector<Event> heap_;
  std::uint64_t next_order_ = 0;
};

// Values by number; numbers are used again.
template <class T>
class Slots {
 public:
  std::uint32_t add(T value) {
    if (free_.empty()) {
      values_.push_back(std::move(value));
      return static_cast<std::uint32_t>(values_.size() - 1);
    }
    const std::uint32_t slot = free_.back();
    free_.pop_back();
    values_[slot] = std::move(value);
    return slot;
  }
  T& operator[](std::uint32_t slot) { return values_[slot]; }
  T take(std::uint32_t slot) {
    free_.push_back(slot);
    return std::move(values_[slot]);
  }

 private:
  std::vector<T> values_;
  std::vector<std::uint32_t> free_;
};

}  // namespace runnel::sim
