// What peers say: each message in the order it came (RFC 7574 3), and what follows from it.
#include <algorithm>

#include "core/discovery/certified_peers.hpp"
#include "core/swarm/push.hpp"
#include "core/swarm/swarm.hpp"

namespace runnel::swarm {
namespace {

constexpr base::Duration kNoteEach = std::chrono::seconds{1};
constexpr base::Duration kAnnounceInterval{100'000};   // static: HAVEs gather so long,
constexpr std::uint64_t kAnnounceChunks = 256;         // or until they tell of so much
constexpr std::size_t kMaxOffered = 128;               // INTEGRITY messages in one datagram; 1452 bytes have room for 50 of SHA-1

// As if it had been sent within the last hour by our clock: only changes of the difference count.
wire::NodeTimestamp full_time(std::uint32_t sent_us, base::Time arrived) {
  const auto now = static_cast<std::uint64_t>(arrived.time_since_epoch().count());
  return wire::NodeTimestamp{now - static_cast<std::uint32_t>(static_cast<std::uint32_t>(now) - sent_us)};
}

template <class... Fns>
struct Overloaded : Fns... {
  using Fns::operator()...;
};

}  // namespace

void Swarm::on_datagram(Context& context, Channel& channel, base::ByteView messages) {
  if (std::ranges::find(marked_, channel.local) != marked_.end()) return;   // it was banned by a datagram of this input
  if (context.now >= channel.next_note) {
    channel.next_note = context.now + kNoteEach;
    book_.heard(channel.endpoint, context.now);
  }
  channel.last_heard = context.now;
  if (push_) push_->heard(channel.local, context.now);
  channel.unanswered = 0;
  if (channel.state == Channel::State::answering) established(context, channel);   // it echoed the id that we sent it
  if (std::exchange(channel.missed_news, false)) send_haves(context, channel);
  touch(channel);
  offered_.clear();
  certificates_.clear();
  wire::Decoder decoder{messages, format_};
  while (true) {
    const auto message = decoder.next();
    if (!message) {   // an invalid message and all behind it are dropped (RFC 7574 3); the sender is no good
      bad_peer(context, channel);
      break;
    }
    if (!*message) break;
    if (channel.state == Channel::State::calling && !std::holds_alternative<wire::Handshake>(**message)) break;
    on_message(context, channel, **message);
    if (std::ranges::find(marked_, channel.local) != marked_.end()) return;
  }
  absorb_hashes(context, channel);
  absorb_certificates(context, channel);
}

void Swarm::on_message(Context& context, Channel& channel, const wire::Message& message) {
  std::visit(Overloaded{
                 [&](const wire::Handshake& m) { on_handshake(context, channel, m); },
                 [&](const wire::Data& m) { on_data(context, channel, m); },
                 [&](const wire::Pushed& m) { on_data(context, channel, {m.chunk, full_time(m.sent_us, context.arrived), m.payload}); },
                 [&](const wire::Ack& m) { on_ack(context, channel, m); },
                 [&](const wire::Have& m) { on_have(context, channel, m.range); },
                 [&](const wire::Integrity& m) {
                   if (offered_.size() < kMaxOffered) offered_.push_back({*tree::Bin::of(m.range), m.hash});
                 },
                 [&](const wire::SignedIntegrity& m) { on_signed(context, channel, m); },
                 [&](const wire::Request& m) { on_request(context, channel, m.range); },
                 [&](const wire::Cancel& m) {
                   if (channel.uploads) channel.uploads->cancel(m.range);
                   if (channel.pushes) push_->on_cancel(channel.local, m.range);
                 },
                 [&](const wire::Choke&) { on_choke(context, channel); },
                 [&](const wire::Unchoke&) { channel.choking_us = false; },
                 [&](const wire::PexReq&) { on_pex_req(context, channel); },
                 [&](const wire::PexResV4& m) { on_pex(context, channel, m.peer); },
                 [&](const wire::PexResV6& m) { on_pex(context, channel, m.peer); },
                 [&](const wire::PexResCert& m) {
                   if (certificates_.size() < discovery::kMaxCertificatesTaken) certificates_.push_back(m.certificate);
                 },
                 [&](const wire::Extension& m) { on_extension(context, channel, m); },
             },
             message);
}

// ---- hashes ---------------------------------------------------------------------------------------------------------

void Swarm::absorb_hashes(Context& context, Channel& channel) {
  if (offered_.empty()) return;
  if (!content_->offer(offered_, channel.inbox)) {
    channel.inbox.clear();
    bad_peer(context, channel);
  }
  proved_.push_back(offered_.back().bin.range().first);
  offered_.clear();
}

void Swarm::on_signed(Context& context, Channel& channel, const wire::SignedIntegrity& message) {
  LiveContent* live = live_content();
  if (live == nullptr) return;
  absorb_hashes(context, channel);
  if (metadata_.sign_all) {
    if (message.range.count() != 1) return bad_peer(context, channel);
    channel.signatures.offer(message);
    proved_.push_back(message.range.first);
    return;
  }
  // It may have been signed for another place, far behind: what it moved there would be lost.
  if (!live->form().signs_place() && newest_signed_ && message.range.first > claims_end(context)) return;
  if (!live->offer_signed(message, channel.inbox)) {
    bad_peer(context, channel);
    return;
  }
  proved_.push_back(message.range.first);
  if (live->munro(message.range.first)) see_signed(context, channel, {message.range.first, message.range.first});
}

tree::LeafCheck Swarm::judge(Context& context, Channel& channel, tree::ChunkIndex index, base::ByteView payload) {
  if (!metadata_.sign_all) return content_->check(index, payload, channel.inbox);
  const ChunkSignature* signature = channel.signatures.find(index);
  if (signature == nullptr) return tree::LeafCheck::missing_hashes;
  const tree::LeafCheck check = live_content()->check_signed(*signature, payload);
  channel.signatures.take(index);
  if (check == tree::LeafCheck::verified) see_signed(context, channel, {index, index});
  return check;
}

// ---- HAVE, ACK, REQUEST ---------------------------------------------------------------------------------------------

void Swarm::on_have(Context& context, Channel& channel, tree::ChunkRange range) {
  if (push_) {
    if (const auto plausible = content_->plausible(range)) push_->on_have_range(channel.local, *plausible, context.now);
  }
  hear_shown(context, channel, range);
}

void Swarm::hear_shown(Context& context, Channel& channel, tree::ChunkRange range) {
  const auto plausible = content_->plausible(range);
  if (!plausible) return;
  range = *plausible;
  const tree::IntervalSet& known = channel.peer_has.set();
  std::vector<tree::ChunkRange>& news = news_;
  news.clear();
  if (picker_ || metadata_.live) {
    for (auto gap = known.next_gap(range.first, range.last); gap;
         gap = known.next_gap(tree::ChunkIndex{gap->last.value() + 1}, range.last)) {
      news.push_back(*gap);
      if (gap->last == range.last) break;
    }
  }
  const bool told_news = channel.peer_has.add(range) > 0;
  if (picker_ && told_news) {
    for (const tree::ChunkRange& gap : news) picker_->peer_has(gap);
  }
  if (channel.uploads) {
    channel.uploads->on_have(range, context.now);
    if (channel.uploads->wants_more()) channel.uploads->cancel(range);   // RFC 7574 3.8: HAVE takes back a REQUEST
  }
  if (const StaticContent* content = static_content(); content && content->chunks()) {
    channel.is_seed = known.count() == *content->chunks();
    if (!to_spare(channel)) elsewhere_.insert(range);
    if (context.now - channel.created < std::chrono::seconds{2} && channel.is_seed) channel.seed_from_start = true;
  }
  if (metadata_.live && told_news) hear_claims(context, channel, news);
}

void Swarm::on_ack(Context& context, Channel& channel, const wire::Ack& ack) {
  const auto range = content_->plausible(ack.range);
  if (!range) return;
  if (channel.uploads) channel.uploads->on_ack(*range, ack.delay.value(), context.now);
  if (push_ && !channel.pushes) push_->timed_other(channel.local, static_cast<std::uint32_t>(ack.delay.value()), context.now);
  on_have(context, channel, *range);
}

void Swarm::on_request(Context& context, Channel& channel, tree::ChunkRange range) {
  channel.last_request = context.now;
  const bool choked = channel.choked_by_us && !channel.pushes;   // BUSY tells them, chunk by chunk
  if (choked || context.no_upload) {   // RFC 7574 12.6.8
    channel.post(context.outbox, [](wire::Encoder& e) { return e.choke(); });
    return;
  }
  // What we do not hold is not kept: the peer will ask again when we announce it.
  for (auto held = content_->have().next_at(range.first); held && held->first <= range.last;
       held = content_->have().next_at(tree::ChunkIndex{held->last.value() + 1})) {
    const tree::ChunkRange part{held->first, std::min(held->last, range.last)};
    if (channel.pushes)
      push_->on_request(channel.local, part, context.now);
    else
      channel.begin_uploads(first_window()).request(part);
    if (held->last >= range.last) break;
  }
}

void Swarm::on_choke(Context& context, Channel& channel) {
  static_cast<void>(context);
  channel.choking_us = true;   // what was asked is void (RFC 7574 3.9)
  give_back(channel.downloads.take_all());
}

// ---- DATA -----------------------------------------------------------------------------------------------------------

void Swarm::on_data(Context& context, Channel& channel, const wire::Data& data) {
  absorb_hashes(context, channel);
  down_bytes_ += data.payload.size();
  channel.down.add(data.payload.size(), context.now);
  // What was pushed is no answer: others may wait in vain behind it.
  const bool answer = !channel.pushes || channel.downloads.asked_at(data.chunk);
  const bool asked = answer && channel.downloads.take(data.chunk, true, context.now);
  if (asked) requested_.erase({data.chunk, data.chunk});
  if (asked && channel.pushes) pull_budget_.answered();
  channel.ack_delay = static_cast<std::uint64_t>(context.arrived.time_since_epoch().count()) - data.timestamp.value();
  if (channel.pushes) on_pushed_data(context, channel, data, asked);
  const bool ack = asked || !channel.pushes;
  if (content_->has({data.chunk, data.chunk})) {
    ++duplicates_;
    if (ack) channel.to_ack.push_back(data.chunk);
    // Nobody asked for it, and it came too late to be of use. A parent whose chunks are all like that must not pass for one that feeds us.
    if (!answer && judge(context, channel, data.chunk, data.payload) == tree::LeafCheck::mismatch)
      on_mismatch(context, channel, data.chunk);
    return;
  }
  if (!content_->plausible({data.chunk, data.chunk})) return;
  const tree::LeafCheck check = judge(context, channel, data.chunk, data.payload);
  if (check == tree::LeafCheck::verified) {
    on_verified(context, channel, data.chunk, data.payload, ack);
  } else if (check == tree::LeafCheck::mismatch) {
    on_mismatch(context, channel, data.chunk);
  } else if (channel.held.add(data.chunk, data.payload, context.now)) {  // without an ACK (RFC 7574 5.3)
    requested_.insert({data.chunk, data.chunk});
    any_held_ = true;
  } else {
    on_unproved(context, channel);
    free_again(data.chunk);
  }
}

// Chunk after chunk that nothing proves: whoever sends no hashes (RFC 7574 5.3) is no use, however fast it is.
void Swarm::on_unproved(Context& context, Channel& channel) {
  constexpr std::uint32_t kMaxUnproved = 512;  // with none proved between them
  if (++channel.unproved < kMaxUnproved) return;
  book_.failed(channel.endpoint, context.now);
  marked_.push_back(channel.local);
}

void Swarm::on_mismatch(Context& context, Channel& channel, tree::ChunkIndex index) {
  ++rejected_;
  ++channel.rejected;
  if (!content_->has({index, index})) free_again(index);
  channel.inbox.clear();
  bad_peer(context, channel);
}

// Hashes became known around these chunks: what waited for them, from whomever, is judged again.
void Swarm::judge_held(Context& context) {
  if (!any_held_) proved_.clear();
  for (std::size_t i = 0; i < proved_.size(); ++i) {  // grows meanwhile
    const std::uint64_t first = proved_[i].value() / proof_group() * proof_group();
    const tree::ChunkRange group{tree::ChunkIndex{first}, tree::ChunkIndex{first + proof_group() - 1}};
    for (const auto& channel : channels_) {
      if (channel->held.empty()) continue;
      for (HeldChunks::Held& held : channel->held.take(group)) judge_held(context, *channel, std::move(held));
    }
  }
  proved_.clear();
  if (any_held_) any_held_ = std::ranges::any_of(channels_, [](const auto& c) { return !c->held.empty(); });
}

void Swarm::judge_held(Context& context, Channel& channel, HeldChunks::Held held) {
  if (content_->has({held.index, held.index})) {  // it came from somebody else as well
    requested_.erase({held.index, held.index});
    return;
  }
  // One of those before it was the last straw.
  if (std::ranges::find(marked_, channel.local) != marked_.end()) return free_again(held.index);
  const tree::LeafCheck check = judge(context, channel, held.index, held.payload);
  if (check == tree::LeafCheck::missing_hashes) {
    channel.held.put_back(std::move(held));
    return;
  }
  requested_.erase({held.index, held.index});
  touch(channel);
  if (check == tree::LeafCheck::verified)
    on_verified(context, channel, held.index, stores_.keep(std::move(held.payload)), !channel.pushes);
  else
    on_mismatch(context, channel, held.index);
}

void Swarm::tick_held(Context& context) {
  for (const auto& channel : channels_) {
    for (const tree::ChunkIndex index : channel->held.take_expired(context.now)) free_again(index);
    for (const tree::ChunkIndex index : channel->held.ask_again(proof_group(), context.now)) free_again(index);
  }
}

void Swarm::on_verified(Context& context, Channel& channel, tree::ChunkIndex index, base::ByteView payload, bool ack) {
  ++verified_;
  channel.stalls = 0;
  channel.unproved = 0;
  if (!size_told_ && static_content()) size_known(context);
  const tree::ChunkRange one{index, index};
  content_->mark_held(one);
  proved_.push_back(index);
  if (!requested_.empty() && requested_.contains(index)) {  // it was asked of somebody else
    requested_.erase(one);
    for (const auto& other : channels_) {
      if (other.get() == &channel || !other->downloads.take(index, false, context.now)) continue;
      cancel(context, *other, one);
      touch(*other);
    }
  }
  live_picker_.arrived(index);
  fresh_.add(one);
  if (ack) channel.to_ack.push_back(index);
  if (push_) push_->on_chunk(index, channel.local, context.now);
  stores_.add(index, payload);
  if (LiveContent* live = live_content()) {
    measure_delay(context, index);
    if (const auto munro = live->take_completed(index)) {
      flush_stores(context);
      context.outbox.event(Event{MunroComplete{handle_, *munro}});
      last_announce_ = {};  // at once
      if (push_) push_->on_proved(munro_number(munro->first), static_cast<unsigned>(munro->count()), channel.local, context.now);
      announce(context);
    }
  }
}

// What was there before us says nothing of how quickly things come.
void Swarm::measure_delay(const Context& context, tree::ChunkIndex index) {
  const SignedMunro* munro = live_content()->munro(index);
  const auto wall = context.wall_now();
  if (munro == nullptr || !wall) return;
  if (!began_) began_ = wall;
  const base::WallTime complete = live_content()->form().time_of(munro->timestamp);
  if (complete >= *began_) chunk_delays_.add(*wall - complete);
}

void Swarm::flush_stores(Context& context) {
  if (!stores_.empty()) context.outbox.store(handle_, stores_);
}

void Swarm::flush_acks(Context& context, Channel& channel) {
  std::optional<tree::ChunkRange> last;
  for (const tree::ChunkIndex index : channel.to_ack) {
    if (last && last->contains(index)) continue;
    last = content_->have().interval_of(index);  // the biggest interval that holds the chunk (RFC 7574 4.3.2)
    if (!last) continue;
    // With bins, the subtree among its parts that the chunk lies in.
    for (tree::ChunkRange rest = *last;; rest.first = tree::ChunkIndex{last->last.value() + 1}) {
      last = wire::expressible_front(rest, format_);
      if (last->contains(index)) break;
    }
    channel.post(context.outbox, [&](wire::Encoder& e) { return e.ack(*last, wire::DelaySample{channel.ack_delay}); });
  }
  channel.to_ack.clear();
}

void Swarm::say_have(Context& context, Channel& channel, tree::ChunkRange range) {
  channel.post_range(context.outbox, range, [](wire::Encoder& e, tree::ChunkRange part) { return e.have(part); });
}

// Who pushes is told by HAVE_MAP. Who has just come, and may have no parents yet, hears by HAVE from the source and from those whose
// partner it is: it gets by pull what is a moment old.
bool Swarm::hears_at_once(const Context& context, const Channel& channel) const {
  if (context.now - channel.created > Neighbourhood::kNewcomer) return false;
  const Neighbour* neighbour = push_->hood().find(channel.local);
  return source_ || (neighbour != nullptr && neighbour->partner);
}

// HAVE for what is new, to everyone who may want it (RFC 7574 3.2, 4.3.1).
void Swarm::announce(Context& context) {
  if (fresh_.empty() || context.no_upload) return;
  if ((!metadata_.live || push_) && context.now - last_announce_ < kAnnounceInterval && fresh_.count() < kAnnounceChunks) return;
  last_announce_ = context.now;
  std::vector<tree::ChunkRange>& intervals = news_;
  intervals.clear();
  fresh_.take([&](tree::ChunkRange range) {
    if (!intervals.empty() && intervals.back().contains(range.first)) return;
    if (const auto interval = content_->have().interval_of(range.first)) intervals.push_back(*interval);
  });
  for_established([&](Channel& channel) {
    if (channel.is_seed) return;  // RFC 7574 3.2
    if (push_ && channel.agreed.extensions() && (channel.pushes ? !hears_at_once(context, channel) : !channel.told_haves)) return;
    if (channel.suspect(context.now)) {
      channel.missed_news = true;
      if (context.now - channel.last_sent < kNewsToSuspects) return;
      channel.last_sent = context.now;
    }
    for (const tree::ChunkRange& interval : intervals) {
      if (!channel.peer_has.has(interval)) say_have(context, channel, interval);
    }
    channel.flush(context.outbox);
  });
}

void Swarm::bad_peer(Context& context, Channel& channel) {
  if (!book_.report_bad_hash(channel.endpoint, context.now)) return;
  context.outbox.event(Event{PeerBanned{handle_, channel.endpoint}});
  // With all its channels: a call that crossed ours, or one that it began anew, leaves it two.
  for (const auto& other : channels_) {
    if (book_.banned(other->endpoint, context.now)) marked_.push_back(other->local);
  }
}

}  // namespace runnel::swarm
