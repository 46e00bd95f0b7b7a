#include "sim/audit.hpp"

#include <algorithm>

#include "core/discovery/ban_list.hpp"
#include "core/swarm/swarm.hpp"
#include "core/wire/encoder.hpp"
#include "support/wire_chunk.hpp"

namespace runnel::sim {
namespace {

std::string name_of(tree::ChunkIndex index) { return "chunk " + std::to_string(index.value()); }

}  // namespace

void Audit::violate(base::Time now, HostId host, std::string invariant, std::string what) {
  Record& seen = record(host);
  if (++seen.violation_count <= kMaxKept) seen.violations.push_back({now, host, std::move(invariant), std::move(what)});
}

std::vector<Violation> Audit::violations() const {
  std::vector<Violation> all;
  for (const Record& record : records_) all.insert(all.end(), record.violations.begin(), record.violations.end());
  std::ranges::stable_sort(all, {}, &Violation::at);
  if (all.size() > kMaxKept) all.resize(kMaxKept);
  return all;
}

std::uint64_t Audit::violation_count() const {
  std::uint64_t all = 0;
  for (const Record& record : records_) all += record.violation_count;
  return all;
}

MessageCounters Audit::counters() const {
  MessageCounters all;
  for (const Record& record : records_) all += record.counters;
  return all;
}

MessageCounters& MessageCounters::operator+=(const MessageCounters& other) {
  for (std::size_t i = 0; i < messages.size(); ++i) messages[i] += other.messages[i];
  chunks += other.chunks;
  payload_bytes += other.payload_bytes;
  udp_bytes += other.udp_bytes;
  proof_bytes += other.proof_bytes;
  control_bytes += other.control_bytes;
  for (std::size_t i = 0; i < bytes_of.size(); ++i) bytes_of[i] += other.bytes_of[i];
  return *this;
}

// ---- datagrams ------------------------------------------------------------------------------------------------------

void Audit::sent(base::Time now, HostId host, const base::Endpoint& to, base::ByteView datagram, const tree::IntervalSet& held) {
  MessageCounters& counters = record(host).counters;
  counters.udp_bytes += datagram.size();
  counters.of(WireUse::headers) += wire::kChannelSize + kIpAndUdpBytes;
  const auto split = wire::split_datagram(datagram);
  if (!split) {
    violate(now, host, "datagrams_decode", "shorter than a channel id");
    return;
  }
  Contact& peer = record(host).contacts[to];
  wire::Decoder decoder{split->messages, format_};
  const std::uint64_t payload_before = counters.payload_bytes;
  const std::uint64_t proof_before = counters.proof_bytes;
  std::array<std::byte, 2048> scratch;   // longer messages do not fit a datagram
  while (true) {
    const auto message = decoder.next();
    if (!message) {
      violate(now, host, "datagrams_decode", std::string{wire::message(message.error())});
      break;
    }
    if (!*message) break;
    check_message(now, host, peer, **message, held);
    if (test::chunk_of(**message)) continue;   // its bytes are neither proof nor control
    wire::Encoder encoder{scratch, format_};
    count(counters, **message, encoder.message(**message) ? encoder.size() : 0);
  }
  if (counters.payload_bytes == payload_before) {   // else they are the chunk's
    const bool proof = counters.proof_bytes != proof_before;
    (proof ? counters.proof_bytes : counters.control_bytes) += wire::kChannelSize + kIpAndUdpBytes;
  }
  if (split->channel == wire::kNoChannel || peer.proved) return;
  peer.sent += datagram.size();
  if (peer.sent > peer.received) {
    violate(now, host, "no_amplification",
            std::to_string(peer.sent) + " bytes to " + to.to_string() + " for " + std::to_string(peer.received));
  }
}

WireUse Audit::use_of(const wire::Message& message) {
  static constexpr auto kFirst = static_cast<std::uint8_t>(WireUse::hello);   // extension type 1 and on
  static constexpr auto kExtensions = static_cast<std::uint8_t>(WireUse::other) - kFirst;
  if (const auto* extension = std::get_if<wire::Extension>(&message))
    return extension->type >= 1 && extension->type <= kExtensions ? static_cast<WireUse>(kFirst + extension->type - 1) : WireUse::other;
  if (test::chunk_of(message)) return WireUse::data;
  if (std::holds_alternative<wire::Have>(message)) return WireUse::have;
  if (std::holds_alternative<wire::Ack>(message)) return WireUse::ack;
  if (std::holds_alternative<wire::Request>(message)) return WireUse::request;
  if (std::holds_alternative<wire::Integrity>(message) || std::holds_alternative<wire::SignedIntegrity>(message)) return WireUse::integrity;
  return WireUse::other;
}

void Audit::count(MessageCounters& counters, const wire::Message& message, std::size_t size) {
  counters.of(use_of(message)) += size;
  const auto* extension = std::get_if<wire::Extension>(&message);
  const bool bundle = extension != nullptr && extension->type == swarm::Bundle::kType;
  if (bundle || std::holds_alternative<wire::Integrity>(message) || std::holds_alternative<wire::SignedIntegrity>(message))
    counters.proof_bytes += size;
  else if (!test::chunk_of(message))
    counters.control_bytes += size;
}

void Audit::check_message(base::Time now, HostId host, Contact& peer, const wire::Message& message, const tree::IntervalSet& held) {
  MessageCounters& counters = record(host).counters;
  std::visit([&](const auto& m) { ++counters.messages[static_cast<std::size_t>(m.kType)]; }, message);
  if (const auto* handshake = std::get_if<wire::Handshake>(&message); handshake && !handshake->is_close()) {
    const std::uint32_t id = handshake->source.value();
    if (std::ranges::find(peer.given_ids, id) == peer.given_ids.end()) peer.given_ids.push_back(id);
  }
  const auto chunk = test::chunk_of(message);
  if (!chunk) return;
  ++counters.chunks;
  counters.payload_bytes += chunk->payload.size();
  const auto truth = truth_.chunk(chunk->index);
  if (!truth || !base::equal(*truth, chunk->payload)) violate(now, host, "no_false_data", name_of(chunk->index));
  if (!held.contains(chunk->index)) violate(now, host, "data_was_stored", name_of(chunk->index));
}

void Audit::received(HostId host, const base::Endpoint& from, base::ByteView datagram) {
  Contact& peer = record(host).contacts[from];
  if (peer.proved) return;
  peer.received += datagram.size();
  const auto split = wire::split_datagram(datagram);
  peer.proved = split && std::ranges::find(peer.given_ids, split->channel.value()) != peer.given_ids.end();
}

void Audit::begin(HostId host) {
  if (records_.size() <= host.value()) records_.resize(host.value() + 1);
  Record& seen = record(host);
  seen.contacts.clear();
  seen.rejections.clear();
}

// ---- chunks ---------------------------------------------------------------------------------------------------------

void Audit::stored(base::Time now, HostId host, const swarm::StoreChunks& store, const tree::IntervalSet& held) {
  for (const tree::ChunkRun& run : store.runs) {
    for (std::size_t i = 0; i < run.chunks.size(); ++i) {
      const tree::ChunkIndex index{run.first.value() + i};
      const auto truth = truth_.chunk(index);
      if (!truth || !base::equal(*truth, run.chunks[i])) violate(now, host, "no_unverified_chunk_stored", name_of(index));
      if (held.contains(index)) violate(now, host, "nothing_stored_twice", name_of(index));
    }
  }
}

void Audit::load_asked(base::Time now, HostId host, tree::ChunkRange range, const tree::IntervalSet& held) {
  if (held.contains(range)) return;
  violate(now, host, "loads_name_what_was_stored", std::to_string(range.first.value()) + ".." + std::to_string(range.last.value()));
}

// ---- enemies --------------------------------------------------------------------------------------------------------

void Audit::rejected(base::Time now, HostId host, const base::Endpoint& from, std::uint64_t chunks, bool banned) {
  if (chunks == 0) return;
  Rejections& seen = record(host).rejections[from];
  if (seen.chunks == 0 || now - seen.first > discovery::kBadHashWindow) seen = {0, now};
  seen.chunks += chunks;
  if (seen.chunks >= discovery::kBadHashesToBan && !banned) {
    violate(now, host, "banned_within_two", from.to_string() + " goes on after " + std::to_string(seen.chunks) + " bad chunks");
  }
  if (seen.chunks > discovery::kBadHashesToBan) {
    violate(now, host, "banned_within_two", std::to_string(seen.chunks) + " bad chunks taken from " + from.to_string());
  }
}

void Audit::state(base::Time now, HostId host, const swarm::SwarmState& state, std::uint64_t false_nodes) {
  if (state.peers.size() > swarm::kMaxChannels) violate(now, host, "tables_are_bounded", std::to_string(state.peers.size()) + " channels");
  if (false_nodes > 0) violate(now, host, "no_false_hash_trusted", std::to_string(false_nodes) + " nodes");
}

}  // namespace runnel::sim
