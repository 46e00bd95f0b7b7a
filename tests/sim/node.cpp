#include "sim/node.hpp"

#include <algorithm>
#include <set>
#include <utility>

#include "base/check.hpp"

namespace runnel::sim {
namespace {

constexpr base::Duration kWallInterval = std::chrono::seconds{1};   // as often as a node tells its engine the world's time

crypto::SecretRng secrets(base::Rng& rng) {
  crypto::SecretRng::Seed seed{};
  for (std::size_t at = 0; at < seed.size(); at += 8) base::store_big_endian(seed.data() + at, rng());
  return crypto::SecretRng{seed};
}

template <class... Fns>
struct Overloaded : Fns... {
  using Fns::operator()...;
};

std::uint64_t rejected_of(const swarm::SwarmState& state, const base::Endpoint& peer) {
  std::uint64_t sum = 0;
  for (const swarm::PeerState& p : state.peers) sum += p.endpoint == peer ? p.rejected : 0;
  return sum;
}

// Chunks of this peer that were rejected since. What it says may also prove what others sent before to be bad: that is not its fault.
std::uint64_t rejected_since(const swarm::SwarmState& before, const swarm::SwarmState& now, const base::Endpoint& peer) {
  const auto there = [&](const base::Endpoint& who) {
    return std::ranges::find(now.peers, who, &swarm::PeerState::endpoint) != now.peers.end();
  };
  if (there(peer)) return rejected_of(now, peer) - std::min(rejected_of(now, peer), rejected_of(before, peer));
  // It is gone, and nobody tells its count any more: what is left of all.
  std::uint64_t rejected = now.rejected - before.rejected;
  std::set<base::Endpoint> others;
  for (const swarm::PeerState& p : before.peers) others.insert(p.endpoint);
  others.erase(peer);
  for (const base::Endpoint& other : others) {
    // Who is gone was banned by its second.
    const std::uint64_t of_other =
        there(other) ? rejected_of(now, other) - std::min(rejected_of(now, other), rejected_of(before, other)) : 1;
    rejected -= std::min(rejected, of_other);
  }
  return rejected;
}

}  // namespace

Node::Node(World world, Place& place, const NodeConfig& config)
    : world_(world),
      place_(place),
      config_(config),
      rng_(world.simulation.fork_rng()),
      hasher_(world.crypto.hasher()),
      metadata_(world.truth.metadata()),
      nodes_(world.truth.nodes(), config.origin) {
  engine_ = std::make_unique<swarm::Engine>(rng_.fork(), secrets(rng_), local_now());
  place_.attach(*this);
  world_.audit.begin(place_.id());
  next_wall_ = place_.now() + base::Duration{static_cast<std::int64_t>(rng_.below(static_cast<std::uint64_t>(kWallInterval.count())))};
  join();
}

Node::~Node() { vanish(); }

void Node::join() {
  std::vector<tree::ChunkRange> verified;
  if (metadata_.live) {
    verifier_ = world_.crypto.verifier();
    if (config_.origin) signer_ = world_.crypto.signer();
  } else if (config_.origin) {
    const auto& file = static_cast<const FileTruth&>(world_.truth);
    verified.push_back({tree::ChunkIndex{0}, tree::ChunkIndex{file.chunks() - 1}});
    held_.insert(verified[0]);
    nodes_.trust_everything();
  } else if (!config_.size_in_link) {
    metadata_.content_bytes.reset();
  }
  input(swarm::WallClock{wall()});
  input(config_.limits);
  input(swarm::AddSwarm{kSwarm,
                        metadata_,
                        {&nodes_, hasher_.get(), verifier_.get(), signer_.get()},
                        verified,
                        config_.fetch_all,
                        swarm::SealPolicy::never,
                        config_.push});
}

void Node::input(const swarm::Input& in) {
  if (!alive()) return;
  engine_->handle(in, local_now());
  settle();
}

void Node::receive(const Packet& packet) {
  world_.audit.received(place_.id(), packet.from, packet.bytes);
  const swarm::SwarmState before = packet.corrupt ? state() : swarm::SwarmState{};
  const swarm::DatagramIn datagram{packet.from, packet.bytes, std::nullopt};
  input(swarm::DatagramsIn{{&datagram, 1}});
  if (packet.corrupt)
    world_.audit.rejected(place_.now(), place_.id(), packet.from, rejected_since(before, state(), packet.from),
                          banned_.contains(packet.from));
}

void Node::wake() {
  if (!alive()) return;
  if (place_.now() >= next_wall_) {
    next_wall_ = place_.now() + kWallInterval;
    engine_->handle(swarm::WallClock{wall()}, local_now());
  }
  settle();
}

// Everything that the engine has to say, loads answered, listeners told.
void Node::settle() {
  std::vector<swarm::LoadChunks> loads;
  drain(loads);
  for (std::size_t i = 0; i < loads.size(); ++i) {
    const swarm::LoadChunks load = loads[i];
    if (config_.load_delay == base::Duration{}) {
      answer(load);
      drain(loads);
      continue;
    }
    place_.after(config_.load_delay, [this, load, engine = engine_.get()] {
      if (engine_.get() != engine || !alive()) return;
      answer(load);
      settle();
    });
  }
  const auto deadline = engine_->next_deadline();
  place_.wake_at(deadline ? std::min(next_wall_, config_.clock.global(*deadline)) : next_wall_);
  for (const tree::ChunkRange& range : std::exchange(stored_, {})) {
    if (on_stored) on_stored(range);
  }
  for (const swarm::Event& event : std::exchange(events_, {})) {
    if (on_event) on_event(event);
  }
}

void Node::drain(std::vector<swarm::LoadChunks>& loads) {
  while (const auto output = engine_->poll(local_now())) {
    std::visit(Overloaded{
                   [&](const swarm::SendDatagrams& out) { send(out); },
                   [](const swarm::ChannelClosed&) {},   // nothing is sealed here
                   [&](const swarm::LoadChunks& load) { loads.push_back(load); },
                   [&](const swarm::StoreChunks& chunks) { store(chunks); },
                   [&](const swarm::Event& event) {
                     if (const auto* moved = std::get_if<swarm::WindowMoved>(&event)) held_.erase_below(moved->first);
                     if (const auto* ban = std::get_if<swarm::PeerBanned>(&event)) banned_.insert(ban->peer);
                     events_.push_back(event);
                   },
               },
               *output);
  }
}

void Node::store(const swarm::StoreChunks& chunks) {
  world_.audit.stored(place_.now(), place_.id(), chunks, held_);
  for (const tree::ChunkRun& run : chunks.runs) {
    held_.insert(run.range());
    for (const base::ByteView chunk : run.chunks) stored_bytes_ += chunk.size();
    stored_.push_back(run.range());
  }
}

void Node::answer(const swarm::LoadChunks& load) {
  world_.audit.load_asked(place_.now(), place_.id(), load.range, held_);
  if (!held_.contains(load.range) || (config_.load_failures > 0 && rng_.unit() < config_.load_failures)) {
    const swarm::LoadedChunks nothing{load.id, {}};
    engine_->handle(swarm::ChunksLoaded{{&nothing, 1}}, local_now());
    return;
  }
  std::vector<base::ByteView> views;
  for (std::uint64_t i = load.range.first.value(); i <= load.range.last.value(); ++i)
    views.push_back(world_.truth.chunk(tree::ChunkIndex{i}).value());
  const swarm::LoadedChunks loaded{load.id, views};
  engine_->handle(swarm::ChunksLoaded{{&loaded, 1}}, local_now());
}

void Node::send(const swarm::SendDatagrams& datagrams) {
  const std::size_t size = datagrams.segment_size == 0 ? datagrams.bytes.size() : datagrams.segment_size;
  for (base::ByteView rest = datagrams.bytes; !rest.empty();) {
    base::Bytes datagram = base::to_bytes(rest.first(std::min(size, rest.size())));
    rest = rest.subspan(datagram.size());
    world_.audit.sent(place_.now(), place_.id(), datagrams.to, datagram, held_);
    const bool corrupt = mangle(datagram);
    if (config_.boast) datagram = boast(std::move(datagram), *config_.boast, world_.truth.format(), rng_);
    place_.send(endpoint(), datagrams.to, std::move(datagram), corrupt);
  }
}

bool Node::mangle(base::Bytes& datagram) {
  constexpr std::size_t kSmallest = 400;   // what carries a chunk
  if (!config_.mangling || datagram.size() < kSmallest || rng_.unit() >= config_.mangling->share) return false;
  std::size_t at = datagram.size() - 1;
  if (config_.mangling->where == Mangling::Where::anywhere) at = rng_.below(datagram.size());
  datagram[at] ^= static_cast<std::byte>(1 + rng_.below(255));
  return true;
}

// ---- parting --------------------------------------------------------------------------------------------------------

void Node::vanish() {
  if (!alive()) return;
  last_state_ = state();
  engine_.reset();
  place_.detach();
}

void Node::leave() {
  if (!alive()) return;
  last_state_ = state();
  const auto keep = last_state_;
  input(swarm::RemoveSwarm{kSwarm});
  engine_.reset();
  last_state_ = keep;
  place_.detach();
}

swarm::SwarmState Node::state() const {
  if (!alive()) return last_state_.value_or(swarm::SwarmState{});
  return engine_->state(kSwarm, local_now()).value_or(swarm::SwarmState{});
}

void Node::inspect() {
  if (alive()) world_.audit.state(place_.now(), place_.id(), state(), nodes_.false_nodes());
}

}  // namespace runnel::sim
