#include "core/discovery/ban_list.hpp"

#include <algorithm>
#include <functional>

namespace runnel::discovery {
namespace {

template <class Map, class Projection>
void drop_earliest(Map& map, Projection projection) {
  const auto time = [&](const auto& item) { return std::invoke(projection, item.second); };
  map.erase(std::ranges::min_element(map, {}, time));
}

}  // namespace

bool BanList::report_bad_hash(const base::Endpoint& endpoint, base::Time now) {
  if (banned(endpoint, now)) return false;
  auto found = suspects_.find(endpoint);
  if (found == suspects_.end() || now - found->second.since > kBadHashWindow) {
    if (found == suspects_.end() && suspects_.size() >= kMaxSuspects) drop_earliest(suspects_, &Suspicion::since);
    suspects_[endpoint] = {.bad_hashes = 1, .since = now};
    return false;
  }
  if (++found->second.bad_hashes < kBadHashesToBan) return false;
  ban(endpoint, now);
  return true;
}

void BanList::ban(const base::Endpoint& endpoint, base::Time now) {
  suspects_.erase(endpoint);
  forget_old(now);
  if (!bans_.contains(endpoint) && bans_.size() >= kMaxBans) drop_earliest(bans_, [](base::Time until) { return until; });
  bans_[endpoint] = now + kBanLife;
  const base::IpAddress& address = endpoint.address;
  if (address.is_loopback() || address.is_private()) return;
  const auto first = bans_.lower_bound({address, 0});
  const auto last = bans_.upper_bound({address, 0xffff});
  if (static_cast<std::size_t>(std::distance(first, last)) < kPortsToBanAddress) return;
  if (!address_bans_.contains(address) && address_bans_.size() >= kMaxBans / kPortsToBanAddress) {
    drop_earliest(address_bans_, [](base::Time until) { return until; });
  }
  address_bans_[address] = now + kBanLife;
}

bool BanList::banned(const base::Endpoint& endpoint, base::Time now) const {
  const auto at_address = address_bans_.find(endpoint.address);
  if (at_address != address_bans_.end() && now < at_address->second) return true;
  const auto found = bans_.find(endpoint);
  return found != bans_.end() && now < found->second;
}

void BanList::forget_old(base::Time now) {
  std::erase_if(bans_, [now](const auto& item) { return now >= item.second; });
  std::erase_if(address_bans_, [now](const auto& item) { return now >= item.second; });
}

}  // namespace runnel::discovery
