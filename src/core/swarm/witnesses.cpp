#include "core/swarm/witnesses.hpp"

#include <algorithm>

namespace runnel::swarm {
namespace {

constexpr base::Duration kReportLife = 3 * Witnesses::kReportEach;
constexpr unsigned kLeastShare = 4;   // who of two has less than one in so many below it stands in the way of others

}  // namespace

void Witnesses::on_roots(PeerKey from, NodeTag self, const Roots& roots, base::Time now) {
  if (reports_.size() >= kMaxWitnesses && !reports_.contains(from)) return;
  reports_[from] = {self, roots, now};
}

template <class Fn>
bool Witnesses::hardly_any(std::size_t tree, NodeTag but, base::Time now, Fn fn) const {
  unsigned all = 0;
  unsigned such = 0;
  for (const auto& [peer, report] : reports_) {
    const NodeTag root = report.roots.roots[tree];
    if (now - report.at > kReportLife || report.self == but || root == report.self) continue;
    ++all;
    such += fn(root) ? 1 : 0;
  }
  return all >= kFewest && such * kLeastShare < all;
}

bool Witnesses::idle(std::size_t tree, NodeTag child, base::Time now) const {
  return hardly_any(tree, child, now, [child](NodeTag root) { return root == child; });
}

bool Witnesses::dead(std::size_t tree, std::span<const NodeTag> children, base::Time now) const {
  return hardly_any(tree, kNobody, now, [children](NodeTag root) { return std::ranges::find(children, root) != children.end(); });
}

}  // namespace runnel::swarm
