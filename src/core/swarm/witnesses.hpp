// What viewers tell the source of who feeds them. A key is a claim; whether those below a child of the source get anything by it is seen
// by others (docs/live.md).
#pragma once
#include <map>
#include <span>

#include "base/time.hpp"
#include "core/swarm/push_messages.hpp"

namespace runnel::swarm {

class Witnesses {
 public:
  static constexpr std::size_t kMaxWitnesses = 256;                 // as many as there can be channels
  static constexpr base::Duration kReportEach = std::chrono::seconds{2};
  static constexpr unsigned kFewest = 3;                            // fewer say nothing

  // Of one whose own tag is `self`.
  void on_roots(PeerKey from, NodeTag self, const Roots& roots, base::Time now);
  void forget(PeerKey peer) { reports_.erase(peer); }

  // Whether nobody, or hardly anybody, among those that are not fed by the source itself has this tree's chunks by way of that child.
  [[nodiscard]] bool idle(std::size_t tree, NodeTag child, base::Time now) const;
  // Whether hardly any of them has this tree's chunks by way of any child that the source has now: what others are fed by is an island.
  [[nodiscard]] bool dead(std::size_t tree, std::span<const NodeTag> children, base::Time now) const;

 private:
  struct Report {
    NodeTag self;
    Roots roots;
    base::Time at;
  };
  // Whether fn(root) holds for fewer than one in four of those that are not fed by the source itself, of three at least. `but`: whoever it
  // is about.
  template <class Fn>
  [[nodiscard]] bool hardly_any(std::size_t tree, NodeTag but, base::Time now, Fn fn) const;

  std::map<PeerKey, Report> reports_;
};

}  // namespace runnel::swarm
