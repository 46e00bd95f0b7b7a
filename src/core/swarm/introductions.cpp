#include "core/swarm/introductions.hpp"

#include <algorithm>

namespace runnel::swarm {

bool Introductions::ask(NodeTag whom, base::Time now) {
  if (whom == kNobody || (!asked_.empty() && now - asked_.back().at < kApart)) return false;
  const auto before = std::ranges::find(asked_, whom, &Asked::whom);
  if (before != asked_.end() && now - before->at < kAgain) return false;
  if (before != asked_.end())
    asked_.erase(before);
  else if (asked_.size() >= kMaxAsked)
    asked_.erase(asked_.begin());
  asked_.push_back({whom, now});
  return true;
}

bool Introductions::asked(NodeTag whom, base::Time now) const {
  const auto found = std::ranges::find(asked_, whom, &Asked::whom);
  return found != asked_.end() && now - found->at < kRemembered;
}

}  // namespace runnel::swarm
