// What we ask, of whom, and when we stop waiting.
#include <algorithm>
#include <tuple>
#include <utility>

#include "core/swarm/push.hpp"
#include "core/swarm/swarm.hpp"

namespace runnel::swarm {

using tree::ChunkIndex;

namespace {

constexpr std::uint64_t kMinWindow = 32;                  // chunks outstanding at one peer
constexpr std::uint64_t kFirstWindow = 256;               // before a rate is known; doubles with what comes
constexpr std::uint64_t kMaxWindow = 4096;
constexpr base::Duration kRateKnown = std::chrono::seconds{2};
constexpr base::Duration kTuneInPatience{250'000};
constexpr base::Duration kStallFloor = std::chrono::seconds{1};
constexpr base::Duration kUrgent = std::chrono::seconds{1};
constexpr base::Duration kUrgentPatience{300'000};        // an urgent chunk waits so long at one peer while another has it
constexpr base::Duration kMeetOthers{300'000};            // at most so long
constexpr std::uint64_t kAloneChunks = 512;               // from a seed meanwhile
constexpr std::uint64_t kOthersShare = 8;                 // of a seed's window, what may go to pieces that fall to other watchers: 1/8
constexpr std::uint64_t kSoonSeconds = 3;
constexpr std::uint64_t kAverageChunk = 1000;             // bytes, to turn a rate into chunks

}  // namespace

std::uint64_t Swarm::request_window(const Channel& channel, base::Time now) const {
  if (channel.stalls > 0) return kMinWindow;
  if (should_meet_others(channel, now)) return kAloneChunks - std::min(kAloneChunks, channel.down.total() / kAverageChunk);
  if (now - channel.created < kRateKnown) return std::min(kFirstWindow + channel.down.total() / kAverageChunk, kMaxWindow);
  // A quarter of a second's worth: enough for long paths, short enough that what is urgent does not wait behind it.
  return std::clamp(channel.down.per_second(now) / kAverageChunk / 4, 2 * kMinWindow, kMaxWindow);
}

// A newcomer that was told of other watchers meets them before it fetches much from a seed: they may have just that.
bool Swarm::should_meet_others(const Channel& channel, base::Time now) const {
  if (metadata_.live || !channel.is_seed || channel.watchers_there == 0 || now - channel.created > kMeetOthers) return false;
  return std::ranges::none_of(channels_, [](const auto& c) { return c->is_watcher(); });
}

std::optional<tree::ChunkRange> Swarm::pick(Context& context, Channel& channel) {
  const PickState state{content_->have(), requested_, nullptr};
  const tree::IntervalSet& peer = channel.peer_has.set();
  if (!picker_) {
    // The size is not known: the last chunk that the peer shows, with its peaks, tells it (RFC 7574 5.6.2).
    const auto last = peer.newest();
    return last && requested_.empty() ? std::optional{tree::ChunkRange{*last, *last}} : std::nullopt;
  }
  if (auto wanted = picker_->pick_wanted(wants_, peer, state)) return wanted;
  if (!fetch_all_ || static_content()->complete()) return std::nullopt;
  // A caster is spared while the others give well: it is asked only for what nobody else has, and for little of what another
  // watcher will soon have from it.
  if (to_spare(channel) && others_give(context.now)) {
    const PickState nowhere{content_->have(), requested_, &elsewhere_};
    if (const auto ours = picker_->pick_ours(peer, nowhere, channel.cursor)) return ours;
    if (soon_done(context.now) || channel.downloads.outstanding() * kOthersShare >= request_window(channel, context.now))
      return std::nullopt;
    return picker_->pick(peer, nowhere, channel.cursor, false);
  }
  const bool alone = std::ranges::all_of(channels_, [](const auto& c) { return c->state != Channel::State::established || c->is_seed; });
  return picker_->pick(peer, state, channel.cursor, alone);
}

// Of the seeds, the caster is spared first, as far as the link tells who that is; without it, all are.
bool Swarm::named_seed_here() const {
  return std::ranges::any_of(channels_, [](const auto& c) { return c->named && c->is_seed && c->state == Channel::State::established; });
}

// Whether those who are not spared are worth waiting for: they bring an eighth of what the others bring, or have just come. Readers
// do not wait (Want); it is the rest of the file that may take longer, so that a caster's uplink does not grow with its audience.
bool Swarm::others_give(base::Time now) const {
  const bool named = named_seed_here();
  std::uint64_t spared = 0;
  std::uint64_t others = 0;
  for (const auto& channel : channels_) {
    if (channel->state != Channel::State::established) continue;
    const bool spare = channel->is_seed && (channel->named || !named);
    if (!spare && !channel->choking_us && now - channel->created < kRateKnown) return true;
    (spare ? spared : others) += channel->down.per_second(now);
  }
  return others > 0 && 8 * others >= spared;
}

// At the pace at hand. Then everything is on its way to somebody, and what two fetch from a seed one of them fetched in vain.
bool Swarm::soon_done(base::Time now) const {
  std::uint64_t rate = 0;
  for (const auto& channel : channels_) rate += channel->down.per_second(now);
  const std::uint64_t missing = (*static_content()->chunks() - content_->have().count()) * metadata_.chunk_size;
  return missing < rate * kSoonSeconds;
}

void Swarm::count_elsewhere(base::Time now) {
  if (now < next_count_ || !picker_) return;
  next_count_ = now + std::chrono::seconds{1};
  elsewhere_.clear();
  std::vector<std::uint64_t> watchers;
  for_established([&](Channel& channel) {
    if (channel.node_id && !channel.is_seed) watchers.push_back(*channel.node_id);
    if (to_spare(channel) || channel.choking_us || channel.stalls > 0) return;
    channel.peer_has.set().for_each([&](tree::ChunkRange range) { elsewhere_.insert(range); });
  });
  picker_->share_with(node_id_, std::move(watchers));
}

bool Swarm::may_ask(const Channel& channel, base::Time now) const {
  if (channel.state != Channel::State::established || channel.choking_us || source_) return false;
  if (channel.pushes && push_->busy(channel.local, now)) return false;
  if (channel.stalls >= kMaxStalls && channel.downloads.outstanding() > 0) return false;
  return channel.downloads.outstanding() < most_asked(channel, now);
}

// Of one who pushes no more than it has time for, as far as it told; and what it gave us, it had time for.
std::uint64_t Swarm::most_asked(const Channel& channel, base::Time now) const {
  const std::uint64_t window = request_window(channel, now);
  if (!channel.pushes) return window;
  const std::uint64_t told = std::min(window, push_->most_pulled(channel.local, now));
  return std::min(window, told + channel.down.total() / kAverageChunk);
}

// Static content: as much as the peer's window takes.
void Swarm::fill(Context& context, Channel& channel) {
  if (metadata_.live) return;
  while (may_ask(channel, context.now) && context.download.allows(context.now)) {
    const auto range = pick(context, channel);
    if (!range) return;
    request(context, channel, *range);
  }
}

void Swarm::fill_all(Context& context) {
  if (metadata_.live) return ask_live(context);
  std::vector<Channel*>& order = order_;
  order.clear();
  for_established([&](Channel& channel) { order.push_back(&channel); });
  std::ranges::shuffle(order, rng_);
  // Who was waited for in vain is asked last, for what the others leave.
  std::ranges::partition(order, [](const Channel* c) { return c->stalls == 0; });
  // The quickest first when somebody waits.
  if (!wants_.empty())
    std::ranges::sort(order, {}, [](const Channel* c) { return std::tuple{c->stalls, c->downloads.latency(), c->local}; });
  for (Channel* channel : order) fill(context, *channel);
  for (Channel* channel : order) channel->flush(context.outbox);
}

// What is due, oldest first, is asked of the holder that should answer first.
void Swarm::ask_live(Context& context) {
  constexpr int kMaxSteps = 128;      // munros looked at, due or not
  constexpr int kMaxStepsBesidePush = 32;   // two seconds: each costs a look at all neighbours, and the next tick is near
  constexpr double kSpareSource = 1.25;         // by so much the source must be quicker; at 1.5 viewers' uplinks overflowed (live_small)
  constexpr base::Duration kPause{6'000};       // each look is at all neighbours, and there is one with each tick
  constexpr base::Duration kPauseOld{40'000};
  if (!follow_ || source_ || live_picker_.unasked().empty()) return;
  next_ask_ = context.now + kPause;
  const bool beside_push = push_ && push_->trees().begun(context.now);
  // Beside push, holes that a live player has passed are filled when nothing newer is missing, and few at a time.
  constexpr std::uint64_t kOfUse = 6 * kLiveIndicesPerSecond;
  constexpr std::uint64_t kMostOld = 1;
  const ChunkIndex of_use{beside_push && edge_ ? edge_->value() - std::min(edge_->value(), kOfUse) : 0};
  const auto newer = live_picker_.next_unasked(of_use);
  const bool old_ones = beside_push && (!newer || push_->covers(newer->first, context.now));
  if (old_ones) {
    if (const auto oldest = live_picker_.next_unasked(ChunkIndex{0}); !oldest || oldest->first >= of_use || context.now < next_old_) return;
    next_old_ = context.now + kPauseOld;
  }
  std::vector<Channel*> neighbours;
  std::vector<Channel*> askable;
  std::uint64_t most_news = 0;
  std::uint64_t outstanding = 0;
  for (const auto& channel : channels_) outstanding += channel->pushes ? channel->downloads.outstanding() : 0;
  const auto room = [&] {
    if (!push_) return kRequestChunks;
    const std::uint64_t all = pull_budget_.room(outstanding, beside_push, context.now);
    return old_ones ? std::min(all, kMostOld - std::min(kMostOld, outstanding)) : all;
  };
  if (room() == 0) return;
  const ChunkIndex from = old_ones ? walk_from_ : std::max(walk_from_, of_use);
  LiveWalk walk{live_picker_, channels_.size()};
  neighbours.reserve(channels_.size());
  askable.reserve(channels_.size());
  for_established([&](Channel& channel) {
    if (channel.peer_has.set().empty()) return;
    neighbours.push_back(&channel);
    most_news = std::max(most_news, channel.news);
    if (!may_ask(channel, context.now)) return;
    walk.add(channel.peer_has.set(), channel.unasked_mark, from);
    askable.push_back(&channel);
  });
  // A walk that was long enough without coming to its end goes on next time: who shows much that is not due keeps nothing from us.
  walk_from_ = ChunkIndex{0};
  const int max_steps = push_ ? kMaxStepsBesidePush : kMaxSteps;
  int steps = 0;
  for (auto run = walk.next(); run && context.download.allows(context.now); run = walk.next()) {
    if (push_ && push_->covers(run->first, context.now)) break;   // as it does all that is newer
    if (room() == 0) break;
    if (++steps > max_steps) {
      walk_from_ = run->first;
      break;
    }
    std::size_t holders = 0;
    Channel* best = nullptr;
    double best_wait = 0;
    for (Channel* channel : neighbours) {
      if (!channel->peer_has.has_any(*run)) continue;
      holders += channel->stalls < kMaxStalls ? 1 : 0;   // whose word is worth something
      if (!may_ask(*channel, context.now)) continue;
      // A draw keeps equals from all being asked at once; who brings the news is the source.
      const double wait =
          live_wait(*channel, *run) * (0.75 + rng_.unit() / 2) * (channel->news == most_news && !channel->pushes ? kSpareSource : 1);
      if (best == nullptr || wait < best_wait) {
        best = channel;
        best_wait = wait;
      }
    }
    if (best == nullptr || !live_picker_.due(run->first, holders, neighbours.size(), context.now)) continue;
    const auto held = *best->peer_has.set().next_at(run->first);
    const std::uint64_t most =
        std::min(room(), best->pushes ? most_asked(*best, context.now) - best->downloads.outstanding() : kRequestChunks);
    const tree::ChunkRange asked{held.first, std::min({held.last, run->last, ChunkIndex{held.first.value() + most - 1}})};
    request(context, *best, asked);
    outstanding += asked.count();
    touch(*best);
    if (!may_ask(*best, context.now)) walk.leave(static_cast<std::size_t>(std::ranges::find(askable, best) - askable.begin()));
  }
}

// Answers wait for those before them, and come seldom of who was silent. Who pushes tells more of itself.
double Swarm::live_wait(const Channel& channel, tree::ChunkRange run) const {
  constexpr base::Duration kAlike{20'000};   // who is slower by less is as good
  const std::uint64_t outstanding = channel.downloads.outstanding();
  double answer = static_cast<double>((channel.downloads.response() + kAlike).count()) / 1e6 *
                  static_cast<double>(kRequestChunks + outstanding) / kRequestChunks;
  if (channel.pushes) {
    const auto held = channel.peer_has.set().next_at(run.first);
    const tree::ChunkRange part{held->first, std::min(held->last, run.last)};
    answer = push_->pull_price(channel.local, outstanding, part.count());
  }
  return answer * (1U << channel.downloads.time_outs());
}

void Swarm::request(Context& context, Channel& channel, tree::ChunkRange range) {
  channel.downloads.add(range, context.now);
  requested_.insert(range);
  if (metadata_.live) live_picker_.asked(range);
  context.download.take(range.count() * metadata_.chunk_size);
  channel.post_range(context.outbox, range, [](wire::Encoder& e, tree::ChunkRange part) { return e.request(part); });
}

void Swarm::cancel(Context& context, Channel& channel, tree::ChunkRange range) {
  channel.post_range(context.outbox, range, [](wire::Encoder& e, tree::ChunkRange part) { return e.cancel(part); });
}

void Swarm::give_back(std::span<const tree::ChunkRange> ranges) {
  for (const tree::ChunkRange& range : ranges) {
    requested_.erase(range);
    if (!metadata_.live) continue;
    live_picker_.returned(range);
    for (const auto& channel : channels_) {
      if (channel->unasked_mark.passed(range.first) && channel->peer_has.has_any(range)) channel->unasked_mark.back_to(range.first);
    }
  }
}

// ---- what is known and done -----------------------------------------------------------------------------------------

void Swarm::size_known(Context& context) {
  StaticContent* content = static_content();
  if (!content->chunks()) return;
  if (!picker_) {
    picker_.emplace(rng_.fork(), *content->chunks());
    for (const auto& channel : channels_)
      channel->peer_has.set().for_each([&](tree::ChunkRange range) {
        if (const auto plausible = content->plausible(range)) picker_->peer_has(*plausible);
      });
  }
  if (content->bytes()) {
    size_told_ = true;
    context.outbox.event(Event{SizeKnown{handle_, *content->bytes()}});
  }
}

void Swarm::check_progress(Context& context) {
  if (!wants_.empty()) {
    for (const std::uint64_t token : wants_.take_ready(content_->have())) context.outbox.event(Event{RangeReady{handle_, token}});
  }
  if (const StaticContent* content = static_content(); content && !complete_told_ && content->complete()) {
    complete_told_ = true;
    context.outbox.event(Event{Completed{handle_}});
  }
}

// ---- live edge ------------------------------------------------------------------------------------------------------

// How far neighbours are believed: so much beyond the newest munro that the source signed, and as much more as time has passed since we
// learned of it, since live indices go with the clock; in the compat form they do not, and no stream is faster (67 Mb/s). Until something
// was signed our own clock stands in, where we have one and it tells an index.
tree::ChunkIndex Swarm::claims_end(const Context& context) const {
  constexpr std::uint64_t kAheadSeconds = 10;   // a source whose clock jumps by less is followed at once
  constexpr std::uint64_t kEnd = ~std::uint64_t{0} - 1;
  constexpr std::uint64_t kMaxIndices = kEnd / 2;
  std::uint64_t from = 0;
  std::uint64_t ahead = 0;
  if (newest_signed_) {
    const auto waited_us = static_cast<std::uint64_t>(std::max<std::int64_t>(0, (context.now - newest_signed_at_).count()));
    from = newest_signed_->value();
    ahead = kAheadSeconds * kLiveIndicesPerSecond + waited_us / 1'000 * kLiveIndicesPerSecond / 1'000;
  } else {
    const auto clock = context.wall ? live_content()->form().index_at(*context.wall) : std::nullopt;
    if (!clock) return ChunkIndex{kEnd};
    from = clock->value() / kLiveIndicesPerSecond * kLiveIndicesPerSecond;
    ahead = (LiveContent::kMaxAheadSeconds + 1) * kLiveIndicesPerSecond - 1;
  }
  return ChunkIndex{std::min(from, kMaxIndices) + std::min(ahead, kMaxIndices)};
}

// HAVEs: what a peer had not shown before.
void Swarm::hear_claims(Context& context, Channel& channel, std::span<const tree::ChunkRange> claims) {
  const ChunkIndex end = heard_until_.value_or(claims_end(context));
  for (const tree::ChunkRange& claim : claims) {
    // Its discard window may have cut the beginning off.
    const auto shown = channel.peer_has.set().next_at(claim.first);
    if (!shown || shown->first > std::min(claim.last, end)) continue;
    hear_claim(context, channel, {shown->first, std::min(claim.last, end)});
  }
}

void Swarm::hear_claim(Context& context, Channel& channel, tree::ChunkRange claim) {
  if (!edge_) first_shown_ = context.now;
  // Who owes us what it showed brings no news.
  if (channel.stalls == 0) move_edge(channel, claim.last);
  if (source_ || !follow_ || claim.last < *follow_) return;
  claim.first = std::max(claim.first, *follow_);
  channel.unasked_mark.back_to(claim.first);
  channel.missing_mark.back_to(claim.first);
  // Nor does its word begin a turn: munros claimed ahead of their time would be asked for by everyone the moment they are there.
  want_shown(context, claim, channel.stalls == 0);
}

// Claims that were ahead of their time count once it has come.
void Swarm::hear_later_claims(Context& context) {
  if (!newest_signed_) return;
  const ChunkIndex end = claims_end(context);
  constexpr std::uint64_t kStep = kLiveIndicesPerSecond / 10;   // more often is not worth looking at everybody's claims
  if (heard_until_ && end.value() < heard_until_->value() + kStep) return;
  ChunkIndex next{0};
  if (heard_until_) {
    next = ChunkIndex{heard_until_->value() + 1};
  } else {   // until now a clock stood in for the source's word
    live_picker_.drop_above(end);
    if (edge_ && *edge_ > end) edge_ = newest_signed_;
  }
  heard_until_ = end;
  for_established([&](Channel& channel) {
    const tree::IntervalSet& shown = channel.peer_has.set();
    for (auto range = shown.next_at(next); range && range->first <= end; range = shown.next_at(ChunkIndex{range->last.value() + 1}))
      hear_claim(context, channel, {range->first, std::min(range->last, end)});
  });
}

void Swarm::move_edge(Channel& channel, ChunkIndex last) {
  if (edge_ && last <= *edge_) return;
  ++channel.news;
  edge_ = last;
}

void Swarm::want_shown(Context& context, tree::ChunkRange range, bool believed) {
  for (const tree::ChunkRange& fresh : live_picker_.seen(range, content_->have(), context.now, believed)) {
    for (const auto& channel : channels_) {
      const bool passed = channel->unasked_mark.passed(fresh.first) || channel->missing_mark.passed(fresh.first);
      if (!passed || !channel->peer_has.has_any(fresh)) continue;
      channel->unasked_mark.back_to(fresh.first);
      channel->missing_mark.back_to(fresh.first);
    }
  }
}

// Where each chunk is signed, nothing is shown that proves where the source is: so what the last of our neighbours has reached, and a
// claim that is ahead of its time keeps nobody waiting.
ChunkIndex Swarm::shown_by_all() {
  ChunkIndex least = *edge_;
  for_established([&](Channel& channel) {
    if (const auto newest = channel.peer_has.set().newest()) least = std::min(least, *newest);
  });
  return least;
}

// What was signed long ago is no place to begin at (RFC 7574 6.1.2.4): it may be replayed. But if nothing newer comes, our clock is wrong.
bool Swarm::stale_edge(const Context& context) const {
  constexpr base::Duration kPatience = std::chrono::seconds{2};
  const SignedMunro* newest = live_content()->newest_munro();
  return newest != nullptr && context.wall && live_content()->stale_at(*newest, *context.wall) && context.now - first_shown_ < kPatience;
}

void Swarm::see_signed(Context& context, Channel& channel, tree::ChunkRange range) {
  if (const auto newest = live_content()->newest_munro_range(); newest && (!newest_signed_ || newest->last > *newest_signed_)) {
    newest_signed_ = newest->last;
    newest_signed_at_ = context.now;
  }
  hear_later_claims(context);
  if (!edge_) first_shown_ = context.now;
  move_edge(channel, range.last);
  if (source_) return;
  if (!follow_ && stale_edge(context)) return;
  if (push_) push_->begin_at(munro_number(range.last));
  // Neighbours may have told us to begin where nothing will be for long.
  if (!follow_ || (std::exchange(follow_by_word_, false) && range.first < *follow_)) tune_in(context, range.last);
  if (range.last >= *follow_) want_shown(context, {std::max(range.first, *follow_), range.last}, true);
  // Only the source's word moves the window: a neighbour's claim must not make us forget what others still want.
  if (const auto lowest = live_content()->trim(range.last)) {
    requested_.erase_below(*lowest);
    live_picker_.drop_below(*lowest);
    if (*follow_ < *lowest) follow_ = lowest;
    for (const auto& other : channels_) other->peer_has.drop_below(*lowest);
    context.outbox.event(Event{WindowMoved{handle_, *lowest}});
  }
}

// Near the newest munro that the source is known to have signed; whoever plays it then says how far back it must begin (FollowFrom).
void Swarm::tune_in(Context& context, tree::ChunkIndex at) {
  tuned_in_at_ = at;
  follow(context, beginning_before(at));
}

// The newest beginning that neighbours have told, or else the edge. A false one that is newer than that costs as much as none at all, and
// one that is older is not looked at.
tree::ChunkIndex Swarm::beginning_before(tree::ChunkIndex edge) const {
  constexpr std::uint64_t kFarBack = 10 * kLiveIndicesPerSecond;
  std::optional<ChunkIndex> newest;
  for (const auto& channel : channels_) {
    const auto& told = channel->beginning;
    if (told && *told <= edge && edge.value() - told->value() <= kFarBack && (!newest || *newest < *told)) newest = told;
  }
  return tree::munro_of(newest.value_or(edge), metadata_.munro_width).range().first;
}

void Swarm::hear_beginning(Context& context, Channel& channel, tree::ChunkIndex beginning) {
  if (!metadata_.live || source_) return;
  channel.beginning = beginning;
  if (!tuned_in_at_) return;
  if (const ChunkIndex first = beginning_before(*tuned_in_at_); first != *follow_) follow(context, first);
}

// ---- time -----------------------------------------------------------------------------------------------------------

void Swarm::tick_downloads(Context& context) {
  for_established([&](Channel& channel) {
    if (channel.downloads.outstanding() == 0) return;
    give_back(channel.downloads.take_lost(context.now, channel.pushes));
    if (metadata_.live) {
      const auto late = channel.downloads.take_late(context.now);
      give_back(late);
      for (const tree::ChunkRange& range : late) cancel(context, channel, range);
    }
    const auto since = channel.downloads.waiting_since();
    const base::Duration patience = std::max(kStallFloor, 4 * channel.downloads.latency()) * (1 << std::min(channel.stalls, 5U));
    if (since && context.now - *since > patience) {
      ++channel.stalls;
      channel.cursor.piece.reset();
      give_back(channel.downloads.take_all());
    }
  });
  // Who is not told of a signed munro (RFC 7574 6.1.2.4 asks sources to, not their peers) believes what is shown.
  if (!follow_ && edge_ && !source_ && context.now - first_shown_ > kTuneInPatience && !stale_edge(context)) {
    tune_in(context, newest_signed_.value_or(metadata_.sign_all ? shown_by_all() : *edge_));
    follow_by_word_ = !newest_signed_;
  }
  if (metadata_.live)
    hear_later_claims(context);
  else
    take_over(context);
  tick_held(context);
  count_elsewhere(context.now);
  hurry(context);
  fill_all(context);
}

// Near the end, who has nothing left to do is asked for what a silent peer was: it may never answer.
void Swarm::take_over(Context& context) {
  for (const auto& silent : channels_) {
    const auto since = silent->downloads.waiting_since();
    if (!since || context.now - *since < std::max(kUrgentPatience, 2 * silent->downloads.latency())) continue;
    const ChunkIndex first = *silent->downloads.first_outstanding();
    const bool idle = std::ranges::any_of(channels_, [&](const auto& c) {
      return c->state == Channel::State::established && !c->choking_us && c->stalls == 0 && c->downloads.outstanding() == 0 &&
             c->peer_has.has({first, first});
    });
    if (!idle) continue;
    ++silent->stalls;
    const auto taken = silent->downloads.take_all();
    give_back(taken);
    for (const tree::ChunkRange& range : taken) cancel(context, *silent, range);
  }
}

// What a reader needs within a second, and waits for at a slow peer, is asked of another (RFC 7574 3.8).
void Swarm::hurry(Context& context) {
  for (const Wants::Entry& want : wants_.by_deadline()) {
    if (want.deadline - context.now > kUrgent) break;
    const auto gap = content_->have().next_gap(want.range.first, want.range.last);
    if (!gap || !requested_.contains(gap->first)) continue;
    for (const auto& slow : channels_) {
      const auto asked = slow->downloads.asked_at(gap->first);
      if (!asked || context.now - *asked < kUrgentPatience) continue;
      const bool elsewhere = std::ranges::any_of(channels_, [&](const auto& c) {
        return c.get() != slow.get() && c->state == Channel::State::established && !c->choking_us && c->stalls == 0 &&
               c->peer_has.has({gap->first, gap->first}) && c->downloads.latency() < slow->downloads.latency();
      });
      if (!elsewhere) continue;
      const auto taken = slow->downloads.take_range(*gap);
      give_back(taken);
      for (const tree::ChunkRange& range : taken) cancel(context, *slow, range);
      break;
    }
  }
}

}  // namespace runnel::swarm
