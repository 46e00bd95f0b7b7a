// Where a player of a live stream begins: at the first independent record that is whole. The newest one when we came may take longer
// than the next, which everybody is being sent.
#pragma once
#include <functional>
#include <optional>
#include <set>

#include "core/tree/types.hpp"

namespace runnel::node {

// Pure. One owner.
class LiveBeginning {
 public:
  static constexpr std::size_t kMaxRecords = 16;

  // A record's header named the newest independent record.
  void named(tree::ChunkIndex independent) {
    if (!from_) from_ = independent;
    if (independent < *from_) return;
    records_.insert(independent);
    if (records_.size() > kMaxRecords) records_.erase(records_.begin());
  }
  // The oldest that is of use; nullopt until one was named.
  [[nodiscard]] std::optional<tree::ChunkIndex> from() const { return from_; }
  [[nodiscard]] std::optional<tree::ChunkIndex> find(const std::function<bool(tree::ChunkIndex)>& whole) const {
    for (const tree::ChunkIndex record : records_) {
      if (whole(record)) return record;
    }
    return std::nullopt;
  }

 private:
  std::optional<tree::ChunkIndex> from_;
  std::set<tree::ChunkIndex> records_;
};

}  // namespace runnel::node
