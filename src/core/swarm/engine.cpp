#include "core/swarm/engine.hpp"

#include <algorithm>

namespace runnel::swarm {
namespace {

std::string key_of(base::ByteView id) { return std::string{base::as_text(id)}; }

}  // namespace

Engine::Engine(base::Rng rng, crypto::SecretRng secrets, base::Time now)
    : rng_(rng),
      channels_(secrets),
      context_{outbox_, channels_, loads_, upload_, download_, sealed_places_, false, now, now, std::nullopt} {}

Swarm* Engine::find(SwarmHandle swarm) const {
  const auto it = swarms_.find(swarm);
  return it == swarms_.end() ? nullptr : it->second.get();
}

void Engine::handle(const Input& input, base::Time now) {
  outbox_.reset();
  context_.now = now;
  std::visit([this](const auto& in) { on_input(in); }, input);
}

std::optional<Output> Engine::poll(base::Time now) {
  if (outbox_.empty()) {
    context_.now = now;
    due_.clear();
    ticks_.due(now, due_);
    for (const SwarmHandle handle : due_) with(handle, [this](Swarm& swarm) { swarm.on_tick(context_); });
  }
  return outbox_.pop();
}

std::optional<base::Time> Engine::next_deadline() const { return ticks_.next(); }

void Engine::on_input(const DatagramsIn& in) {
  for (const DatagramIn& datagram : in.datagrams) on_datagram(datagram);
  for (Swarm* swarm : touched_) {
    swarm->finish_input(context_, in.more);
    schedule(*swarm);
  }
  if (!in.more) touched_.clear();
}

void Engine::on_datagram(const DatagramIn& in) {
  context_.arrived = context_.now - in.waited;
  const auto datagram = wire::split_datagram(in.bytes);
  if (!datagram) return;
  Swarm* swarm = nullptr;
  if (datagram->channel == wire::kNoChannel) {
    wire::Decoder decoder{datagram->messages, {}};
    const auto message = decoder.next();
    const auto* call = message && *message ? std::get_if<wire::Handshake>(&**message) : nullptr;
    if (call == nullptr || !call->options.swarm_id) return;
    const auto it = by_id_.find(key_of(*call->options.swarm_id));
    if (it == by_id_.end()) return;   // silence (RFC 7574 3.1.1)
    swarm = it->second;
    if (in.sealed && *in.sealed != swarm->handle()) return;   // it has shown another swarm's key
    swarm->on_call(context_, in, *call);
  } else {
    const Route route = channels_.find(datagram->channel);
    // A channel id alone proves nothing: the address must fit as well (RFC 7574 12.1), and so must the seal.
    if (route.channel == nullptr || route.channel->endpoint != in.from) return;
    swarm = route.swarm;
    if (route.channel->sealing.has_value() != in.sealed.has_value() || (in.sealed && *in.sealed != swarm->handle())) return;
    swarm->on_datagram(context_, *route.channel, datagram->messages);
  }
  if (std::ranges::find(touched_, swarm) == touched_.end()) touched_.push_back(swarm);
}

void Engine::on_input(const CallFailed& in) {
  const Route route = channels_.find(in.local);
  if (route.swarm == nullptr) return;
  route.swarm->on_call_failed(context_, *route.channel, in.why);
  schedule(*route.swarm);
}

void Engine::on_input(const ChunksLoaded& in) {
  for (const LoadedChunks& loaded : in.loads) {
    const auto load = loads_.take(loaded.id);
    if (!load) continue;
    with(load->swarm, [&](Swarm& swarm) { swarm.on_loaded(context_, *load, loaded.chunks); });
  }
}

void Engine::on_input(const AddSwarm& in) {
  auto swarm = std::make_unique<Swarm>(in, rng_.fork(), context_);
  by_id_.insert_or_assign(key_of(in.metadata.id), swarm.get());
  schedule(*swarm);
  swarms_.insert_or_assign(in.swarm, std::move(swarm));
}

void Engine::on_input(const RemoveSwarm& in) {
  const auto it = swarms_.find(in.swarm);
  if (it == swarms_.end()) return;
  it->second->close(context_);
  by_id_.erase(key_of(it->second->metadata().id));
  std::erase(touched_, it->second.get());
  ticks_.remove(in.swarm);
  swarms_.erase(it);
}

void Engine::on_input(const AddPeers& in) {
  with(in.swarm, [&](Swarm& swarm) { swarm.add_peers(context_, in); });
}
void Engine::on_input(const Want& in) {
  with(in.swarm, [&](Swarm& swarm) { swarm.want(context_, in); });
}
void Engine::on_input(const Unwant& in) {
  with(in.swarm, [&](Swarm& swarm) { swarm.unwant(in.token); });
}
void Engine::on_input(const Publish& in) {
  with(in.swarm, [&](Swarm& swarm) { swarm.publish(context_, in); });
}
void Engine::on_input(const FollowFrom& in) {
  with(in.swarm, [&](Swarm& swarm) { swarm.follow_from(context_, in.first); });
}
void Engine::on_input(const NewBeginning& in) {
  with(in.swarm, [&](Swarm& swarm) { swarm.new_beginning(in.first); });
}
void Engine::on_input(const SetLimits& in) {
  upload_.set_rate(in.max_upload);
  download_.set_rate(in.max_download);
  context_.no_upload = in.no_upload;
}
void Engine::on_input(const ForgetChunks& in) {
  with(in.swarm, [&](Swarm& swarm) { swarm.forget(in.range); });
}
void Engine::on_input(const WallClock& in) {
  context_.wall = in.now;
  context_.wall_told = context_.now;
}

std::optional<SwarmState> Engine::state(SwarmHandle swarm, base::Time now) const {
  const Swarm* found = find(swarm);
  return found ? std::optional{found->state(now)} : std::nullopt;
}

std::optional<tree::ChunkIndex> Engine::first_missing(SwarmHandle swarm) const {
  const Swarm* found = find(swarm);
  return found ? found->first_missing() : std::nullopt;
}

std::optional<base::WallTime> Engine::signed_at(SwarmHandle swarm, tree::ChunkIndex index) const {
  const Swarm* found = find(swarm);
  return found ? found->signed_at(index) : std::nullopt;
}

}  // namespace runnel::swarm
