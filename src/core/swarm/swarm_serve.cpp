// What we give: chunks with the hashes that the peer lacks (RFC 7574 5.3, 6.1.2.3).
#include <algorithm>
#include <cstring>

#include "core/swarm/push.hpp"
#include "core/swarm/swarm.hpp"

namespace runnel::swarm {
namespace {

constexpr base::Duration kCrowdedDelay = Ledbat::kTarget / 4;   // in the queue of our uplink
constexpr std::uint64_t kListWorthwhile = 8;   // chunks of a block asked for at once, before their leaf hashes go ahead together

}  // namespace

void Swarm::pump(Context& context, Channel& channel) {
  if (channel.state != Channel::State::established || !channel.uploads) return;
  UploadQueue& uploads = *channel.uploads;
  while (uploads.wants_more() && context.upload.allows(context.now)) {
    const std::uint64_t room = push_ ? push_->room_for_others(context.now) : UploadQueue::kBurstChunks;
    const auto burst = room > 0 ? uploads.next_burst(std::min(room, UploadQueue::kBurstChunks)) : std::nullopt;
    if (!burst) return;
    if (push_) push_->charge_others(burst->count(), context.now);
    if (!content_->has(*burst)) {   // it left the window meanwhile
      uploads.burst_done(*burst);
      continue;
    }
    context.upload.take(burst->count() * metadata_.chunk_size);
    context.outbox.load({context.loads.add({handle_, channel.local, *burst}), handle_, *burst});
  }
}

void Swarm::on_loaded(Context& context, const LoadTable::Load& load, std::span<const base::ByteView> chunks) {
  const Route route = context.channels.find(load.channel);
  if (route.swarm != this) return;   // the peer left
  Channel& channel = *route.channel;
  if (load.pushed) {
    if (channel.state == Channel::State::established && !chunks.empty()) send_pushed(context, channel, load.range.first, chunks[0]);
    return;
  }
  channel.begin_uploads().burst_done(load.range);
  if (channel.state != Channel::State::established || chunks.size() != load.range.count()) return;
  channel.flush(context.outbox);
  if (const StaticContent* content = static_content(); content && content->chunks()) {
    const tree::Bin block = content->block_of(load.range.first);
    const bool known = channel.peer_has.has_any(block.range()) || channel.uploads->in_flight().intersects(block.range());
    if (!known && chunks.size() >= kListWorthwhile && block.range().contains(load.range)) send_hash_list(context, channel, block);
  }
  for (std::size_t i = 0; i < chunks.size(); ++i) send_chunk(context, channel, tree::ChunkIndex{load.range.first.value() + i}, chunks[i]);
  pump(context, channel);
}

// All those of whom nothing is known yet have one first window together. A neighbourhood that lost something asks for it all at once:
// what is put into a weak line's queue then, its own requests wait behind.
std::uint32_t Swarm::first_window() const {
  constexpr std::uint32_t kLeast = 4;
  const auto unknown = std::ranges::count_if(channels_, [](const auto& c) { return c->uploads && !c->uploads->ledbat().measured(); });
  return std::max(kLeast, Ledbat::kInitialPackets / (1 + static_cast<std::uint32_t>(unknown)));
}

// ---- hashes ---------------------------------------------------------------------------------------------------------

// All leaf hashes of a block, ahead of its chunks: these then leave in datagrams of one size, and a lost chunk costs no other.
void Swarm::send_hash_list(Context& context, Channel& channel, tree::Bin block) {
  const tree::Bin top = *content_->top(block.range().first);
  std::vector<tree::NodeHash>& hashes = hashes_;
  hashes.clear();
  for (tree::Bin node = block; node != top; node = node.parent()) {
    const tree::Bin sibling = node.sibling();
    if (channel.peer_has.has_any(sibling.range()) || channel.uploads->in_flight().intersects(sibling.range())) break;
    const auto hash = content_->tree().known(sibling);
    if (!hash) return;
    if (!hash->is_zero()) hashes.push_back({sibling, *hash});
  }
  std::ranges::reverse(hashes);   // highest first (RFC 7574 5.4)
  for (tree::ChunkIndex i = block.range().first; i <= block.range().last; i = tree::ChunkIndex{i.value() + 1}) {
    const auto hash = content_->tree().known(tree::Bin::leaf(i));
    if (!hash) return;
    if (hash->is_zero()) break;   // past the end; the peer knows
    hashes.push_back({tree::Bin::leaf(i), *hash});
  }
  send_hashes(context, channel, hashes);
  if (channel.hash_lists.size() >= Channel::kMaxHashLists) channel.hash_lists.erase(channel.hash_lists.begin());
  std::erase_if(channel.hash_lists, [&](const auto& l) { return l.block == block.number(); });
  channel.hash_lists.push_back({block.number(), 0});
}

// Peaks, when the peer has none yet, and then `hashes`, in datagrams of their own. Leaves stay together.
void Swarm::send_hashes(Context& context, Channel& channel, std::span<const tree::NodeHash> hashes) {
  const auto integrity = [&](const tree::NodeHash& node) {
    channel.post(context.outbox, [&](wire::Encoder& e) { return e.integrity(node.bin.range(), node.hash); });
  };
  if (!channel.peaks_sent && static_content() && channel.peer_has.set().empty()) {   // RFC 7574 5.6.2
    for (const tree::Bin peak : tree::HashTree::peaks(*static_content()->chunks())) {
      if (const auto hash = content_->tree().known(peak)) integrity({peak, *hash});
    }
    channel.flush(context.outbox);
  }
  channel.peaks_sent = true;
  bool leaves = false;
  for (const tree::NodeHash& node : hashes) {
    if (node.bin.is_leaf() && !leaves) {
      channel.flush(context.outbox);
      leaves = true;
    }
    integrity(node);
  }
  channel.flush(context.outbox);
}

// `again`: it was sent before, so nothing that was on its way then may be taken as known.
bool Swarm::proof(Channel& channel, tree::ChunkIndex index, bool again, std::vector<tree::NodeHash>& hashes) {
  const auto top = content_->top(index);
  if (!top) return false;
  const auto knows = [&](tree::ChunkRange range) {
    return channel.peer_has.has_any(range) || (!again && channel.uploads->in_flight().intersects(range));
  };
  if (!tree::uncles(content_->tree(), index, *top, knows, hashes)) return false;
  if (!metadata_.live) std::erase_if(hashes, [](const tree::NodeHash& node) { return node.hash.is_zero(); });
  return true;
}

// ---- chunks ---------------------------------------------------------------------------------------------------------

void Swarm::send_chunk(Context& context, Channel& channel, tree::ChunkIndex index, base::ByteView payload) {
  const bool again = channel.uploads->in_flight().contains(index);
  // Byte ranges cannot name nodes that reach past the content's end (RFC 7574 4.3), so only the peaks tell of these: they may be lost.
  if (again && format_.addressing == wire::AddressingMethod::bytes64) channel.peaks_sent = false;
  std::vector<tree::NodeHash>& hashes = hashes_;
  hashes.clear();
  const tree::Bin block = static_content() ? static_content()->block_of(index) : tree::Bin{};
  const auto listed = std::ranges::find(channel.hash_lists, block.number(), &Channel::HashList::block);
  const std::uint64_t bit = std::uint64_t{1} << (index.value() % 64);
  if (static_content() && listed != channel.hash_lists.end() && (listed->sent & bit) == 0) {
    listed->sent |= bit;
  } else {
    if (!proof(channel, index, again, hashes)) return;
    if (!channel.peaks_sent && static_content()) send_hashes(context, channel, {});
  }

  base::MutableByteView to = context.outbox.begin_datagram();
  wire::Encoder encoder{to, format_};
  encoder.channel(channel.remote);
  const auto make_room = [&](std::size_t size) {
    if (encoder.remaining() >= size) return;
    channel.end_datagram(context.outbox, encoder.size());
    to = context.outbox.begin_datagram();
    encoder = wire::Encoder{to, format_};
    encoder.channel(channel.remote);
  };
  if (const LiveContent* live = live_content()) {
    const tree::ChunkRange range = tree::munro_of(index, metadata_.munro_width).range();
    const SignedMunro* munro = live->munro(index);
    const bool knows = channel.peer_has.has_any(range) || (!again && channel.uploads->in_flight().intersects(range));
    if (!knows && munro) {   // RFC 7574 6.1.2.3: both in one datagram; where each chunk is signed there are no hashes (6.1.1)
      if (!metadata_.sign_all) encoder.integrity(range, munro->hash);
      encoder.signed_integrity(range, munro->timestamp, munro->signature);
    }
  }
  for (const tree::NodeHash& node : hashes) {
    make_room(wire::integrity_size(format_));
    encoder.integrity(node.bin.range(), node.hash);
  }
  make_room(wire::data_header_size(format_) + payload.size());
  const auto place =
      encoder.data_in_place(index, wire::NodeTimestamp{static_cast<std::uint64_t>(context.now.time_since_epoch().count())}, payload.size());
  if (!place) return;   // a chunk larger than a datagram: others may have sent it so, in fragments
  std::memcpy(place->data(), payload.data(), payload.size());
  channel.end_datagram(context.outbox, encoder.size());
  channel.uploads->on_sent(index, static_cast<std::uint32_t>(encoder.size()), context.now);
  channel.up.add(payload.size(), context.now);
  up_bytes_ += payload.size();
  channel.last_sent = context.now;
  ++channel.unanswered;
}

// ---- time -----------------------------------------------------------------------------------------------------------

void Swarm::tick_uploads(Context& context) {
  for_established([&](Channel& channel) {
    if (!channel.uploads) return;
    channel.uploads->on_tick(context.now);
    pump(context, channel);
    channel.rest_uploads(context.now);
  });
}

void Swarm::judge_chokes(Context& context) {
  next_choke_round_ = context.now + Choker::kRound;
  if (context.no_upload) return;
  std::vector<Choker::Peer> peers;
  std::size_t served = 0;
  std::size_t delayed = 0;
  for_established([&](Channel& channel) {
    if (channel.pushes) return;   // is told BUSY instead
    peers.push_back({channel.local.value(), context.now - channel.last_request < Choker::kRound, channel.down.per_second(context.now),
                     channel.up.per_second(context.now)});
    if (!channel.uploads || channel.choked_by_us) return;
    ++served;
    if (channel.uploads->ledbat().queue_delay() > kCrowdedDelay) ++delayed;
  });
  // A queue at most of them is ours; at a few it is theirs.
  const bool crowded = context.upload.limited() || 2 * delayed > served;
  choker_.adapt(crowded, static_cast<std::size_t>(std::ranges::count_if(peers, &Choker::Peer::interested)));
  const bool seeding = source_ || (static_content() && static_content()->complete());
  const auto chosen = choker_.choose(std::move(peers), seeding);
  for_established([&](Channel& channel) {
    if (channel.pushes) return;
    const bool choke = !std::ranges::binary_search(chosen, channel.local.value());
    if (choke == channel.choked_by_us) return;
    channel.choked_by_us = choke;
    if (choke && channel.uploads) channel.uploads->clear_requests();
    channel.post(context.outbox, [&](wire::Encoder& e) { return choke ? e.choke() : e.unchoke(); });
  });
}

}  // namespace runnel::swarm
