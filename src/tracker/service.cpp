#include "tracker/service.hpp"

#include <algorithm>

#include "core/discovery/pex.hpp"

namespace runnel::tracker {
namespace {

using base::Endpoint;
using discovery::AnnounceEvent;
using discovery::Reach;

base::IpAddress recorded_address(const Announcement& announcement) {
  const bool may_claim =
      announcement.source.is_loopback() && announcement.claimed && discovery::reach(*announcement.claimed) == Reach::private_network;
  return may_claim ? *announcement.claimed : announcement.source;
}

bool fits(const base::IpAddress& address, Announcement::Families families) {
  switch (families) {
    case Announcement::Families::both: return true;
    case Announcement::Families::v4: return address.is_v4();
    case Announcement::Families::v6: return !address.is_v4();
  }
  return false;
}

}  // namespace

TrackerService::TrackerService(std::unique_ptr<TrackerStore> store, Policy policy, RateLimit rate, std::uint64_t rng_seed)
    : store_(std::move(store)), policy_(policy), limiter_(rate), rng_(rng_seed) {}

bool TrackerService::admit(const base::IpAddress& address, base::Time now) {
  const bool allowed = limiter_.allow(address, now);
  stats_.refused_by_rate += allowed ? 0 : 1;
  return allowed;
}

std::expected<discovery::AnnounceAnswer, std::string> TrackerService::announce(const Announcement& announcement, base::Time now) {
  ++stats_.announces;
  const discovery::AnnounceParameters& p = announcement.parameters;
  const Endpoint asker{recorded_address(announcement), p.port};
  discovery::AnnounceAnswer answer{
      .interval = policy_.interval, .min_interval = policy_.min_interval, .external_address = announcement.source};
  const bool stopped = p.event == AnnounceEvent::stopped;
  if (stopped) {
    store_->remove(p.info_hash, asker);
  } else if (discovery::usable_endpoint(asker)) {  // who has no port is told peers, but is nobody's peer
    const PeerRecord peer{.endpoint = asker, .peer_id = p.peer_id, .seed = p.stats.left == 0, .last_seen = now};
    if (store_->update(p.info_hash, peer) == UpdateOutcome::full) {
      ++stats_.refused_by_size;
      return std::unexpected(std::string{"this tracker is full, try again later"});
    }
    if (p.event == AnnounceEvent::completed) store_->count_completed(p.info_hash);
  }
  if (!stopped) choose_peers(announcement, asker, answer.peers);
  if (const auto counts = store_->counts(p.info_hash)) {
    answer.seeders = counts->seeders;
    answer.leechers = counts->leechers;
  }
  return answer;
}

void TrackerService::choose_peers(const Announcement& announcement, const Endpoint& asker, std::vector<Endpoint>& out) {
  const discovery::AnnounceParameters& p = announcement.parameters;
  std::size_t wanted = std::min(announcement.num_want.value_or(policy_.default_num_want), policy_.max_num_want);
  const auto reachable = [&](const Endpoint& endpoint) {
    return fits(endpoint.address, announcement.families) && discovery::may_tell(endpoint.address, announcement.source);
  };
  if (const auto local = local_.find(p.info_hash); local != local_.end()) {
    for (const Endpoint& endpoint : local->second) {
      if (wanted == 0 || endpoint == asker || !reachable(endpoint)) continue;
      out.push_back(endpoint);
      --wanted;
    }
  }
  const std::size_t told = out.size();
  const auto accept = [&](const PeerRecord& peer) {
    const bool itself = peer.endpoint == asker || peer.peer_id == p.peer_id;
    const bool both_seeds = peer.seed && p.stats.left == 0;
    const bool again = std::find(out.begin(), out.begin() + static_cast<std::ptrdiff_t>(told), peer.endpoint) !=
                       out.begin() + static_cast<std::ptrdiff_t>(told);
    return !itself && !both_seeds && !again && reachable(peer.endpoint);
  };
  store_->sample(p.info_hash, wanted, accept, rng_, out);
}

discovery::SwarmCounts TrackerService::scrape(const discovery::InfoHash& swarm) {
  ++stats_.scrapes;
  return store_->counts(swarm).value_or(discovery::SwarmCounts{});
}

void TrackerService::set_local_peers(const discovery::InfoHash& swarm, std::vector<Endpoint> endpoints) {
  if (endpoints.empty()) {
    local_.erase(swarm);
  } else if (local_.contains(swarm) || local_.size() < kMaxLocalSwarms) {
    local_[swarm] = std::move(endpoints);
  }
}

std::expected<void, std::string> TrackerService::tick(base::Time now, base::WallTime wall) {
  store_->expire(now - policy_.expiry);
  return store_->flush(now, wall);
}

ServiceStats TrackerService::stats() const {
  ServiceStats stats = stats_;
  stats.totals = store_->totals();
  return stats;
}

}  // namespace runnel::tracker
