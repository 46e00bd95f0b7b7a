// Live munros, as they complete in any order, to a stream in order: waits for what is missing, but not for ever.
#pragma once
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "base/time.hpp"
#include "core/tree/types.hpp"

namespace runnel::node {

// Until start_at() is told, everything is kept: the first munro that tells where to begin often comes after others that are wanted as
// well, such as the rest of the record that a decoder begins with. Pure. One owner.
class MunroOrder {
 public:
  // How long a complete munro waits for an older one that a neighbour shows.
  static constexpr base::Duration kPatience = std::chrono::seconds{2};
  static constexpr std::size_t kMaxWaiting = 4096;   // munros

  void add(tree::ChunkRange munro, base::Time now) {
    if (munro.first < next_) return;   // too late
    if (!started_) unread_.push_back(munro);
    waiting_.emplace(munro.first, Waiting{munro, now});
    if (waiting_.size() > kMaxWaiting) waiting_.erase(waiting_.begin());
    if (unread_.size() > kMaxWaiting) unread_.erase(unread_.begin());
  }
  // Before the start: what came since the last call, as it came, for the caller to find out where to begin.
  [[nodiscard]] std::vector<tree::ChunkRange> take_unread() { return std::exchange(unread_, {}); }
  // Nothing before `first` is wanted.
  void start_at(tree::ChunkIndex first) {
    started_ = true;
    unread_.clear();
    next_ = first;
    waiting_.erase(waiting_.begin(), waiting_.lower_bound(first));
  }
  // The next munro in order, if it may go now; none before the start. follows(munro): whether nothing is missing between what was taken
  // last and this one, as far as can be told.
  template <class Follows>
  [[nodiscard]] std::optional<tree::ChunkRange> take(Follows follows, base::Time now) {
    if (!started_ || waiting_.empty()) return std::nullopt;
    const auto it = waiting_.begin();
    if (now - it->second.since < kPatience && !follows(it->second.munro)) return std::nullopt;
    const tree::ChunkRange munro = it->second.munro;
    next_ = tree::ChunkIndex{munro.last.value() + 1};
    waiting_.erase(it);
    return munro;
  }
  // When patience with what is missing ends.
  [[nodiscard]] std::optional<base::Time> deadline() const {
    return !started_ || waiting_.empty() ? std::nullopt : std::optional{waiting_.begin()->second.since + kPatience};
  }

 private:
  struct Waiting {
    tree::ChunkRange munro;
    base::Time since;
  };
  bool started_ = false;
  tree::ChunkIndex next_{0};
  std::vector<tree::ChunkRange> unread_;
  std::map<tree::ChunkIndex, Waiting> waiting_;
};

}  // namespace runnel::node
