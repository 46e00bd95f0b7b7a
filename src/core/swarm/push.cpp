#include "core/swarm/push.hpp"

#include <algorithm>
#include <bit>
#include <iterator>
#include <limits>
#include <utility>

namespace runnel::swarm {
namespace {

constexpr base::Duration kTick{20'000};
constexpr base::Duration kAway{60'000};              // our tick is later than that: the machine had no time for us
constexpr base::Duration kLookEach{100'000};          // at the line's queue, of which receivers tell each 400 ms
constexpr base::Duration kMeansInterval{200'000};
constexpr base::Duration kChoiceInterval = std::chrono::seconds{5};
constexpr base::Duration kMeasureEach{60'000'000};       // and up to twice that: a train blocks the line for 30 ms and more
constexpr base::Duration kFirstChoices = std::chrono::seconds{3};     // until distances are known, they are made each tick of adverts
constexpr base::Duration kDeadline{1'500'000};       // since we heard of it: of use to nobody who plays 2 s behind
constexpr base::Duration kBundleDeadline = std::chrono::seconds{5};   // repair and pull need to know which chunks there are
constexpr base::Duration kPullAfter{1'000'000};      // what push and repair did not bring by then is pulled
constexpr base::Duration kBeginning{200'000};        // a newcomer's first chunks by push come so late, or others are asked
constexpr unsigned kHavesPerAdvert = Neighbourhood::kAdvertInterval / Neighbourhood::kHaveInterval;
constexpr int kBacklogMemory = 25;                   // ticks
constexpr std::size_t kMany = 16;                    // neighbours: in a smaller swarm there may be nobody else who could feed a newcomer
constexpr double kWeakSlots = 6;
constexpr base::Duration kHaveSpan{1'500'000};
constexpr base::Duration kNewsToOthers = std::chrono::seconds{3};   // who has met others knows from them what is older
constexpr base::Duration kBusyQueue{30'000};         // live-model.md: becomes the standing queue
constexpr base::Duration kBusyQueueSource{15'000};
constexpr base::Duration kNoRoomQueue{200'000};
constexpr base::Duration kBusyPull{250'000};         // of all that waits, pull too: more is refused, so that askers look elsewhere
constexpr int kPullWaits = 3;  // who was refused comes back so many times sooner than who wanted repair: many may be asked
constexpr double kSpareShare = 0.2;     // of an uplink, what is left for pull
constexpr double kTurn = 0.12;          // seconds of that which a newcomer asks of one neighbour at a time,
constexpr double kLeastTurn = 4;        // and so many chunks more
constexpr double kSourceSpared = 0.1;   // seconds by which others may be slower
constexpr double kPerRequest = 8;       // chunks that the proof of one alone would stand for
constexpr double kNeverPulled = 1e9;
constexpr auto kNoLimit = std::numeric_limits<std::uint64_t>::max();
constexpr std::uint64_t kMaxRequest = 64;  // chunks of one REQUEST that are looked at; ours have 32 at most
constexpr base::Duration kQuantum{8'000};  // sends within it leave together: each wake costs, and a line that is 15 ms full is calm
constexpr base::Duration kWaited{5'000};
constexpr double kShareForChildren = 0.85;  // of the uplink; the rest is for bursts, repair and control
constexpr double kSourceGuess = 4;  // uplink in stream rates before it is measured
constexpr double kViewerGuess = 1;
constexpr double kUnknownPace = 300'000;  // bytes per second, before the stream's rate is known

// Numbers of munros that a source gives out in this time, as far as it uses every one.
constexpr std::uint64_t munros_in(base::Duration span) {
  return static_cast<std::uint64_t>(span.count()) * kLiveIndicesPerSecond / 1'000'000 / kPushMunroWidth;
}

}  // namespace

Push::Push(const Setup& setup, base::Rng rng, base::Time now)
    : setup_(setup),
      rng_(rng),
      started_(now),
      rate_(setup.chunk_bytes),
      hood_(rng_.fork()),
      trees_(setup.self, setup.source, rng_.fork()),
      repair_(rng_.fork()),
      uplink_(setup.chunk_bytes),
      probe_(setup.chunk_bytes, setup.train_size),
      queue_(setup.chunk_bytes),
      pacer_(now),
      next_tick_(now),
      next_have_(now + base::Duration{static_cast<std::int64_t>(rng_.below(200'000))}),
      next_roots_(now + Witnesses::kReportEach),
      next_choice_(now),
      next_means_(now),
      next_measure_(now + measure_later()) {}

// ---- neighbours -----------------------------------------------------------------------------------------------------

void Push::add_peer(PeerKey peer, NodeTag tag, base::Time now) {
  if (hood_.add(peer, tag, now)) next_choice_ = std::min(next_choice_, now);
}

void Push::remove_peer(PeerKey peer) {
  hood_.remove(peer);
  trees_.forget(peer);
  repair_.forget(peer);
  queue_.forget(peer);
  uplink_.forget(peer);
  trains_met_.forget(peer);
  witnesses_.forget(peer);
}

bool Push::engaged(PeerKey peer, base::Time now) const {
  const Neighbour* neighbour = hood_.find(peer);
  if (neighbour == nullptr) return false;
  return neighbour->close || trees_.is_parent(peer) || trees_.is_child(peer) || now - neighbour->advert_at < Neighbourhood::kMute;
}

void Push::greet(PeerKey peer, std::optional<std::uint64_t> beginning, bool newcomer, base::Time now) {
  if (munros_.all().empty()) return;
  if (Neighbour* neighbour = hood_.find(peer)) send_advert(peer, *neighbour, advert(now), now);
  if (!upload_) return;
  const std::uint64_t newest = munros_.all().rbegin()->first;
  std::uint64_t first = newcomer ? munros_.all().begin()->first : newest - std::min(newest, munros_in(kNewsToOthers));
  if (beginning) first = std::max(first, *beginning);
  while (true) {
    MunroMap map = munros_.have_map(first, true);
    if (map.entries.empty()) return;
    first = map.entries.back().munro + 1;
    out_.push_back({peer, HaveMap{std::move(map)}});
  }
}

void Push::on_message(PeerKey from, const PushMessage& message, base::Time now) {
  const Neighbour* neighbour = hood_.find(from);
  if (neighbour == nullptr) return;
  if (const auto* m = std::get_if<Subscribe>(&message)) {
    const Substreams::Asker asker{from, neighbour->tag, neighbour->met, neighbour->delay()};
    if (waits() > kNoRoomQueue)
      trees_.turn_away(asker, *m, now);
    else
      trees_.on_subscribe(asker, *m, now);
  }
  if (const auto* m = std::get_if<Accept>(&message)) trees_.on_accept(from, *m, now);
  if (const auto* m = std::get_if<Refuse>(&message)) trees_.on_refuse(from, *m, hood_, now);
  if (const auto* m = std::get_if<Redirect>(&message)) trees_.on_redirect(from, *m, hood_, now);
  if (const auto* m = std::get_if<PathNews>(&message)) trees_.on_path(from, *m, now);
  if (const auto* m = std::get_if<Advert>(&message)) on_advert(from, *m, now);
  if (const auto* m = std::get_if<Nack>(&message)) on_nack(from, *m, now);
  if (const auto* m = std::get_if<Busy>(&message)) repair_.on_busy(from, *m, hood_, now);
  if (const auto* m = std::get_if<Train>(&message)) trains_met_.on_train(from, *m, now);
  if (const auto* m = std::get_if<Spread>(&message); m != nullptr && probe_.on_spread(from, *m, now))
    uplink_.measured(*probe_.rate(), probe_.at_least(), now);
  if (const auto* m = std::get_if<Roots>(&message); m != nullptr && setup_.source) witnesses_.on_roots(from, neighbour->tag, *m, now);
  if (const auto* m = std::get_if<Unsubscribe>(&message)) {
    trees_.on_unsubscribe(from, *m, now);
    queue_.forget_tree(from, m->tree);
  }
}

void Push::on_advert(PeerKey from, const Advert& advert, base::Time now) {
  hood_.on_advert(from, advert, now);
  if (advert.delay_us != 0) uplink_.on_delay(from, advert.delay_us, now);
}

MunroMap Push::on_have(PeerKey from, const MunroMap& map, base::Time now) {
  MunroMap news = hood_.on_have(from, map, now);
  if (!setup_.source) rate_.hearsay(map);
  constexpr std::uint64_t kNear = 10 * kLiveIndicesPerSecond / kPushMunroWidth;
  const auto newest = munros_.newest_proved().or_else([this] { return met_at_; });
  for (const MunroMap::Entry& entry : map.entries) {
    // Hearsay far from what is signed is not believed.
    if (!setup_.source && newest && entry.munro > *newest && entry.munro - *newest < kNear) note(entry.munro, now);
  }
  for (const MunroMap::Entry& entry : news.entries) {
    const std::uint32_t chunks = entry.whole ? ~std::uint32_t{0} : entry.chunks;
    for (std::uint32_t rest = chunks; rest != 0 && queue_.waits_for(from); rest &= rest - 1)
      queue_.remove(from, chunk_of(entry.munro, static_cast<unsigned>(std::countr_zero(rest))));
  }
  return news;
}

// What a child lost on the way is ours to send again, ahead of all that waits; what others want is a favour, for which there must be time.
void Push::on_nack(PeerKey from, const Nack& nack, base::Time now) {
  if (!upload_) return;
  const base::Duration waits = this->waits();
  const bool busy = waits > (setup_.source ? kBusyQueueSource : kBusyQueue);
  Neighbour* asker = hood_.find(from);
  MunroMap refused;
  const auto serves = [&](std::size_t tree) { return !busy || (waits <= kNoRoomQueue && feeds(tree, from)); };
  for (const MunroMap::Entry& entry : nack.map.entries) {
    const RecentMunros::Munro* munro = munros_.find(entry.munro);
    if (munro == nullptr) continue;
    MunroMap::Entry not_now{entry.munro, false, 0};
    if (entry.whole && munro->used != 0) {
      ++nacks_;
      if (!serves(kSubstreams) && !serves(kSubstreams + 1))
        not_now.whole = true;
      else if (asker->take_credit(now))
        queue(SendClass::bundle, chunk_of(entry.munro, 0), from, now);
    }
    for (std::uint32_t rest = entry.chunks & munro->have; rest != 0; rest &= rest - 1) {
      const auto leaf = static_cast<unsigned>(std::countr_zero(rest));
      const tree::ChunkIndex index = chunk_of(entry.munro, leaf);
      ++nacks_;
      if (sent_.contains(from, index, now - 2 * asker->delay())) continue;  // it is on its way
      // It goes before what is pushed: not for those who give nothing, nor for newcomers whom we do not feed, who may be many.
      const bool guest = newcomers_wait_ && asker->newcomer(now) && !feeds(tree_of(index), from);
      if (!serves(tree_of(index)) || (guest && waits_for_pull() > kBusyPull))
        not_now.chunks |= std::uint32_t{1} << leaf;
      else if (asker->take_credit(now))
        queue(asker->gives() && !guest ? SendClass::repair : SendClass::spare, index, from, now);
    }
    busy_ += (not_now.whole ? 1 : 0) + static_cast<unsigned>(std::popcount(not_now.chunks));
    if (not_now.whole || not_now.chunks != 0) refused.entries.push_back(not_now);
  }
  if (!refused.entries.empty()) refuse(from, waits, std::move(refused));
}

bool Push::feeds(std::size_t tree, PeerKey peer) const {
  bool found = false;
  trees_.for_children(tree, [&](PeerKey child, auto) { found |= child == peer; });
  return found;
}

void Push::refuse(PeerKey to, base::Duration waits, MunroMap what) {
  const auto ms = std::min<std::int64_t>(waits.count() / 1000, 0xffff);
  out_.push_back({to, Busy{static_cast<std::uint16_t>(ms), std::move(what)}});
}

void Push::on_request(PeerKey from, tree::ChunkRange held, base::Time now) {
  if (!upload_) return;
  const base::Duration waits = waits_for_pull();
  const bool busy = waits > kBusyPull;
  Neighbour* asker = hood_.find(from);
  const bool newcomer = asker != nullptr && now - asker->met < Welcome::kLasts;
  MunroMap refused;
  for (std::uint64_t i = 0; i < std::min(held.count(), kMaxRequest); ++i) {
    const tree::ChunkIndex index{held.first.value() + i};
    const bool begins = newcomer && asker->welcomed < Welcome::kChunks;
    if (begins && welcome(*asker, from, index, now)) continue;
    // For pull there is what the line has left, and for a newcomer that has to be now.
    if (!busy && !(begins && queue_.bytes() > 0)) {
      queue(SendClass::pull, index, from, now);
      continue;
    }
    refused.add(index);
  }
  if (!refused.entries.empty()) refuse(from, waits / kPullWaits, std::move(refused));
}

bool Push::welcome(Neighbour& newcomer, PeerKey peer, tree::ChunkIndex index, base::Time now) {
  if (welcome_.wait(queue_.welcome_bytes() / setup_.chunk_bytes, chunk_pace(), now) > Welcome::kLongest) return false;
  ++newcomer.welcomed;
  queue(SendClass::welcome, index, peer, now);
  return true;
}

void Push::on_cancel(PeerKey from, tree::ChunkRange range) {
  for (std::uint64_t i = 0; i < std::min(range.count(), kMaxRequest) && !queue_.empty(); ++i)
    queue_.remove(from, tree::ChunkIndex{range.first.value() + i});
}

double Push::spare(const Neighbour& neighbour) const {
  const double rate = rate_.bytes_per_second() > 0 ? rate_.bytes_per_second() : kUnknownPace;
  const double uplink = neighbour.advert ? std::max<double>(neighbour.advert->uplink, 1) / 256 : 0.5;
  return kSpareShare * uplink * rate / setup_.chunk_bytes;
}

std::uint64_t Push::most_pulled(PeerKey peer, base::Time now) const {
  const Neighbour* neighbour = hood_.find(peer);
  if (neighbour == nullptr || now - started_ >= Neighbourhood::kNewcomer) return kNoLimit;
  return static_cast<std::uint64_t>(kLeastTurn + kTurn * spare(*neighbour));
}

double Push::pull_price(PeerKey peer, std::uint64_t outstanding, std::uint64_t chunks) const {
  const Neighbour* neighbour = hood_.find(peer);
  if (neighbour == nullptr || chunks == 0) return kNeverPulled;
  const base::Duration way = 2 * neighbour->delay() + neighbour->queue();
  const double sending = static_cast<double>(outstanding + chunks) / spare(*neighbour);
  return (static_cast<double>(way.count()) / 1e6 + sending + (neighbour->is_source() ? kSourceSpared : 0)) *
         (1 + kPerRequest / static_cast<double>(chunks));
}

bool Push::busy(PeerKey peer, base::Time now) const {
  const Neighbour* neighbour = hood_.find(peer);
  return neighbour != nullptr && now < neighbour->busy_until;
}

// ---- chunks ---------------------------------------------------------------------------------------------------------

// Whoever hears of a munro expects its bundle by both ways.
void Push::note(std::uint64_t munro, base::Time now) {
  if (munros_.find(munro) != nullptr || munros_.note(munro, now) == nullptr) return;
  for (std::size_t tree = kSubstreams; tree < kTrees; ++tree) trees_.exists(tree, now);
}

void Push::queue(SendClass what, tree::ChunkIndex index, PeerKey to, base::Time now) { queue_.add({what, index, to, now}); }

void Push::on_data(tree::ChunkIndex index, PeerKey from, bool answer, base::Time now) {
  Neighbour* neighbour = hood_.find(from);
  if (neighbour == nullptr) return;
  neighbour->have.add(index);
  queue_.remove(from, index);
  if (munros_.age(munro_number(index), now) > kDeadline) return;
  note(munro_number(index), now);
  trees_.arrived(tree_of(index), from);
  if (!answer && !repair_.asked(index, from)) trees_.stray(tree_of(index), from, now);
  if (trees_.parent(tree_of(index)) == from) find_gaps(index, now);
}

// Parents send in order: what they passed over, they lost or lack.
void Push::find_gaps(tree::ChunkIndex index, base::Time now) {
  const std::size_t tree = tree_of(index);
  constexpr int kMunrosBack = 3;
  auto it = munros_.all().upper_bound(munro_number(index));
  for (int back = 0; it != munros_.all().begin() && back < kMunrosBack; ++back) {
    const auto& [number, munro] = *--it;
    for (std::uint32_t rest = munro.missing(); rest != 0; rest &= rest - 1) {
      const auto leaf = static_cast<unsigned>(std::countr_zero(rest));
      if (tree_of(number, leaf) == tree && chunk_of(number, leaf) < index) repair_.gap(chunk_of(number, leaf), now);
    }
  }
}

void Push::on_chunk(tree::ChunkIndex index, std::optional<PeerKey> from, base::Time now) {
  if (!setup_.source && munros_.age(munro_number(index), now) > kDeadline) return;
  const std::size_t tree = tree_of(index);
  note(munro_number(index), now);
  if (!munros_.add(index, now)) return;
  // What pull brought before its bundle was there as well; bundles tell of all others.
  if (from && trees_.parent(tree) != from && munros_.find(munro_number(index))->used == 0) trees_.exists(tree, now);
  repair_.arrived(index, hood_);
  if (from) {
    if (Neighbour* neighbour = hood_.find(*from)) neighbour->failures = 0;
    // What was repaired says how late repair is, not how late the parent.
    if (trees_.parent(tree) == from) lag_.arrived(tree, munros_.age(munro_number(index), now));
  }
  if (!upload_) return;
  trees_.for_children(tree, [&](PeerKey child, SendClass what) {
    const Neighbour* neighbour = hood_.find(child);
    if (child != from && neighbour != nullptr && !neighbour->have.has(index)) queue(what, index, child, now);
  });
}

void Push::on_proved(std::uint64_t munro, unsigned used, std::optional<PeerKey> from, base::Time now) {
  if (!setup_.source && munros_.age(munro, now) > kBundleDeadline) return;
  note(munro, now);
  if (!munros_.prove(munro, used, now)) return;
  repair_.proved(munro, hood_);
  rate_.munro(munro, used, now);
  for (unsigned leaf = 0; leaf < used && !setup_.source; ++leaf) {
    if (!munros_.has(chunk_of(munro, leaf))) trees_.exists(tree_of(munro, leaf), now);
  }
  if (!upload_) return;
  for (std::size_t tree = kSubstreams; tree < kTrees; ++tree) {
    trees_.for_children(tree, [&](PeerKey child, auto) {
      if (child != from) queue(SendClass::bundle, chunk_of(munro, 0), child, now);
    });
  }
}

void Push::on_bundle(std::uint64_t munro, PeerKey from, base::Time now) {
  for (std::size_t tree = kSubstreams; tree < kTrees; ++tree) {
    trees_.arrived(tree, from);
    if (trees_.parent(tree) == from) lag_.arrived(tree, munros_.age(munro, now));
  }
}

void Push::on_have_range(PeerKey from, tree::ChunkRange range, base::Time now) {
  constexpr std::uint64_t kMost = 64 * kPushMunroWidth;  // more than that says nothing of the present
  if (range.count() > kMost) return;
  MunroMap map;
  for (std::uint64_t number = munro_number(range.first); number <= munro_number(range.last); ++number) {
    const unsigned first = number == munro_number(range.first) ? leaf_of(range.first) : 0;
    const unsigned last = number == munro_number(range.last) ? leaf_of(range.last) : kPushMunroWidth - 1;
    map.entries.push_back({number, false, leaves(last + 1) & ~leaves(first)});
  }
  on_have(from, map, now);
}

bool Push::covers(tree::ChunkIndex index, base::Time now) const {
  const std::uint64_t munro = munro_number(index);
  if (hood_.all().empty() || munros_.find(munro) == nullptr) return false;
  const bool newcomer = now - started_ < Neighbourhood::kNewcomer;
  if (trees_.begun(now)) return munros_.age(munro, now) < (newcomer ? kBeginning : kPullAfter);
  // What came after us may wait a little for parents: only what was there before can not come but by pull.
  return met_at_ && munro > *met_at_ && munros_.age(munro, now) < kBeginning;
}

// ---- sending --------------------------------------------------------------------------------------------------------

double Push::pace() const {
  if (uplink_.begun()) return uplink_.pace();
  return setup_.source ? kSourceGuess * kUnknownPace : kUnknownPace;
}

base::Duration Push::backlog() const {
  return base::Duration{static_cast<std::int64_t>(static_cast<double>(queue_.bytes()) * 1e6 / pace())};
}

// And in the line: there, where it is more than a burst's doing.
base::Duration Push::waits() const {
  const base::Duration line = line_queue_.value_or(base::Duration{});
  return backlog() + (line > Uplink::kLong ? line : base::Duration{});
}

base::Duration Push::waits_for_pull() const {
  return waits() + base::Duration{static_cast<std::int64_t>(static_cast<double>(queue_.spare_bytes()) * 1e6 / pace())};
}

std::optional<Send> Push::next_send(base::Time now) {
  while (pacer_.free_at(pace()) <= now + kQuantum) {
    const bool welcome = welcome_.turn(chunk_pace(), now);
    const auto send = queue_.pop(welcome);
    if (!send) break;
    if (welcome && send->what == SendClass::welcome) welcome_.took();
    const bool pushed = is_pushed(send->what) || send->what == SendClass::repair;
    if (!setup_.source && pushed && munros_.age(munro_number(send->index), now) > kDeadline) continue;
    const std::uint32_t bytes = queue_.bytes_of(send->what);
    if (now - send->queued > kWaited) uplink_.waited();
    charge(bytes, now);
    if (is_pushed(send->what)) sent_.add(send->to, send->index, now);
    return send;
  }
  pacer_.more_waits(more_waits(), pace(), now);
  return std::nullopt;
}

void Push::charge(std::uint64_t bytes, base::Time now) {
  charged_ += bytes;
  pacer_.charge(bytes, pace(), now);
}

bool Push::has_time(base::Time now) const { return pacer_.free_at(pace()) <= now + kQuantum && backlog() < kBusyQueue; }

std::uint64_t Push::room_for_others(base::Time now) {
  others_wait_ = !has_time(now);
  if (others_wait_) {
    uplink_.waited();
    pacer_.more_waits(true, pace(), now);
    return 0;
  }
  const base::Duration left = now + kQuantum - std::max(now, pacer_.free_at(pace()));   // what was pushed has taken the rest
  return std::max<std::uint64_t>(1, static_cast<std::uint64_t>(chunk_pace() * static_cast<double>(left.count()) / 1e6));
}

void Push::on_wire(std::uint64_t total, base::Time now) {
  const std::uint64_t sent = total - std::exchange(on_wire_, total);
  uplink_.sent(sent);
  pacer_.charge_past(sent - std::min(sent, std::exchange(charged_, 0)), pace(), now);
}

base::Time Push::next_deadline() const {
  const base::Time next = std::min(next_tick_, repair_.next_gap());
  return more_waits() ? std::min(next, pacer_.free_at(pace())) : next;
}

std::vector<PushOut> Push::take_out() {
  for (PushOut& out : trees_.take_out()) out_.push_back(std::move(out));
  return std::exchange(out_, {});
}

// ---- time -----------------------------------------------------------------------------------------------------------

void Push::repair(base::Time now) {
  for (PushOut& out : repair_.tick({munros_, lag_, hood_, trees_}, now)) out_.push_back(std::move(out));
}

void Push::tick(base::Time now) {
  if (now < next_tick_) {
    if (now >= repair_.next_gap()) repair(now);
    return;
  }
  if (now - next_tick_ > kAway) hood_.excuse(now - next_tick_, now);
  next_tick_ = now + kTick;
  if (now >= next_look_) {
    next_look_ = now + kLookEach;
    line_queue_ = uplink_.queue(now);
    newcomers_wait_ = now - started_ >= Neighbourhood::kNewcomer && hood_.all().size() >= kMany;
    trees_.let_newcomers_wait(newcomers_wait_);
  }
  mean_backlog_ += (waits() - mean_backlog_) / kBacklogMemory;
  if (now >= next_choice_) {
    hood_.choose(now);
    next_choice_ = now + (now - started_ < kFirstChoices ? Neighbourhood::kAdvertInterval : kChoiceInterval);
  }
  if (now >= next_means_) {
    next_means_ = now + kMeansInterval;
    update_means(now);
  }
  probe_uplink(now);
  trees_.tick(hood_, now);
  if (now >= next_roots_) {
    next_roots_ = now + Witnesses::kReportEach;
    if (setup_.source)
      trees_.judge(witnesses_, now);
    else
      send_roots(now);
  }
  if (!setup_.source) repair(now);
  if (now >= next_have_) {
    next_have_ = now + Neighbourhood::kHaveInterval;
    send_haves(now);
    // In the same datagrams. A newcomer finds out soon how far everybody is.
    if (++haves_ % kHavesPerAdvert == 0 || now - started_ < Neighbourhood::kNewcomer) send_adverts(now);
  }
}

// Nothing waits for a train: it is no part of the pace, but what finds that out. A user's limit is kept by trains as well: by none.
void Push::probe_uplink(base::Time now) {
  for (auto& [peer, spread] : trains_met_.tick(now)) out_.push_back({peer, spread});
  if (uplink_.doubts_measure() && now >= next_measure_) {
    probe_.again();
    next_measure_ = now + measure_later();
  }
  const auto departure = upload_ && !uplink_.limited() ? probe_.tick(hood_, now) : std::nullopt;
  if (!departure) return;
  for (unsigned i = 0; i < departure->train.datagrams; ++i) out_.push_back({departure->to, departure->train});
  charged_ += std::uint64_t{departure->train.datagrams} * setup_.chunk_bytes;
}

base::Duration Push::measure_later() {
  return kMeasureEach + base::Duration{static_cast<std::int64_t>(rng_.below(static_cast<std::uint64_t>(kMeasureEach.count())))};
}

void Push::update_means(base::Time now) {
  const double rate = rate_.bytes_per_second();
  if (rate <= 0) return;
  const double slot = rate / kSubstreams;
  // A source whose line carries less than the stream can do nothing, and a viewer has one child at least.
  uplink_.begin(rate * (setup_.source ? kSourceGuess : kViewerGuess), setup_.source ? rate : slot, now);
  uplink_.tick(now);
  const double slots = upload_ ? kShareForChildren * uplink_.rate() / slot : 0;
  trees_.set_means({slots, upload_ ? uplink_.rate() / rate : 0, rate, setup_.chunk_bytes, rate_.spacing()}, hood_);
}

// How far behind the source the quickest chunks come: by the least that a parent tells, and the way from there.
base::Duration Push::floor() const {
  std::optional<base::Duration> least;
  for (std::size_t tree = 0; tree < kTrees; ++tree) {
    const auto parent = trees_.parent(tree);
    const Neighbour* neighbour = parent ? hood_.find(*parent) : nullptr;
    if (neighbour == nullptr || !neighbour->fed(tree)) continue;
    const base::Duration lag = neighbour->lag(tree) + neighbour->delay();
    least = std::min(least.value_or(lag), lag);
  }
  return least.value_or(base::Duration{100'000});
}

Advert Push::advert(base::Time now) const {
  Advert advert;
  const double rate = rate_.bytes_per_second();
  if (upload_) advert.uplink = rate > 0 ? static_cast<std::uint16_t>(std::clamp(uplink_.rate() / rate * 256, 1.0, 65535.0)) : 1;
  const base::Duration waits = this->waits();
  advert.room = upload_ && waits <= kNoRoomQueue ? trees_.room() : 0;
  advert.queue = static_cast<std::uint8_t>(std::min<std::int64_t>(mean_backlog_ / Advert::kQueueUnit, 255));
  const base::Duration floor = setup_.source ? base::Duration{} : this->floor();
  for (std::size_t tree = 0; tree < kTrees; ++tree) {
    const base::Duration lag = setup_.source ? base::Duration{} : std::max(floor + lag_.mean(tree), Advert::kLagUnit);
    const bool fed = upload_ && trees_.fed(tree, now);
    advert.lag[tree] = fed ? static_cast<std::uint8_t>(std::min<std::int64_t>(lag / Advert::kLagUnit, 254)) : Advert::kNotFed;
    advert.weakest_rank[tree] = trees_.weakest_rank(tree);
  }
  return advert;
}

void Push::send_advert(PeerKey to, Neighbour& neighbour, const Advert& advert, base::Time now) {
  neighbour.told = now;
  Advert one = advert;
  one.sent_us = low_us(now);
  one.echo_us = neighbour.advert ? neighbour.advert->sent_us : 0;
  one.held_us = neighbour.advert ? low_us(now) - low_us(neighbour.advert_at) : 0;
  one.delay_us = std::exchange(neighbour.delay_us, std::nullopt).value_or(0);
  out_.push_back({to, one});
}

void Push::send_adverts(base::Time now) {
  const Advert advert = this->advert(now);
  for (auto& [peer, neighbour] : hood_.all()) {
    const bool courteous = now - neighbour.advert_at < Neighbourhood::kAdvertInterval && now - neighbour.told >= Neighbourhood::kCourtesy;
    if (neighbour.close || trees_.is_parent(peer) || courteous || trees_.looks_up_to(neighbour.tag, now))
      send_advert(peer, neighbour, advert, now);
  }
}

void Push::send_haves(base::Time now) {
  if (munros_.all().empty() || !upload_) return;
  // A weak line is for chunks: few will ask it for repair.
  const bool weak = !setup_.source && trees_.means().slots < kWeakSlots;
  if (weak && haves_ % 2 == 0) return;
  const std::uint64_t newest = munros_.all().rbegin()->first;
  constexpr std::uint64_t kSpan = munros_in(kHaveSpan);
  constexpr std::uint64_t kNewsSpan = munros_in(2 * Neighbourhood::kAdvertInterval);
  const MunroMap map = munros_.have_map(newest - std::min(newest, kSpan));
  if (map.entries.empty()) return;
  const bool with_adverts = haves_ % kHavesPerAdvert == kHavesPerAdvert - 1;   // in one datagram
  const MunroMap news = munros_.have_map(newest - std::min(newest, kNewsSpan), true);
  for (const auto& [peer, neighbour] : hood_.all()) {
    if (neighbour.partner || (with_adverts && trees_.is_child(peer)))
      out_.push_back({peer, HaveMap{map}});
    else if (neighbour.newcomer(now))
      out_.push_back({peer, HaveMap{news}});
  }
}

// To whoever says that it is the source: nobody else has a use for them.
void Push::send_roots(base::Time now) {
  for (const auto& [peer, neighbour] : hood_.all()) {
    if (neighbour.is_source()) out_.push_back({peer, trees_.roots(hood_, now)});
  }
}

PushState Push::state(base::Time now) const {
  PushState state;
  state.stream_rate = stream_rate();
  state.uplink = uplink_.rate();
  state.pace = pace();
  state.backlog = backlog();
  state.line_queue = uplink_.queue(now);
  state.nacks = nacks_;
  state.busy = busy_;
  trees_.describe(state, now);
  return state;
}

}  // namespace runnel::swarm
