// What is pushed: between the swarm's channels and Push.
#include <algorithm>
#include <bit>
#include <cstring>

#include "core/swarm/push.hpp"
#include "core/swarm/swarm.hpp"

namespace runnel::swarm {
namespace {

constexpr base::Duration kHelloAgain = std::chrono::seconds{1};
constexpr int kMaxHellos = 4;
constexpr base::Duration kLimited{5'000};   // until the user's limit may allow more
constexpr std::uint32_t kIpAndUdp = 28;   // IPv4; what they take on the line counts

std::size_t bundle_size(const Metadata& metadata, const wire::Format& format) {
  return wire::kChannelSize + wire::kExtensionHeaderSize + 2 * sizeof(std::uint64_t) + format.signature_size +
         metadata.munro_width * format.hash_size;
}

}  // namespace

// Live indices that tell their time, munros that a map's 32 bits fit, and bundles that a datagram fits.
void Swarm::start_push(Context& context) {
  if (!metadata_.live || metadata_.addressing != wire::AddressingMethod::chunks64) return;
  if (metadata_.munro_width != kPushMunroWidth || bundle_size(metadata_, format_) > Outbox::kMaxDatagram) return;
  const auto chunk_bytes = static_cast<std::uint32_t>(kIpAndUdp + wire::kChannelSize + wire::kPushedHeaderSize) + metadata_.chunk_size;
  const std::size_t train_size = chunk_bytes - kIpAndUdp - wire::kChannelSize - wire::kExtensionHeaderSize;
  push_ = std::make_unique<Push>(Push::Setup{NodeTag{static_cast<std::uint32_t>(node_id_)}, source_, chunk_bytes, train_size}, rng_.fork(),
                                 context.now);
}

void Swarm::meet_pusher(Context& context, Channel& channel, const Hello& hello) {
  if (!push_ || channel.pushes) return;
  channel.pushes = (hello.abilities & kAbleToPush) != 0;
  if (channel.pushes) push_->add_peer(channel.local, NodeTag{static_cast<std::uint32_t>(hello.node_id)}, context.now);
  if (!channel.told_haves && !context.no_upload) send_haves(context, channel);
}

// A HELLO may have been lost, ours or theirs.
void Swarm::meet_again(Context& context, Channel& channel) {
  if (!channel.agreed.extensions() || context.now - channel.created < kHelloAgain * channel.hellos_sent) return;
  if (!channel.heard_push && channel.hellos_sent < kMaxHellos) say_hello(context, channel);
  if (!channel.told_haves && !context.no_upload) send_haves(context, channel);
}

// ---- what they say --------------------------------------------------------------------------------------------------

void Swarm::on_push_message(Context& context, Channel& channel, const wire::Extension& extension) {
  channel.heard_push = true;
  if (!channel.pushes) return;
  const auto message = decode_push(extension.type, extension.value, format_);
  if (!message) return;   // of a later version, perhaps
  if (const auto* bundle = std::get_if<Bundle>(&*message)) return on_bundle(context, channel, *bundle);
  if (const auto* introduce = std::get_if<Introduce>(&*message)) return this->introduce(context, channel, introduce->whom);
  const bool timed = std::holds_alternative<Advert>(*message) || std::holds_alternative<Train>(*message);
  if (const auto* have = std::get_if<HaveMap>(&*message))
    return hear_shown(context, channel, push_->on_have(channel.local, have->map, context.now));
  push_->on_message(channel.local, *message, timed ? context.arrived : context.now);
  if (const auto* busy = std::get_if<Busy>(&*message)) on_busy(context, channel, busy->map);
}

// As HAVE would: pull goes by it. What is here is only noted: nobody need be asked for it.
void Swarm::hear_shown(Context& context, Channel& channel, const MunroMap& news) {
  const auto tell = [&](std::uint64_t munro, unsigned first, unsigned count) {
    const tree::ChunkRange range{chunk_of(munro, first), chunk_of(munro, first + count - 1)};
    if (content_->has(range))
      channel.peer_has.add(range);
    else if (!channel.peer_has.has(range))
      hear_shown(context, channel, range);
  };
  for (const MunroMap::Entry& entry : news.entries) {
    if (entry.whole) {
      // Until its bundle tells how many chunks there are, the first is all that surely is one.
      const SignedMunro* munro = live_content()->munro(chunk_of(entry.munro, 0));
      if (munro == nullptr || !munro->used) shown_early_.add(entry.munro, channel.local);
      tell(entry.munro, 0, munro != nullptr && munro->used ? *munro->used : 1);
      continue;
    }
    for (std::uint32_t rest = entry.chunks; rest != 0;) {
      const auto first = static_cast<unsigned>(std::countr_zero(rest));
      const auto count = static_cast<unsigned>(std::countr_one(rest >> first));
      tell(entry.munro, first, count);
      rest &= ~(leaves(count) << first);
    }
  }
}

// What was pulled is free to be asked of others.
void Swarm::on_busy(Context& context, Channel& channel, const MunroMap& map) {
  const std::uint64_t waited_for = channel.downloads.outstanding();
  for (const MunroMap::Entry& entry : map.entries) {
    for (std::uint32_t rest = entry.chunks; rest != 0; rest &= rest - 1) {
      const tree::ChunkIndex index = chunk_of(entry.munro, static_cast<unsigned>(std::countr_zero(rest)));
      give_back(channel.downloads.take_range({index, index}));
    }
  }
  if (channel.downloads.outstanding() < waited_for) pull_budget_.refused(rng_.unit(), context.now);
}

// Who showed a munro before we knew its chunks holds these, as far as pull goes.
void Swarm::tell_pull(Context& context, tree::ChunkRange munro) {
  for (const PeerKey peer : shown_early_.take(munro_number(munro.first))) {
    const Route route = context.channels.find(peer);
    if (route.swarm == this && route.channel->state == Channel::State::established) hear_shown(context, *route.channel, munro);
  }
}

void Swarm::on_bundle(Context& context, Channel& channel, const Bundle& bundle) {
  LiveContent* live = live_content();
  const tree::ChunkIndex first = chunk_of(bundle.munro, 0);
  switch (live->offer_bundle(bundle)) {
    case LiveContent::BundleCheck::wrong: bad_peer(context, channel); return;
    case LiveContent::BundleCheck::known: break;
    case LiveContent::BundleCheck::fresh:
      proved_.push_back(first);
      push_->on_proved(bundle.munro, static_cast<unsigned>(bundle.leaves.size()), channel.local, context.now);
      if (const auto munro = live->take_completed(first)) context.outbox.event(Event{MunroComplete{handle_, *munro}});
      see_signed(context, channel, {first, chunk_of(bundle.munro, static_cast<unsigned>(bundle.leaves.size()) - 1)});
      tell_pull(context, {first, chunk_of(bundle.munro, static_cast<unsigned>(bundle.leaves.size()) - 1)});
      break;
  }
  push_->on_bundle(bundle.munro, channel.local, context.now);
}

void Swarm::on_pushed_data(Context& context, Channel& channel, const wire::Data& data, bool answer) {
  push_->timed(channel.local, static_cast<std::uint32_t>(channel.ack_delay));
  if (content_->plausible({data.chunk, data.chunk})) push_->on_data(data.chunk, channel.local, answer, context.now);
}

// ---- what we send ---------------------------------------------------------------------------------------------------

void Swarm::pump_push(Context& context) {
  if (!push_) return;
  for (const PushOut& out : push_->take_out()) {
    const Route route = context.channels.find(out.to);
    if (route.swarm != this || route.channel->state != Channel::State::established) continue;
    if (std::holds_alternative<Introduce>(out.message)) route.channel->asked_to_introduce = context.now;
    const base::Bytes value = encode_push(out.message);
    route.channel->post(context.outbox, [&](wire::Encoder& e) { return e.extension(type_of(out.message), value); });
    touch(*route.channel);
  }
  while (true) {
    if (!context.upload.allows(context.now)) return push_->wait_until(context.now + kLimited);
    const auto send = push_->next_send(context.now);
    if (!send) return;
    const Route route = context.channels.find(send->to);
    if (route.swarm != this || route.channel->state != Channel::State::established) continue;
    if (send->what == SendClass::bundle) {
      send_bundle(context, *route.channel, munro_number(send->index));
      continue;
    }
    const tree::ChunkRange one{send->index, send->index};
    if (!content_->has(one)) continue;
    context.upload.take(metadata_.chunk_size);
    const bool pushed = is_pushed(send->what) || send->what == SendClass::repair;   // what was asked for goes with its proof
    context.outbox.load({context.loads.add({handle_, route.channel->local, one, pushed}), handle_, one});
  }
}

// By turns: none of them is always the last.
void Swarm::pump_others(Context& context) {
  if (!push_->take_turn_of_others(context.now) || channels_.empty()) return;
  const std::size_t start = rng_.below(channels_.size());
  for (std::size_t i = 0; i < channels_.size(); ++i) pump(context, *channels_[(start + i) % channels_.size()]);
}

void Swarm::send_bundle(Context& context, Channel& channel, std::uint64_t munro) {
  const auto bundle = live_content()->bundle(munro);
  if (!bundle) return;
  const base::Bytes value = encode_push(*bundle);
  channel.post(context.outbox, [&](wire::Encoder& e) { return e.extension(Bundle::kType, value); });
  channel.flush(context.outbox);
}

void Swarm::send_pushed(Context& context, Channel& channel, tree::ChunkIndex index, base::ByteView payload) {
  const base::MutableByteView to = context.outbox.begin_datagram();
  wire::Encoder encoder{to, format_};
  encoder.channel(channel.remote);
  const auto now = static_cast<std::uint64_t>(context.now.time_since_epoch().count());
  const auto place = channel.agreed.takes_pushed() && index.value() <= wire::kMaxPushedIndex
                         ? encoder.pushed_in_place(index, static_cast<std::uint32_t>(now), payload.size())
                         : encoder.data_in_place(index, wire::NodeTimestamp{now}, payload.size());
  if (!place) return;
  std::memcpy(place->data(), payload.data(), payload.size());
  channel.end_datagram(context.outbox, encoder.size());
  channel.up.add(payload.size(), context.now);
  up_bytes_ += payload.size();
  channel.last_sent = context.now;
  ++channel.unanswered;
}

base::Time Swarm::next_tick() const { return push_ ? std::min(next_tick_, push_->next_deadline()) : next_tick_; }

void Swarm::tick_push(Context& context) {
  push_->set_upload(!context.no_upload, context.upload.rate());
  push_->on_wire(context.outbox.wire_bytes(), context.now);
  push_->tick(context.now);
  pump_push(context);
  pump_others(context);
  for (Channel* channel : std::exchange(touched_, {})) channel->flush(context.outbox);
}

}  // namespace runnel::swarm
