#include "node/live_lag.hpp"

#include <algorithm>

namespace runnel::node {
namespace {

// A record is 67 ms long with 30 pictures a second: fifteen of them.
constexpr double kShareOfNewest = 1.0 / 15;

double seconds(base::Duration duration) { return std::max(0.0, std::chrono::duration<double>(duration).count()); }

}  // namespace

void LiveLag::record(base::WallTime captured, base::WallTime signed_at, base::WallTime now) {
  const player::LagParts newest{.source_s = seconds(signed_at - captured), .swarm_s = seconds(now - signed_at)};
  if (!parts_) parts_ = newest;
  parts_->source_s += (newest.source_s - parts_->source_s) * kShareOfNewest;
  parts_->swarm_s += (newest.swarm_s - parts_->swarm_s) * kShareOfNewest;
}

}  // namespace runnel::node
