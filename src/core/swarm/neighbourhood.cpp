#include "core/swarm/neighbourhood.hpp"

#include <algorithm>
#include <utility>

#include "base/search.hpp"

namespace runnel::swarm {
namespace {

// Where it stands, or would, among munros in order.
auto place_of(std::uint64_t munro, auto& shown) {
  return base::first_reached_from_end(shown.begin(), shown.end(), [munro](const auto& one) { return one.munro >= munro; });
}

}  // namespace

// ---- what a neighbour holds -----------------------------------------------------------------------------------------

// Those of them that it did not hold. What is older than all that it keeps is news each time.
std::uint32_t HaveView::put(std::uint64_t munro, std::uint32_t chunks) {
  auto at = place_of(munro, munros_);
  if (at == munros_.end() || at->munro != munro) {
    if (munros_.full() && at == munros_.begin()) return chunks;
    at = munros_.insert(at, Shown{munro, 0});   // where it is full, the oldest goes
  }
  return chunks & ~std::exchange(at->chunks, at->chunks | chunks);
}

std::uint32_t HaveView::chunks(std::uint64_t munro) const {
  const auto at = place_of(munro, munros_);
  return at != munros_.end() && at->munro == munro ? at->chunks : 0;
}

MunroMap HaveView::add(const MunroMap& map) {
  MunroMap news;
  for (const MunroMap::Entry& entry : map.entries) {
    const std::uint32_t fresh = put(entry.munro, entry.whole ? ~std::uint32_t{0} : entry.chunks);
    if (fresh != 0) news.entries.push_back({entry.munro, entry.whole, entry.whole ? 0 : fresh});
  }
  return news;
}

void HaveView::add(tree::ChunkIndex index) { put(munro_number(index), std::uint32_t{1} << leaf_of(index)); }

bool HaveView::has(tree::ChunkIndex index) const { return (chunks(munro_number(index)) >> leaf_of(index) & 1) != 0; }

// ---- one of them ----------------------------------------------------------------------------------------------------

base::Duration Neighbour::delay() const {
  constexpr base::Duration kUnknown{60'000};   // half of the farther round trips among homes of one continent
  return rtt ? *rtt / 2 : kUnknown;
}

base::Duration Neighbour::queue() const { return advert ? Advert::kQueueUnit * static_cast<int>(advert->queue) : base::Duration{}; }

bool Neighbour::take_credit(base::Time now) {
  const double seconds = static_cast<double>((now - credit_at).count()) / 1e6;
  credit = std::min(kMaxCredit, credit + seconds * kCreditPerSecond);
  credit_at = now;
  if (credit < 1) return false;
  credit -= 1;
  return true;
}

bool Neighbour::newcomer(base::Time now) const { return now - met < Neighbourhood::kNewcomer; }

// ---- all of them ----------------------------------------------------------------------------------------------------

bool Neighbourhood::add(PeerKey peer, NodeTag tag, base::Time now) {
  if (neighbours_.size() >= kMaxNeighbours) return false;
  Neighbour& neighbour = neighbours_[peer];
  index_.emplace(peer, &neighbour);
  neighbour.tag = tag;
  neighbour.met = neighbour.heard = now;
  return true;
}

Neighbour* Neighbourhood::find(PeerKey peer) {
  const auto it = index_.find(peer);
  return it == index_.end() ? nullptr : it->second;
}
const Neighbour* Neighbourhood::find(PeerKey peer) const {
  const auto it = index_.find(peer);
  return it == index_.end() ? nullptr : it->second;
}

std::optional<PeerKey> Neighbourhood::find_tag(NodeTag tag) const {
  if (tag == kNobody) return std::nullopt;
  const auto it = std::ranges::find_if(neighbours_, [&](const auto& entry) { return entry.second.tag == tag; });
  return it == neighbours_.end() ? std::nullopt : std::optional{it->first};
}

void Neighbourhood::heard(PeerKey peer, base::Time now) {
  Neighbour* neighbour = find(peer);
  if (neighbour == nullptr) return;
  neighbour->heard = now;
  neighbour->mute = false;
}

void Neighbourhood::excuse(base::Duration away, base::Time now) {
  for (auto& [peer, neighbour] : neighbours_) neighbour.heard = std::min(now, neighbour.heard + away);
}

void Neighbourhood::timed(PeerKey peer, std::uint32_t delay_us) {
  Neighbour* neighbour = find(peer);
  if (neighbour == nullptr) return;
  const bool greater = !neighbour->delay_us || static_cast<std::int32_t>(delay_us - *neighbour->delay_us) > 0;
  if (greater) neighbour->delay_us = delay_us;
}

void Neighbourhood::on_advert(PeerKey peer, const Advert& advert, base::Time now) {
  Neighbour* neighbour = find(peer);
  if (neighbour == nullptr) return;
  timed(peer, low_us(now) - advert.sent_us);
  neighbour->advert = advert;
  neighbour->advert_at = now;
  if (advert.echo_us == 0) return;
  const std::uint32_t away = low_us(now) - advert.echo_us;
  constexpr std::uint32_t kLongest = 3'000'000;
  if (away < advert.held_us || away - advert.held_us > kLongest) return;
  const base::Duration sample{away - advert.held_us};
  // Queues are told apart from the path: the least counts, and ages slowly.
  neighbour->rtt = neighbour->rtt ? std::min(sample, *neighbour->rtt + *neighbour->rtt / 64) : sample;
}

MunroMap Neighbourhood::on_have(PeerKey peer, const MunroMap& map, base::Time now) {
  Neighbour* neighbour = find(peer);
  if (neighbour == nullptr) return {};
  neighbour->have_at = now;
  return neighbour->have.add(map);
}

void Neighbourhood::choose(base::Time now) {
  std::vector<std::pair<PeerKey, Neighbour*>> rest;
  for (auto& [peer, neighbour] : neighbours_) {
    if (neighbour.close && now - std::max(neighbour.heard, neighbour.close_since) > kMute) neighbour.mute = true;
    if (neighbour.mute)
      neighbour.close = neighbour.partner = false;
    else
      rest.emplace_back(peer, &neighbour);
  }
  std::ranges::shuffle(rest, rng_);
  std::vector<Neighbour*> chosen;
  const auto take = [&](std::size_t count, auto better) {
    const std::size_t size = std::min(count, rest.size());
    std::ranges::stable_sort(rest, better, [](const auto& entry) { return entry.second; });
    for (std::size_t i = 0; i < size; ++i) chosen.push_back(rest[i].second);
    rest.erase(rest.begin(), rest.begin() + static_cast<std::ptrdiff_t>(size));
  };
  const auto strength = [](const Neighbour* n) { return n->advert ? std::min<int>(n->advert->uplink, 4 * 256) : 0; };
  take(kNearest, [](const Neighbour* a, const Neighbour* b) { return a->delay() < b->delay(); });
  take(kStrongest,
       [&](const Neighbour* a, const Neighbour* b) { return strength(a) != strength(b) ? strength(a) > strength(b) : a->met < b->met; });
  // Whoever was chosen by lot stays, so that they come to know us.
  take(kRandom, [](const Neighbour* a, const Neighbour* b) { return a->close > b->close; });
  for (const auto& [peer, neighbour] : rest) neighbour->close = neighbour->partner = false;
  for (Neighbour* neighbour : chosen) {
    if (!std::exchange(neighbour->close, true)) neighbour->close_since = now;
    neighbour->partner = false;
  }
  for (std::size_t i = 0; i < std::min(kPartners, chosen.size()); ++i) {
    const std::size_t at = i < kNearPartners ? i : i + rng_.below(chosen.size() - i);
    std::swap(chosen[i], chosen[at]);
    chosen[i]->partner = true;
  }
}

}  // namespace runnel::swarm
