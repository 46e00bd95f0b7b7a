#include "core/swarm/swarm.hpp"

#include <algorithm>
#include <utility>

#include "base/check.hpp"
#include "core/discovery/certified_peers.hpp"
#include "core/swarm/push.hpp"

namespace runnel::swarm {
namespace {

constexpr base::Duration kBusyTick{20'000};      // while a reader or a live stream waits
constexpr base::Duration kTransferTick{50'000};
constexpr base::Duration kIdleTick{500'000};
constexpr base::Duration kRestTick{2'000'000};   // of a seed that nobody asks anything
constexpr std::uint32_t kLeastTurn = tree::kDefaultMunroWidth;   // chunks that are asked for together, however few a signature covers
constexpr std::size_t kAckChunks = 512;          // acknowledged together at most while more pour in

std::unique_ptr<Content> make_content(const Metadata& metadata, const SwarmParts& parts) {
  if (metadata.live) return std::make_unique<LiveContent>(metadata, parts);
  return std::make_unique<StaticContent>(metadata, parts);
}

}  // namespace

Swarm::Swarm(AddSwarm add, base::Rng rng, Context& context)
    : handle_(add.swarm),
      metadata_(std::move(add.metadata)),
      fetch_all_(add.fetch_all),
      sealing_(add.sealing),
      source_(add.parts.signer != nullptr),
      content_(make_content(metadata_, add.parts)),
      format_(format_of(metadata_, add.parts.verifier ? add.parts.verifier->signature_size() : 0)),
      rng_(rng),
      book_(rng_.fork()),
      node_id_(context.channels.secret()),
      live_picker_(node_id_, std::max(metadata_.munro_width, kLeastTurn)),
      choker_(rng_.fork()),
      next_tick_(context.now) {
  base::check(!metadata_.sign_all || (metadata_.live && metadata_.munro_width == 1 && !source_), "each chunk signed");
  for (const tree::ChunkRange& range : add.verified) content_->mark_held(range);
  if (static_content() && static_content()->chunks()) size_known(context);
  if (add.push) start_push(context);
  begin_certified(add.parts);
  check_progress(context);
}

Swarm::~Swarm() = default;

void Swarm::touch(Channel& channel) {
  if (std::ranges::find(touched_, &channel) == touched_.end()) touched_.push_back(&channel);
}

void Swarm::finish_input(Context& context, bool more) {
  judge_held(context);
  flush_stores(context);
  // While a file pours in, what we say back leaves now and then, not with each reading of the socket.
  const auto may_wait = [&](const Channel& channel) {
    return more && !metadata_.live && channel.to_ack.size() < kAckChunks && !(channel.uploads && channel.uploads->wants_more());
  };
  const auto due = std::partition(touched_.begin(), touched_.end(), [&](const Channel* channel) { return may_wait(*channel); });
  const auto first = static_cast<std::size_t>(due - touched_.begin());
  for (std::size_t i = first; i < touched_.size(); ++i) {
    Channel& channel = *touched_[i];
    flush_acks(context, channel);
    const auto lost = channel.downloads.take_lost(context.now, channel.pushes);
    give_back(lost);
  }
  // May touch more. What comes together is asked for together; beside push the tick is often enough.
  if (metadata_.live && !push_ && context.now >= next_ask_) ask_live(context);
  pump_push(context);                      // so may this
  for (std::size_t i = first; i < touched_.size(); ++i) {
    Channel& channel = *touched_[i];
    if (channel.state != Channel::State::established) continue;
    fill(context, channel);
    pump(context, channel);
    channel.flush(context.outbox);
  }
  touched_.resize(first);
  if (!metadata_.live) announce(context);
  check_progress(context);
  drop_marked(context);
}

void Swarm::want(Context& context, const Want& want) {
  if (!wants_.add({want.token, want.range, want.deadline})) return;
  check_progress(context);
  fill_all(context);
  next_tick_ = std::min(next_tick_, context.now + kBusyTick);
}

void Swarm::forget(tree::ChunkRange range) {
  content_->forget(range);
  complete_told_ = false;
}

void Swarm::close(Context& context) {
  while (!channels_.empty()) drop(context, *channels_.back(), true);
}

// Publishing, announcing and new peers wake everything that waits.
void Swarm::publish(Context& context, const Publish& publish) {
  LiveContent* live = live_content();
  base::check(live != nullptr && source_, "publish without a key");
  base::ByteView rest = publish.record;
  tree::ChunkIndex first = publish.first;
  std::vector<base::ByteView> chunks;
  while (!rest.empty()) {
    chunks.clear();
    while (!rest.empty() && chunks.size() < metadata_.munro_width) {
      const std::size_t size = std::min<std::size_t>(rest.size(), metadata_.chunk_size);
      chunks.push_back(rest.first(size));
      rest = rest.subspan(size);
    }
    const tree::ChunkRange range = live->publish(first, chunks, publish.now);
    for (std::size_t i = 0; i < chunks.size(); ++i) stores_.add(tree::ChunkIndex{first.value() + i}, chunks[i]);
    fresh_.add(range);
    verified_ += range.count();
    edge_ = range.last;
    if (push_) {
      push_->on_proved(munro_number(first), static_cast<unsigned>(chunks.size()), std::nullopt, context.now);
      for (std::size_t i = 0; i < chunks.size(); ++i) push_->on_chunk(tree::ChunkIndex{first.value() + i}, std::nullopt, context.now);
    }
    first = tree::ChunkIndex{first.value() + metadata_.munro_width};
  }
  flush_stores(context);
  if (const auto lowest = live->trim(*edge_)) context.outbox.event(Event{WindowMoved{handle_, *lowest}});
  announce(context);
  pump_push(context);
  for (Channel* channel : std::exchange(touched_, {})) channel->flush(context.outbox);
}

void Swarm::follow_from(Context& context, tree::ChunkIndex first) {
  tuned_in_at_.reset();
  follow(context, first);
}

void Swarm::follow(Context& context, tree::ChunkIndex first) {
  if (follow_ && *follow_ < first) want_no_more(context, {*follow_, tree::ChunkIndex{first.value() - 1}});
  follow_ = first;
  follow_by_word_ = false;
  const tree::ChunkIndex end = heard_until_.value_or(claims_end(context));
  for_established([&](Channel& channel) {
    channel.unasked_mark.back_to(first);
    channel.missing_mark.back_to(first);
    const tree::IntervalSet& shown = channel.peer_has.set();
    for (auto range = shown.next_at(first); range && range->first <= end; range = shown.next_at(tree::ChunkIndex{range->last.value() + 1}))
      live_picker_.seen({range->first, std::min(range->last, end)}, content_->have(), context.now, channel.stalls == 0);
  });
  fill_all(context);
}

void Swarm::want_no_more(Context& context, tree::ChunkRange past) {
  for_established([&](Channel& channel) {
    for (const tree::ChunkRange& range : channel.downloads.take_range(past)) cancel(context, channel, range);
    channel.flush(context.outbox);
  });
  const tree::ChunkIndex next{past.last.value() + 1};
  requested_.erase_below(next);
  live_picker_.drop_below(next);
}

std::optional<tree::ChunkIndex> Swarm::first_missing() const {
  std::optional<tree::ChunkIndex> first;
  if (live_picker_.missing().empty()) return first;
  for (const auto& channel : channels_) {
    // Who let us wait again and again is waited for no more.
    if (channel->state != Channel::State::established || channel->stalls >= kMaxStalls) continue;
    std::uint64_t leaps = 2 * Availability::kMaxRanges;
    const auto next = next_shown(live_picker_.missing(), channel->peer_has.set(), channel->missing_mark, leaps);
    if (next && (!first || *next < *first)) first = next;
  }
  return first;
}

std::optional<base::WallTime> Swarm::signed_at(tree::ChunkIndex index) const {
  const LiveContent* live = live_content();
  const SignedMunro* munro = live != nullptr ? live->munro(index) : nullptr;
  return munro != nullptr ? std::optional{live->form().time_of(munro->timestamp)} : std::nullopt;
}

void Swarm::on_tick(Context& context) {
  if (push_) {
    tick_push(context);
    if (context.now < next_tick_) return;
  }
  announce(context);
  tick_peers(context);
  tick_downloads(context);
  tick_uploads(context);
  if (context.now >= next_choke_round_) judge_chokes(context);
  for_established([&](Channel& channel) { channel.flush(context.outbox); });
  drop_marked(context);

  bool busy = false;
  bool transfer = false;
  for (const auto& channel : channels_) {
    const UploadQueue* uploads = channel->uploads.get();
    transfer |= channel->downloads.outstanding() > 0 || channel->state != Channel::State::established ||
                (uploads != nullptr && (uploads->wants_more() || uploads->deadline()));
    busy |= metadata_.live && channel->state == Channel::State::established && !channel->peer_has.set().empty();
  }
  busy |= !wants_.empty() || (context.upload.limited() && transfer) || (context.download.limited() && transfer);
  const bool rests = static_content() != nullptr && static_content()->complete();
  next_tick_ = context.now + (busy ? kBusyTick : transfer || !fresh_.empty() ? kTransferTick : rests ? kRestTick : kIdleTick);
}

SwarmState Swarm::state(base::Time now) const {
  SwarmState state;
  state.down_bytes = down_bytes_;
  state.up_bytes = up_bytes_;
  state.verified = verified_;
  state.rejected = rejected_;
  state.duplicates = duplicates_;
  state.have_chunks = content_->have().count();
  if (const StaticContent* content = static_content()) {
    state.total_chunks = content->chunks();
    state.content_bytes = content->bytes();
  }
  state.wanted_chunks = requested_.count();
  state.known_peers = book_.size();
  state.newest = edge_;
  std::uint64_t most_news = 0;
  for (const auto& channel : channels_) most_news = std::max(most_news, channel->news);
  for (const auto& channel : channels_) {
    if (channel->state != Channel::State::established) continue;
    PeerState peer;
    peer.endpoint = channel->endpoint;
    peer.initiator = channel->initiator;
    peer.sealed = channel->sealing.has_value();
    peer.down_bytes = channel->down.total();
    peer.up_bytes = channel->up.total();
    peer.down_rate = channel->down.per_second(now);
    peer.up_rate = channel->up.per_second(now);
    peer.rejected = channel->rejected;
    peer.rtt = channel->uploads && channel->up.total() > 0 ? channel->uploads->ledbat().rtt() : channel->downloads.latency();
    if (channel->uploads) peer.queue_delay = channel->uploads->ledbat().queue_delay();
    if (state.total_chunks) {
      peer.have_fraction = static_cast<double>(channel->peer_has.set().count()) / static_cast<double>(*state.total_chunks);
    } else if (!content_->have().empty()) {
      peer.have_fraction =
          std::min(1.0, static_cast<double>(channel->peer_has.set().count()) / static_cast<double>(content_->have().count()));
    }
    peer.choking_us = channel->choking_us;
    peer.choked_by_us = channel->choked_by_us;
    peer.is_source = metadata_.live ? most_news > 0 && channel->news == most_news : channel->is_seed && channel->seed_from_start;
    state.peers.push_back(peer);
  }
  if (push_) state.push = push_->state(now);
  if (push_) state.push->introduced = introduced_;
  if (metadata_.live && !source_) state.chunk_delays = chunk_delays_;
  return state;
}

}  // namespace runnel::swarm
