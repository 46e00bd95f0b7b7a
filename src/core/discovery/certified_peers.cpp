#include "core/discovery/certified_peers.hpp"

#include <algorithm>
#include <utility>

#include "core/discovery/membership.hpp"
#include "core/discovery/pex.hpp"

namespace runnel::discovery {

bool Allowance::take(base::Time now) {
  const double passed_s = static_cast<double>(std::max<std::int64_t>(0, (now - filled_).count())) / 1e6;
  left_ = std::min(per_second_, left_ + passed_s * per_second_);
  filled_ = now;
  if (left_ < 1) return false;
  left_ -= 1;
  return true;
}

// ---- telling --------------------------------------------------------------------------------------------------------

std::vector<base::Bytes> CertifiedPeers::tell(std::span<const base::Endpoint> peers, const CertificateClock& clock) {
  const base::Duration needed = issuer_ != nullptr ? kRenewBelow : kPassOnAbove;
  std::vector<base::Bytes> told;
  for (const base::Endpoint& peer : peers) {
    if (told.size() == kMaxCertificatesTold) break;
    const auto found = held_.find(peer);
    const bool lasts = found != held_.end() && found->second.ends - clock.earliest > needed;
    const Held* held = lasts ? &found->second : issue(peer, clock);
    if (held == nullptr) continue;
    if (!told_.take(clock.now)) break;
    told.push_back(held->der);
  }
  return told;
}

const CertifiedPeers::Held* CertifiedPeers::issue(const base::Endpoint& peer, const CertificateClock& clock) {
  if (issuer_ == nullptr || !issued_.take(clock.now)) return nullptr;
  const auto begins = std::chrono::floor<std::chrono::seconds>(clock.earliest);
  const base::WallTime ends = begins + kCertificateLife;
  base::Bytes der = issuer_->issue({membership_uri(peer, swarm_id_), begins, ends});
  if (der.size() > max_size_) {
    issuer_ = nullptr;
    return nullptr;
  }
  return &keep(peer, {std::move(der), ends});
}

const CertifiedPeers::Held& CertifiedPeers::keep(const base::Endpoint& peer, Held held) {
  if (!held_.contains(peer) && held_.size() >= kMaxCertificates)
    held_.erase(std::ranges::min_element(held_, {}, [](const auto& item) { return item.second.ends; }));
  return held_.insert_or_assign(peer, std::move(held)).first->second;
}

// ---- being told -----------------------------------------------------------------------------------------------------

CertifiedPeers::Table::const_iterator CertifiedPeers::find(base::ByteView der) const {
  return std::ranges::find_if(held_, [&](const auto& item) { return base::equal(item.second.der, der); });
}

CertifiedPeers::Judged CertifiedPeers::judge(std::span<const base::ByteView> batch, const base::IpAddress& teller,
                                             const CertificateClock& clock) {
  if (checker_ == nullptr) return {Verdict::too_many, {}};
  using Named = std::pair<base::Endpoint, Held>;
  std::vector<Named> good;
  for (const base::ByteView der : batch.first(std::min(batch.size(), kMaxCertificatesTaken))) {
    Named named;
    if (const auto known = find(der); known != held_.end()) {   // as it comes from each who passes it on
      named = *known;
    } else {
      if (!checked_.take(clock.now)) return {Verdict::too_many, {}};
      const auto membership = checker_->check(der);
      if (!membership) return {Verdict::bad, {}};
      const auto peer = peer_of_membership(membership->uri, swarm_id_);
      if (!peer || membership->ends < membership->begins) return {Verdict::bad, {}};
      if (membership->begins - kClockAllowance > clock.latest) return {Verdict::untimely, {}};
      named = {*peer, {base::to_bytes(der), membership->ends}};
    }
    if (named.second.ends + kClockAllowance < clock.earliest) return {Verdict::untimely, {}};
    good.push_back(std::move(named));
  }
  Judged judged;
  for (auto& [peer, held] : good) {
    if (!may_believe(peer.address, teller)) continue;   // true, and of no use from there
    judged.peers.push_back(peer);
    const auto known = held_.find(peer);
    if (known == held_.end() || known->second.ends < held.ends) keep(peer, std::move(held));
  }
  return judged;
}

}  // namespace runnel::discovery
