#include "core/swarm/introductions.hpp"

#include <algorithm>

namespace runnel::swarm {

bool Introductions::ask(NodeTag whom, base::Time now) {
  std::erase_if(asked_, [&](const Asked& one) { return now - one.at >= kAgain; });
  if (whom == kNobody || std::ranges::find(asked_, whom, &Asked::whom) != asked_.end()) return false;
  if (!asked_.empty() && now - asked_.back().at < kApart) return false;
  if (asked_.size() >= kMaxAsked) asked_.erase(asked_.begin());
  asked_.push_back({whom, now});
  return true;
}

}  // namespace runnel::swarm
