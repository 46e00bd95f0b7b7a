// Whom paths name and we do not know: who named them is asked for their address, so that trees of more nodes than anybody knows sort
// themselves as well (docs/live.md).
#pragma once
#include <cstddef>
#include <vector>

#include "base/time.hpp"
#include "core/swarm/push_trees.hpp"

namespace runnel::swarm {

// Whom we asked for lately. Pure. One owner.
class Introductions {
 public:
  static constexpr base::Duration kAgain = std::chrono::minutes{2};     // the same node
  static constexpr base::Duration kApart{100'000};                     // any two
  static constexpr base::Duration kRemembered = std::chrono::minutes{1};
  static constexpr std::size_t kMaxAsked = 64;                         // the oldest is forgotten

  // Whether to ask for this one now; then it counts as asked for.
  [[nodiscard]] bool ask(NodeTag whom, base::Time now);
  // We know it by this way, if we know it.
  [[nodiscard]] bool asked(NodeTag whom, base::Time now) const;

 private:
  struct Asked {
    NodeTag whom;
    base::Time at;
  };
  std::vector<Asked> asked_;   // the oldest first
};

}  // namespace runnel::swarm
