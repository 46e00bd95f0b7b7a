#include "core/swarm/repair.hpp"

#include <algorithm>
#include <bit>

namespace runnel::swarm {
namespace {

constexpr base::Duration kBundleWait{20'000};     // a chunk may come ahead of its bundle by so much
constexpr base::Duration kBundleTooLate = std::chrono::seconds{5};   // pull needs to know which chunks there are
constexpr base::Duration kSlack{40'000};          // what an answer may take beyond round trip and queue
constexpr base::Duration kSourceSpared{100'000};  // so much quicker must the source be than another
constexpr base::Duration kLookAgain{60'000};      // nobody shows it
constexpr base::Duration kBusyLeast{30'000};
constexpr double kBusyTimes = 6;                  // of the queue that it told, times a draw

}  // namespace

void Repair::gap(tree::ChunkIndex index, base::Time now) {
  if (asks_.size() >= kMaxTracked) return;
  Ask& ask = asks_[{munro_number(index), leaf_of(index), false}];
  if (ask.gap) return;
  ask.gap = now;
  next_gap_ = std::min(next_gap_, now + kReorder);
}

void Repair::release(Ask& ask, Neighbourhood& hood) {
  if (!ask.of) return;
  if (Neighbour* neighbour = hood.find(*ask.of); neighbour != nullptr && neighbour->asked > 0) --neighbour->asked;
  ask.of.reset();
  ask.until = {};
  --outstanding_;
}

void Repair::arrived(tree::ChunkIndex index, Neighbourhood& hood) {
  const auto it = asks_.find({munro_number(index), leaf_of(index), false});
  if (it == asks_.end()) return;
  release(it->second, hood);
  asks_.erase(it);
}

void Repair::proved(std::uint64_t munro, Neighbourhood& hood) {
  const auto it = asks_.find({munro, 0, true});
  if (it == asks_.end()) return;
  release(it->second, hood);
  asks_.erase(it);
}

void Repair::on_busy(PeerKey from, const Busy& busy, Neighbourhood& hood, base::Time now) {
  Neighbour* neighbour = hood.find(from);
  if (neighbour == nullptr) return;
  const double wait = static_cast<double>(busy.queue_ms) * 1000 * kBusyTimes * rng_.unit();
  neighbour->busy_until = now + kBusyLeast + base::Duration{static_cast<std::int64_t>(wait)};
  const auto refused = [&](const What& what) {
    const auto it = asks_.find(what);
    if (it != asks_.end() && it->second.of == from) release(it->second, hood);
  };
  for (const MunroMap::Entry& entry : busy.map.entries) {
    if (entry.whole) refused({entry.munro, 0, true});
    for (std::uint32_t rest = entry.chunks; rest != 0; rest &= rest - 1)
      refused({entry.munro, static_cast<unsigned>(std::countr_zero(rest)), false});
  }
}

// Its neighbour's count goes with the neighbour.
void Repair::forget(PeerKey peer) {
  for (auto& [what, ask] : asks_) {
    if (ask.of != peer) continue;
    ask.of.reset();
    ask.until = {};
    --outstanding_;
  }
}

std::optional<PeerKey> Repair::holder(const What& what, const View& view, base::Time now) const {
  std::optional<PeerKey> best;
  base::Duration best_wait{};
  for (const auto& [peer, neighbour] : view.hood.all()) {
    if (!(what.bundle ? neighbour.have.has_any(what.munro) : neighbour.have.has(what.index()))) continue;
    if (neighbour.asked >= kMaxAtHolder || now < neighbour.busy_until || !Neighbourhood::alive(neighbour, now)) continue;
    const bool source = neighbour.is_source();
    // Who was asked in vain is not asked again as long as there are others.
    const base::Duration wait =
        (2 * neighbour.delay() + neighbour.queue() + kSlack) * (1 << neighbour.failures) + (source ? kSourceSpared : base::Duration{});
    if (best && wait >= best_wait) continue;
    best = peer;
    best_wait = wait;
  }
  return best;
}

void Repair::ask(const What& what, PeerKey peer, const View& view, base::Time now, Nacks& nacks) {
  Neighbour* neighbour = view.hood.find(peer);
  MunroMap& map = nacks[peer];
  if (neighbour == nullptr || map.entries.size() >= kMaxMapEntries / 2) return;
  Ask& ask = asks_[what];
  ask.of = peer;
  ask.until = now + 5 * neighbour->delay() / 2 + neighbour->queue() + kSlack;
  ++neighbour->asked;
  ++outstanding_;
  const bool same = !map.entries.empty() && map.entries.back().munro == what.munro && map.entries.back().whole == what.bundle;
  if (!same) map.entries.push_back({what.munro, what.bundle, 0});
  if (!what.bundle) map.entries.back().chunks |= std::uint32_t{1} << what.leaf;
}

// Whether others are to be asked. As long as the parent sends in order and passed nothing over, what is late waits at it: asked of others
// it would come twice, when lines are full as it is. What it was asked for is no longer a matter of waiting.
bool Repair::ripe(const What& what, base::Duration age, const View& view, base::Time now) const {
  if (what.bundle) return age > kBundleWait && view.lag.overdue(kSubstreams, age) && view.lag.overdue(kSubstreams + 1, age);
  const auto it = asks_.find(what);
  if (it != asks_.end() && it->second.parent_asked) return true;
  const std::size_t tree = tree_of(what.munro, what.leaf);
  if (view.trees.doubtful(tree, now)) return view.lag.late(tree, age);
  if (!view.lag.overdue(tree, age)) return false;
  return (it != asks_.end() && it->second.gap) || view.lag.past_hope(tree, age);
}

void Repair::consider(const What& what, bool ripe, const View& view, base::Time now, Nacks& nacks) {
  if (outstanding_ >= kMaxOutstanding || (asks_.size() >= kMaxTracked && !asks_.contains(what))) return;
  const auto it = asks_.find(what);
  if (it == asks_.end() && !ripe) return;
  Ask& ask = it == asks_.end() ? asks_[what] : it->second;
  if (ask.of && now < ask.until) return;
  if (ask.of) {
    if (Neighbour* silent = view.hood.find(*ask.of); silent != nullptr && silent->failures < Neighbour::kMaxFailures) ++silent->failures;
  }
  release(ask, view.hood);
  const auto parent = view.trees.parent(what.bundle ? kSubstreams : tree_of(what.munro, what.leaf));
  const Neighbour* neighbour = parent ? view.hood.find(*parent) : nullptr;
  if (ask.gap && !ask.parent_asked && neighbour != nullptr && now >= neighbour->busy_until) {
    if (now - *ask.gap >= kReorder) {
      ask.parent_asked = true;
      return this->ask(what, *parent, view, now, nacks);
    }
    next_gap_ = std::min(next_gap_, *ask.gap + kReorder);
  }
  if (!ripe || now < ask.until) return;
  if (const auto best = holder(what, view, now)) return this->ask(what, *best, view, now, nacks);
  ask.until = now + kLookAgain;
}

// What lies beyond help is left to pull.
void Repair::drop_old(const View& view, base::Time now) {
  for (auto it = asks_.begin(); it != asks_.end() && view.munros.age(it->first.munro, now) > kTooLate;) {
    if (it->first.bundle && view.munros.age(it->first.munro, now) <= kBundleTooLate) {
      ++it;
      continue;
    }
    release(it->second, view.hood);
    it = asks_.erase(it);
  }
}

std::vector<PushOut> Repair::tick(const View& view, base::Time now) {
  drop_old(view, now);
  next_gap_ = base::Time::max();
  Nacks nacks;
  for (const auto& [number, munro] : view.munros.all()) {
    const base::Duration age = now - munro.since;
    if (munro.whole() || age > (munro.used == 0 ? kBundleTooLate : kTooLate)) continue;
    if (munro.used == 0) {
      const What bundle{number, 0, true};
      consider(bundle, ripe(bundle, age, view, now), view, now, nacks);
      continue;
    }
    for (std::uint32_t rest = munro.missing(); rest != 0; rest &= rest - 1) {
      const auto leaf = static_cast<unsigned>(std::countr_zero(rest));
      const What chunk{number, leaf, false};
      consider(chunk, ripe(chunk, age, view, now), view, now, nacks);
    }
  }
  std::vector<PushOut> out;
  for (auto& [peer, map] : nacks) {
    if (!map.entries.empty()) out.push_back({peer, Nack{std::move(map)}});
  }
  return out;
}

}  // namespace runnel::swarm
