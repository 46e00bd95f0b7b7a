#include "sim/enemy.hpp"

#include <algorithm>

#include "core/swarm/handshake.hpp"
#include "core/wire/decoder.hpp"
#include "sim/clock.hpp"

namespace runnel::sim {
namespace {

constexpr base::Duration kTurn{20'000};
constexpr base::Duration kGiftInterval = std::chrono::seconds{1};
constexpr std::size_t kMaxOverheard = 512;
constexpr std::size_t kMaxMunros = 64;
constexpr std::uint64_t kAheadSeconds = 50;      // a liar's claims about a stream reach so far: more is not believed by anybody
constexpr base::Duration kReplayAge = std::chrono::seconds{5};

}  // namespace

Enemy::Enemy(World world, Place& place, const EnemyModel& model)
    : world_(world),
      place_(place),
      model_(model),
      format_(world.truth.format()),
      rng_(world.simulation.fork_rng()),
      hasher_(world.crypto.hasher()) {
  place_.attach(*this);
  place_.wake_at(place_.now() + kTurn);
}

void Enemy::aim_at(const base::Endpoint& victim) {
  if (victim_at(victim) == nullptr)
    victims_.push_back({victim, wire::ChannelId{static_cast<std::uint32_t>(rng_()) | 1U}, std::nullopt, {}});
}

Enemy::Victim* Enemy::victim_at(const base::Endpoint& endpoint) {
  const auto found = std::ranges::find(victims_, endpoint, &Victim::endpoint);
  return found == victims_.end() ? nullptr : &*found;
}

// ---- listening --------------------------------------------------------------------------------------------------------

void Enemy::overhear(const base::Endpoint& from, const base::Endpoint& to, base::ByteView bytes) {
  if (from == endpoint() || to == endpoint()) return;
  const auto split = wire::split_datagram(bytes);
  if (!split || split->channel == wire::kNoChannel) return;
  if (model_.kind == EnemyModel::Kind::thief) {
    const Overheard heard{to, split->channel};
    if (channels_.size() < kMaxOverheard)
      channels_.push_back(heard);
    else
      channels_[rng_.below(channels_.size())] = heard;
    return;
  }
  if (model_.kind != EnemyModel::Kind::replayer || munros_.size() >= kMaxMunros) return;
  wire::Decoder decoder{split->messages, format_};
  for (auto message = decoder.next(); message && *message; message = decoder.next()) {
    if (const auto* integrity = std::get_if<wire::Integrity>(&**message)) hashes_.insert_or_assign(integrity->range, integrity->hash);
    const auto* munro = std::get_if<wire::SignedIntegrity>(&**message);
    if (munro == nullptr || !hashes_.contains(munro->range)) continue;
    munros_.push_back({munro->range, hashes_.at(munro->range), munro->timestamp, base::to_bytes(munro->signature)});
    hashes_.clear();
  }
}

void Enemy::receive(const Packet& packet) {
  const auto split = wire::split_datagram(packet.bytes);
  if (!split) return;
  Victim* victim = victim_at(packet.from);
  wire::Decoder decoder{split->messages, format_};
  for (auto message = decoder.next(); message && *message; message = decoder.next()) {
    if (const auto* handshake = std::get_if<wire::Handshake>(&**message)) {
      if (split->channel == wire::kNoChannel) {
        answer(packet, *handshake);
      } else if (victim != nullptr && split->channel == victim->ours) {
        victim->theirs = handshake->is_close() ? std::nullopt : std::optional{handshake->source};
      }
      continue;
    }
    const auto* request = std::get_if<wire::Request>(&**message);
    if (request != nullptr && victim != nullptr) give(*victim, request->range);
  }
}

// Somebody was told of us and calls.
void Enemy::answer(const Packet& packet, const wire::Handshake& handshake) {
  if (handshake.is_close() || model_.kind == EnemyModel::Kind::forger || model_.kind == EnemyModel::Kind::thief) return;
  aim_at(packet.from);
  Victim& victim = *victim_at(packet.from);
  victim.theirs = handshake.source;
  say(endpoint(), packet.from, handshake.source, false,
      [&](wire::Encoder& e) { e.handshake({victim.ours, swarm::replying_options(world_.truth.metadata(), handshake.options)}); });
}

// ---- attacking --------------------------------------------------------------------------------------------------------

void Enemy::wake() {
  owed_ += model_.per_second * static_cast<double>(kTurn.count()) / 1e6;
  for (; owed_ >= 1 && !victims_.empty(); owed_ -= 1) attack(victims_[next_victim_++ % victims_.size()]);
  place_.wake_at(place_.now() + kTurn);
}

void Enemy::attack(Victim& victim) {
  switch (model_.kind) {
    case EnemyModel::Kind::forger: forge(victim); return;
    case EnemyModel::Kind::thief: steal(); return;
    case EnemyModel::Kind::flooder:
    case EnemyModel::Kind::replayer:
    case EnemyModel::Kind::liar:
    case EnemyModel::Kind::dripper:
    case EnemyModel::Kind::root_forger: break;
  }
  if (!victim.theirs) {
    call(victim);
    return;
  }
  if (model_.kind == EnemyModel::Kind::flooder)
    flood(victim);
  else if (model_.kind == EnemyModel::Kind::replayer)
    replay(victim);
  else
    claim(victim);
}

void Enemy::call(Victim& victim) {
  say(endpoint(), victim.endpoint, wire::kNoChannel, false,
      [&](wire::Encoder& e) { e.handshake({victim.ours, swarm::initiating_options(world_.truth.metadata(), swarm::Style::full)}); });
}

void Enemy::forge(const Victim& victim) {
  const bool own = rng_.below(8) == 0;
  const auto octet = [&] { return static_cast<std::uint8_t>(rng_()); };
  const base::Endpoint source =
      own ? endpoint()
          : base::Endpoint{base::IpAddress::v4({198, 18, octet(), octet()}), static_cast<std::uint16_t>(1 + rng_.below(65'535))};
  const wire::ChannelId channel{static_cast<std::uint32_t>(rng_()) | 1U};
  say(source, victim.endpoint, wire::kNoChannel, false,
      [&](wire::Encoder& e) { e.handshake({channel, swarm::initiating_options(world_.truth.metadata(), swarm::Style::full)}); });
}

void Enemy::steal() {
  if (channels_.empty()) return;
  const Overheard& heard = channels_[rng_.below(channels_.size())];
  say(endpoint(), heard.to, heard.channel, true, [&](wire::Encoder& e) {
    switch (rng_.below(5)) {
      case 0: e.handshake({}); break;   // closes
      case 1: e.choke(); break;
      case 2: e.cancel(any_range()); break;
      case 3: e.request(any_range()); break;
      case 4: e.data(any_range().first, wire::NodeTimestamp{rng_()}, base::Bytes(world_.truth.metadata().chunk_size, std::byte{7})); break;
    }
  });
}

void Enemy::flood(Victim& victim) {
  const bool lies = rng_.below(20) == 0;
  say(endpoint(), victim.endpoint, *victim.theirs, lies, [&](wire::Encoder& e) {
    const tree::ChunkRange range = any_range();
    if (lies) {
      e.data(range.first, wire::NodeTimestamp{rng_()}, base::Bytes(world_.truth.metadata().chunk_size, std::byte{9}));
      return;
    }
    for (int i = 0; i < 20; ++i) {
      switch (rng_.below(9)) {
        case 0: e.have(range); break;
        case 1: e.request(any_range()); break;
        case 2: e.cancel(any_range()); break;
        case 3: e.ack(any_range(), wire::DelaySample{rng_()}); break;
        case 4: e.integrity({range.first, range.first}, crypto::Digest{format_.hash_size}); break;
        case 5: rng_.below(2) == 0 ? e.choke() : e.unchoke(); break;
        case 6: e.pex_req(); break;
        case 7:
          e.pex_res({base::IpAddress::v4({10, 99, static_cast<std::uint8_t>(rng_()), static_cast<std::uint8_t>(rng_())}), 7000});
          break;
        case 8: e.extension(static_cast<std::uint16_t>(rng_.below(4)), base::Bytes(rng_.below(12))); break;
      }
    }
  });
}

void Enemy::replay(Victim& victim) {
  const base::WallTime now = world_at(place_.now());
  std::vector<const Munro*> old;
  for (const Munro& munro : munros_) {
    if (munro.timestamp.value() + (base::to_ntp(now) - base::to_ntp(now - kReplayAge)) < base::to_ntp(now)) old.push_back(&munro);
  }
  if (old.empty()) return;
  const Munro& munro = *old[rng_.below(old.size())];
  say(endpoint(), victim.endpoint, *victim.theirs, false, [&](wire::Encoder& e) {
    e.integrity(munro.range, munro.hash);
    e.signed_integrity(munro.range, munro.timestamp, munro.signature);
    e.have(munro.range);
  });
}

void Enemy::claim(Victim& victim) {
  const auto all = all_there_is();
  if (!all) return;
  say(endpoint(), victim.endpoint, *victim.theirs, false, [&](wire::Encoder& e) { e.have(*all); });
}

// What somebody asked for because of the claim.
void Enemy::give(Victim& victim, tree::ChunkRange asked) {
  if (!victim.theirs) return;
  if (model_.kind == EnemyModel::Kind::root_forger) {
    // In RFC 7574 leaves and nodes are hashed alike: these bytes hash to the root.
    const auto& file = static_cast<const FileTruth&>(world_.truth);
    const tree::Bin root = tree::HashTree::root_bin(file.chunks());
    const auto left = world_.truth.nodes().get(root.left());
    const auto right = world_.truth.nodes().get(root.right());
    base::Bytes bytes = base::to_bytes(left->view());
    bytes.insert(bytes.end(), right->view().begin(), right->view().end());
    say(endpoint(), victim.endpoint, *victim.theirs, false,
        [&](wire::Encoder& e) { e.data(tree::ChunkIndex{0}, wire::NodeTimestamp{1}, bytes); });
    return;
  }
  if (model_.kind != EnemyModel::Kind::dripper || place_.now() < victim.next_gift) return;
  victim.next_gift = place_.now() + kGiftInterval;
  const auto chunk = world_.truth.chunk(asked.first);
  const auto* file = dynamic_cast<const FileTruth*>(&world_.truth);
  if (!chunk || file == nullptr) return;
  tree::HashTree tree{world_.truth.nodes(), *hasher_};
  std::vector<tree::NodeHash> proof;
  if (!tree::uncles(tree, asked.first, tree::HashTree::root_bin(file->chunks()), [](tree::ChunkRange) { return false; }, proof)) return;
  const auto proves = [&](wire::Encoder& e) {
    for (const tree::NodeHash& node : proof) {
      if (!node.hash.is_zero()) e.integrity(node.bin.range(), node.hash);
    }
  };
  say(endpoint(), victim.endpoint, *victim.theirs, false, proves);
  say(endpoint(), victim.endpoint, *victim.theirs, false, [&](wire::Encoder& e) { e.data(asked.first, wire::NodeTimestamp{1}, *chunk); });
}

// ---- what there is to speak of ------------------------------------------------------------------------------------------

std::optional<tree::ChunkRange> Enemy::all_there_is() const {
  if (model_.kind == EnemyModel::Kind::root_forger) return tree::ChunkRange{tree::ChunkIndex{0}, tree::ChunkIndex{0}};
  if (const auto* file = dynamic_cast<const FileTruth*>(&world_.truth)) {
    return tree::ChunkRange{tree::ChunkIndex{0}, tree::ChunkIndex{file->chunks() - 1}};
  }
  const auto& live = static_cast<const LiveTruth&>(world_.truth);
  if (live.munros().empty()) return std::nullopt;
  const std::uint64_t newest = live.munros().back().first.value();
  return tree::ChunkRange{live.munros().front().first, tree::ChunkIndex{newest + kAheadSeconds * swarm::kLiveIndicesPerSecond}};
}

tree::ChunkRange Enemy::any_range() {
  const tree::ChunkRange all = all_there_is().value_or(tree::ChunkRange{tree::ChunkIndex{0}, tree::ChunkIndex{1000}});
  const std::uint64_t first = all.first.value() + rng_.below(all.count());
  return {tree::ChunkIndex{first}, tree::ChunkIndex{first + rng_.below(64)}};
}

}  // namespace runnel::sim
