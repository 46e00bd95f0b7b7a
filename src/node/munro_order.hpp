// Live munros, as they complete in any order, to a stream in order: waits for what is missing, but not for ever.
#pragma once
#include <functional>
#include <map>
#include <optional>

#include "base/time.hpp"
#include "core/tree/types.hpp"

namespace runnel::node {

// Pure. One owner.
class MunroOrder {
 public:
  // How long a complete munro waits for an older one that a neighbour shows.
  static constexpr base::Duration kPatience = std::chrono::seconds{2};
  static constexpr std::size_t kMaxWaiting = 4096;   // munros

  void add(tree::ChunkRange munro, base::Time now) {
    if (munro.first < next_) return;   // too late
    waiting_.emplace(munro.first, Waiting{munro, now});
    if (waiting_.size() > kMaxWaiting) waiting_.erase(waiting_.begin());
  }
  // Nothing before `first` is wanted.
  void start_at(tree::ChunkIndex first) {
    next_ = first;
    waiting_.erase(waiting_.begin(), waiting_.lower_bound(first));
  }
  // The next munro in order, if it may go now. `missing`: the oldest chunk that is still to come.
  [[nodiscard]] std::optional<tree::ChunkRange> take(std::optional<tree::ChunkIndex> missing, base::Time now) {
    if (waiting_.empty()) return std::nullopt;
    const auto it = waiting_.begin();
    if (missing && *missing < it->first && now - it->second.since < kPatience) return std::nullopt;
    const tree::ChunkRange munro = it->second.munro;
    next_ = tree::ChunkIndex{munro.last.value() + 1};
    waiting_.erase(it);
    return munro;
  }
  // The oldest that waits, without taking it.
  [[nodiscard]] std::optional<tree::ChunkRange> front() const {
    return waiting_.empty() ? std::nullopt : std::optional{waiting_.begin()->second.munro};
  }
  void drop_front() { waiting_.erase(waiting_.begin()); }
  // When patience with what is missing ends.
  [[nodiscard]] std::optional<base::Time> deadline() const {
    return waiting_.empty() ? std::nullopt : std::optional{waiting_.begin()->second.since + kPatience};
  }

 private:
  struct Waiting {
    tree::ChunkRange munro;
    base::Time since;
  };
  tree::ChunkIndex next_{0};
  std::map<tree::ChunkIndex, Waiting> waiting_;
};

}  // namespace runnel::node
