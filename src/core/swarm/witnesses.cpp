#include "core/swarm/witnesses.hpp"

namespace runnel::swarm {
namespace {

constexpr base::Duration kReportLife = 3 * Witnesses::kReportEach;
constexpr unsigned kLeastShare = 4;   // a child of two that has less than one in so many below it stands in the way of others

}  // namespace

void Witnesses::on_roots(PeerKey from, NodeTag self, const Roots& roots, base::Time now) {
  if (reports_.size() >= kMaxWitnesses && !reports_.contains(from)) return;
  reports_[from] = {self, roots, now};
}

bool Witnesses::idle(std::size_t tree, NodeTag child, base::Time now) const {
  unsigned all = 0;
  unsigned below = 0;
  for (const auto& [peer, report] : reports_) {
    const NodeTag root = report.roots.roots[tree];
    if (now - report.at > kReportLife || report.self == child || root == report.self) continue;
    ++all;
    below += root == child ? 1 : 0;
  }
  return all >= kFewest && below * kLeastShare < all;
}

}  // namespace runnel::swarm
