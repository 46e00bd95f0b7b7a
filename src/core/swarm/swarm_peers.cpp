// Who is here: calling, answering, introductions, and parting.
#include <algorithm>

#include "base/check.hpp"
#include "core/swarm/extensions.hpp"
#include "core/swarm/push.hpp"
#include "core/swarm/swarm.hpp"

namespace runnel::swarm {
namespace {

constexpr std::size_t kMaxFirstHaves = 512;            // ranges told to a new peer, the newest of a live window
constexpr std::size_t kMaxCallsPerTick = 8;
constexpr unsigned kMetSome = 3;                       // others, and a newcomer knows what it may begin with
constexpr base::Duration kPeersTick{250'000};
constexpr base::Duration kEdgeToPushers = std::chrono::seconds{3};
constexpr base::Duration kEdgeByOthers = std::chrono::seconds{1};   // so long a HELLO, or word of others, is waited for
constexpr base::Duration kLiveSilence = std::chrono::seconds{3};    // nothing new that is signed: the source may have started again

}  // namespace

Channel* Swarm::find_at(const base::Endpoint& endpoint, Channel::State state) const {
  const auto it = std::ranges::find_if(channels_, [&](const auto& c) { return c->endpoint == endpoint && c->state == state; });
  return it == channels_.end() ? nullptr : it->get();
}

void Swarm::add_peers(Context& context, const AddPeers& add) {
  for (const base::Endpoint& peer : add.peers) {
    book_.add(peer, add.trusted ? discovery::AddressSource::user : discovery::AddressSource::tracker, context.now);
    if (add.trusted && trusted_.size() < kMaxTrusted && std::ranges::find(trusted_, peer) == trusted_.end()) trusted_.push_back(peer);
  }
  next_peers_tick_ = context.now;
  next_tick_ = context.now;
}

// ---- calling --------------------------------------------------------------------------------------------------------

void Swarm::call(Context& context, const base::Endpoint& endpoint) {
  auto channel = std::make_unique<Channel>(context.channels.new_id(), endpoint, true, format_, context.now);
  channel->sealing = sealing_of(channel->local, sealing_ != SealPolicy::never);
  context.channels.add(channel->local, {this, channel.get()});
  book_.tried(endpoint, context.now);
  channels_.push_back(std::move(channel));
  send_call(context, *channels_.back());
}

void Swarm::send_call(Context& context, Channel& channel) {
  // By turns from then on: a node of ours that was only away for a while is to be met with all that it knows.
  const bool full = channel.handshakes_sent < kFullHandshakeTries || channel.handshakes_sent % 2 == 1;
  const Style style = full ? Style::full : Style::plain;
  const base::MutableByteView to = context.outbox.begin_datagram();
  wire::Encoder encoder{to, format_};
  const bool written = encoder.channel(wire::kNoChannel) && encoder.handshake({channel.local, initiating_options(metadata_, style)});
  base::check(written, "handshake");
  channel.end_datagram(context.outbox, encoder.size());
  channel.next_handshake = context.now + kHandshakeRetry * (1 << channel.handshakes_sent);
  ++channel.handshakes_sent;
}

// Whoever says nothing to a sealed call may know nothing of sealing (design decision 9); who was met sealed before does know.
void Swarm::on_call_failed(Context& context, Channel& channel, CallFailed::Why why) {
  if (channel.state != Channel::State::calling || !channel.sealing) return;
  if (why == CallFailed::Why::ourselves) {
    book_.set_own({channel.endpoint});
    drop(context, channel, false);
    return;
  }
  if (sealing_ == SealPolicy::required || context.sealed_places.contains(channel.endpoint)) return;
  context.outbox.closed(channel.local);
  channel.sealing.reset();
  channel.handshakes_sent = 0;
  send_call(context, channel);
}

// ---- answering ------------------------------------------------------------------------------------------------------

void Swarm::on_call(Context& context, const DatagramIn& datagram, const wire::Handshake& handshake) {
  const base::Endpoint& from = datagram.from;
  const bool sealed = datagram.sealed.has_value();
  if (sealing_ == SealPolicy::required && !sealed) return;
  if (handshake.is_close() || book_.banned(from, context.now)) return;
  if (!sealed && context.sealed_places.contains(from)) return;   // somebody on the way would have us speak in the clear
  if (const Route route = context.channels.find(handshake.source);
      route.swarm == this && route.channel->state == Channel::State::calling && route.channel->sealing.has_value() == sealed) {
    // Our own call came back to us: that address is ours.
    book_.set_own({route.channel->endpoint, from});
    drop(context, *route.channel, false);
    return;
  }
  const auto agreed = accept_initiating(metadata_, handshake.options);
  if (!agreed) return;   // silence (RFC 7574 3.1.1)

  for (const auto& known : channels_) {
    if (known->endpoint == from && known->remote == handshake.source) {
      if (known->sealing.has_value() == sealed)
        send_answer(context, *known, handshake.options, datagram);   // a repeated call finds its state (RFC 7574 8.2)
      return;
    }
  }
  if (Channel* ours = find_at(from, Channel::State::calling)) {
    // Both called at once: the call of the smaller channel id stands.
    if (ours->local < handshake.source) return;
    drop(context, *ours, false);
  }
  // Who calls sealed has proved its address: nobody can take its place in the door by forging others.
  const auto half_open =
      std::ranges::count_if(channels_, [](const auto& c) { return c->state == Channel::State::answering && !c->sealing; });
  const auto incoming = std::ranges::count_if(channels_, [](const auto& c) { return !c->initiator; });
  if ((!sealed && static_cast<std::size_t>(half_open) >= kMaxHalfOpen) || static_cast<std::size_t>(incoming) >= kMaxIncoming) return;

  auto channel = std::make_unique<Channel>(context.channels.new_id(), from, false, format_, context.now);
  channel->state = Channel::State::answering;
  channel->sealing = sealing_of(channel->local, sealed);
  channel->remote = handshake.source;
  channel->agreed = *agreed;
  channel->peer_has.set_window(agreed->peer_window);
  context.channels.add(channel->local, {this, channel.get()});
  channels_.push_back(std::move(channel));
  send_answer(context, *channels_.back(), handshake.options, datagram);
}

void Swarm::send_answer(Context& context, Channel& channel, const wire::Options& theirs, const DatagramIn& call) {
  const base::MutableByteView to = context.outbox.begin_datagram();
  // No more bytes go out than came in: the address may be forged (RFC 7574 12.1). Whoever can seal has proved it.
  wire::Encoder encoder{call.sealed ? to : to.first(std::min(to.size(), call.bytes.size())), format_};
  if (!encoder.channel(channel.remote) || !encoder.handshake({channel.local, replying_options(metadata_, theirs)})) return;
  if (theirs.supported_messages) {   // others may swallow what follows (P2)
    if (const auto newest = content_->have().newest()) static_cast<void>(encoder.have(*content_->have().interval_of(*newest)));
  }
  channel.end_datagram(context.outbox, encoder.size());
}

// ---- the handshake is complete --------------------------------------------------------------------------------------

void Swarm::on_handshake(Context& context, Channel& channel, const wire::Handshake& handshake) {
  if (handshake.is_close()) {
    if (channel.state == Channel::State::established)
      book_.disconnected(channel.endpoint, context.now);
    else
      book_.failed(channel.endpoint, context.now);
    marked_.push_back(channel.local);
    return;
  }
  if (channel.state != Channel::State::calling) return;   // a repeated answer
  const auto agreed = accept_reply(metadata_, handshake.options);
  if (!agreed) {
    book_.failed(channel.endpoint, context.now);
    marked_.push_back(channel.local);
    return;
  }
  channel.remote = handshake.source;
  channel.agreed = *agreed;
  channel.peer_has.set_window(agreed->peer_window);
  established(context, channel);
}

void Swarm::established(Context& context, Channel& channel) {
  channel.state = Channel::State::established;
  channel.named = std::ranges::find(trusted_, channel.endpoint) != trusted_.end();
  channel.signed_edge_due = metadata_.live;
  book_.connected(channel.endpoint, context.now);
  if (channel.sealing) context.sealed_places.add(channel.endpoint);
  // A peer that came back from the same place has forgotten its old channel.
  for (const auto& other : channels_) {
    if (other.get() != &channel && other->endpoint == channel.endpoint && other->state == Channel::State::established)
      marked_.push_back(other->local);
  }
  if (channel.agreed.extensions()) {
    say_hello(context, channel);
  }
  if (context.no_upload) {
    channel.choked_by_us = true;
    channel.post(context.outbox, [](wire::Encoder& e) { return e.choke(); });
  } else {
    // Who may be able to push is told when its HELLO has said so.
    if (!push_ || !channel.agreed.extensions()) send_haves(context, channel);
    send_edge(context, channel);
  }
  next_pex_ = context.now;   // it may know others who came just before us
  ask_for_peers(context);
  // Something must go back at once: it completes the three-way handshake (RFC 7574 12.1.2).
  if (!channel.has_gathered()) channel.post(context.outbox, [](wire::Encoder&) { return true; });
  touch(channel);
}

void Swarm::say_hello(Context& context, Channel& channel) {
  const auto watchers = std::ranges::count_if(channels_, [&](const auto& c) { return c.get() != &channel && c->is_watcher(); });
  const auto hello = encode_hello({node_id_, static_cast<std::uint16_t>(watchers), push_ ? kAbleToPush : std::uint8_t{0}, beginning_});
  channel.post(context.outbox, [&](wire::Encoder& e) { return e.extension(kHelloType, hello); });
  ++channel.hellos_sent;
}

void Swarm::send_haves(Context& context, Channel& channel) {
  channel.told_haves = true;
  // It needs only what it tunes in to: seconds, not minutes.
  if (channel.pushes) {
    // Whom we told of the one before, or who heard of it from others, may begin there.
    const auto beginning = previous_beginning_.transform([](tree::ChunkIndex first) { return munro_number(first); });
    return push_->greet(channel.local, beginning, channel.watchers_there < kMetSome, context.now);
  }
  std::vector<tree::ChunkRange> ranges;
  content_->have().for_each([&](tree::ChunkRange range) { ranges.push_back(range); });
  if (ranges.size() > kMaxFirstHaves) ranges.erase(ranges.begin(), ranges.end() - static_cast<std::ptrdiff_t>(kMaxFirstHaves));
  for (const tree::ChunkRange& range : ranges) say_have(context, channel, range);
}

// RFC 7574 6.1.2.4: the newest signed munro, until the peer shows it or a newer one.
void Swarm::send_edge(Context& context, Channel& channel) {
  const LiveContent* live = live_content();
  const auto range = live ? live->newest_munro_range() : std::nullopt;
  if (!channel.signed_edge_due || !range || context.no_upload || metadata_.sign_all) return;
  // Who pushes tells few what it has, and gets bundles by itself once it has begun. HELLO tells whether it has, or knows others who
  // tell it: from all of them that took more of a line in a crowd than what is shown of chunks.
  const base::Duration known = context.now - channel.created;
  if (channel.pushes && (channel.heard_push || channel.beginning || known > kEdgeToPushers)) channel.signed_edge_due = false;
  const bool told = !channel.node_id || channel.watchers_there >= kMetSome;
  if (push_ && channel.agreed.extensions() && told && known < kEdgeByOthers) return;
  if (!channel.signed_edge_due) return;
  if (const auto theirs = channel.peer_has.set().newest(); theirs && *theirs >= range->first) {
    channel.signed_edge_due = false;
    return;
  }
  const SignedMunro& munro = *live->newest_munro();
  channel.post(context.outbox, [&](wire::Encoder& e) {
    return e.remaining() >= wire::integrity_size(format_) + wire::signed_integrity_size(format_) && e.integrity(*range, munro.hash) &&
           e.signed_integrity(*range, munro.timestamp, munro.signature);
  });
}

void Swarm::on_extension(Context& context, Channel& channel, const wire::Extension& extension) {
  if (extension.type != kHelloType) return on_push_message(context, channel, extension);
  const auto hello = decode_hello(extension.value);
  if (!hello) return;
  if (hello->node_id == node_id_) {   // ourselves by another of our addresses
    marked_.push_back(channel.local);
    book_.set_own({channel.endpoint});
    return;
  }
  channel.node_id = hello->node_id;
  channel.watchers_there = hello->watchers;
  next_count_ = next_tick_ = context.now;   // one more to share the work with
  meet_pusher(context, channel, *hello);
  if (hello->beginning) hear_beginning(context, channel, *hello->beginning);
  if (push_) send_edge(context, channel);   // it waited for this
  for (const auto& other : channels_) {
    if (other.get() == &channel || other->node_id != channel.node_id || other->state != Channel::State::established) continue;
    if (std::ranges::find(marked_, other->local) != marked_.end()) continue;   // it goes anyway
    // The same peer twice, by two addresses: both sides keep the channel whose smaller id is smaller.
    const auto key = [](const Channel& c) { return std::min(c.local, c.remote); };
    marked_.push_back(key(*other) < key(channel) ? channel.local : other->local);
  }
}

// A source that was killed and came back knows nothing of our channel, and nobody told us that it went.
void Swarm::call_trusted_again(Context& context) {
  if (!metadata_.live || source_ || context.now - std::max(newest_signed_at_, trusted_called_) < kLiveSilence) return;
  trusted_called_ = context.now;
  for (const base::Endpoint& endpoint : trusted_) {
    if (channels_.size() < kMaxChannels && !book_.banned(endpoint, context.now) && !find_at(endpoint, Channel::State::calling))
      call(context, endpoint);
  }
}

// ---- time and parting -----------------------------------------------------------------------------------------------

void Swarm::tick_peers(Context& context) {
  std::vector<base::Endpoint> suspects;
  std::vector<Channel*> dead;
  for (const auto& owned : channels_) {
    Channel& channel = *owned;
    switch (channel.state) {
      case Channel::State::calling:
        if (context.now < channel.next_handshake) break;
        if (channel.handshakes_sent < kHandshakeTries) {
          send_call(context, channel);
        } else {
          book_.failed(channel.endpoint, context.now);
          marked_.push_back(channel.local);
        }
        break;
      case Channel::State::answering:
        if (context.now - channel.created > kHalfOpenLife) marked_.push_back(channel.local);
        break;
      case Channel::State::established:
        if (context.now - channel.last_heard > kDeadAfter && channel.unanswered >= kDeadAfterDatagrams) {
          book_.failed(channel.endpoint, context.now);
          dead.push_back(&channel);
        } else if (of_no_use(context, channel)) {
          marked_.push_back(channel.local);
        } else if (channel.suspect(context.now)) {
          if (!find_at(channel.endpoint, Channel::State::calling)) suspects.push_back(channel.endpoint);
        } else if (context.now - channel.last_sent > kKeepAlive) {
          channel.post(context.outbox, [](wire::Encoder&) { return true; });   // a channel id and nothing else (RFC 7574 8.14)
          channel.last_sent = context.now;
        }
        break;
    }
  }
  for (Channel* channel : dead) drop(context, *channel, false);   // the dead are told nothing (RFC 7574 3.12)
  for (const base::Endpoint& endpoint : suspects) {
    if (channels_.size() < kMaxChannels && !find_at(endpoint, Channel::State::calling)) call(context, endpoint);
  }
  if (context.now < next_peers_tick_) return;
  next_peers_tick_ = context.now + kPeersTick;
  if (metadata_.live) for_established([&](Channel& channel) { send_edge(context, channel); });
  if (push_) for_established([&](Channel& channel) { meet_again(context, channel); });
  ask_for_peers(context);
  call_trusted_again(context);
  const auto ours =
      static_cast<std::size_t>(std::ranges::count_if(channels_, [](const auto& c) { return c->state != Channel::State::answering; }));
  if (ours >= kTargetPeers || channels_.size() >= kMaxChannels) return;
  if (static_content() && static_content()->complete() && ours > 0) return;   // seeds wait to be called
  for (const base::Endpoint& endpoint : book_.candidates(std::min(kMaxCallsPerTick, kTargetPeers - ours), context.now)) {
    if (!find_at(endpoint, Channel::State::calling) && !find_at(endpoint, Channel::State::answering)) call(context, endpoint);
  }
}

void Swarm::drop(Context& context, Channel& channel, bool say_so) {
  if (say_so && channel.state == Channel::State::established) {
    channel.flush(context.outbox);
    wire::Handshake bye;   // source channel 0 (RFC 7574 8.4)
    channel.post(context.outbox, [&](wire::Encoder& e) { return e.handshake(bye); });
    channel.flush(context.outbox);
  }
  // Unless it came back from the same place meanwhile.
  const bool elsewhere = std::ranges::any_of(channels_, [&](const auto& c) {
    return c.get() != &channel && c->endpoint == channel.endpoint && c->state == Channel::State::established;
  });
  if (channel.state == Channel::State::established && !elsewhere) book_.disconnected(channel.endpoint, context.now);
  give_back(channel.downloads.take_all());
  for (const HeldChunks::Held& held : channel.held.take_all()) free_again(held.index);
  if (picker_) picker_->peer_gone(channel.peer_has.set());
  if (push_) push_->remove_peer(channel.local);
  next_count_ = context.now;
  if (channel.sealing) context.outbox.closed(channel.local);
  std::erase(touched_, &channel);
  std::erase(marked_, channel.local);
  context.channels.remove(channel.local);
  std::erase_if(channels_, [&](const auto& c) { return c.get() == &channel; });
}

void Swarm::drop_marked(Context& context) {
  while (!marked_.empty()) {
    const wire::ChannelId id = marked_.back();
    marked_.pop_back();
    if (const Route route = context.channels.find(id); route.swarm == this) drop(context, *route.channel, true);
  }
}

}  // namespace runnel::swarm
