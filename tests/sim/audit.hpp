// The invariants: what must hold in every run, whatever the network and the enemies do. Each is a function that watches one
// thing; a breach is kept with its time and host, and the runner reports it with the seed.
#pragma once
#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/bytes.hpp"
#include "base/endpoint.hpp"
#include "base/time.hpp"
#include "core/swarm/io.hpp"
#include "core/tree/interval_set.hpp"
#include "core/wire/decoder.hpp"
#include "sim/network.hpp"
#include "sim/truth.hpp"

namespace runnel::sim {

struct Violation {
  base::Time at;
  HostId host;
  std::string invariant;
  std::string what;
};

// What the bytes on the wire were for. From `hello` to `bundle`: extension messages, in the order of their types.
enum class WireUse : std::uint8_t {
  headers,
  data,
  have,
  ack,
  request,
  integrity,
  hello,
  subscribe,
  accept,
  refuse,
  redirect,
  unsubscribe,
  path,
  advert,
  have_map,
  nack,
  busy,
  bundle,
  other
};
constexpr std::array kWireUses{"headers",   "data",   "have",   "ack",      "request",     "integrity", "hello",
                               "subscribe", "accept", "refuse", "redirect", "unsubscribe", "path",      "advert",
                               "have_map",  "nack",   "busy",   "bundle",   "other"};

// What honest nodes sent, by message.
struct MessageCounters {
  std::array<std::uint64_t, 256> messages{};
  std::uint64_t chunks = 0;
  std::uint64_t payload_bytes = 0;   // of them
  std::uint64_t udp_bytes = 0;
  // On the wire, IP and UDP headers included.
  std::uint64_t proof_bytes = 0;     // hashes and signatures, and datagrams that carry nothing else
  std::uint64_t control_bytes = 0;   // what is neither chunks nor proof, and datagrams that carry neither
  std::array<std::uint64_t, kWireUses.size()>
      bytes_of{};   // by WireUse; of chunks the payload is counted apart; `headers`: channel, UDP and IP

  [[nodiscard]] std::uint64_t& of(WireUse use) { return bytes_of[static_cast<std::size_t>(use)]; }
  MessageCounters& operator+=(const MessageCounters& other);
};

// One swarm's. Nodes report to it; the truth outlives it. Each host has a record of its own: once it has begun, hosts may report in threads
// of their own, of themselves.
class Audit {
 public:
  static constexpr std::size_t kMaxKept = 50;  // violations kept whole; the rest are counted

  explicit Audit(const Truth& truth) : truth_(truth), format_(truth.format()) {}

  // no_false_data, no_amplification, data_was_stored. `held`: what the sender has stored.
  void sent(base::Time now, HostId host, const base::Endpoint& to, base::ByteView datagram, const tree::IntervalSet& held);
  // Bytes that reached a host's engine.
  void received(HostId host, const base::Endpoint& from, base::ByteView datagram);
  // no_unverified_chunk_stored, nothing_stored_twice.
  void stored(base::Time now, HostId host, const swarm::StoreChunks& store, const tree::IntervalSet& held);
  // loads_name_what_was_stored.
  void load_asked(base::Time now, HostId host, tree::ChunkRange range, const tree::IntervalSet& held);
  // banned_within_two: how many chunks a host has rejected from one corrupt sender, and whether it is banned now.
  void rejected(base::Time now, HostId host, const base::Endpoint& from, std::uint64_t chunks, bool banned);
  // tables_are_bounded, no_false_hash_trusted.
  void state(base::Time now, HostId host, const swarm::SwarmState& state, std::uint64_t false_nodes);
  // A host's engine begins, or another one in its place: what was known of its peers is gone. Before anything else is told of the host.
  void begin(HostId host);

  void violate(base::Time now, HostId host, std::string invariant, std::string what);
  // In order of time, the first kMaxKept.
  [[nodiscard]] std::vector<Violation> violations() const;
  [[nodiscard]] std::uint64_t violation_count() const;
  // Of all hosts.
  [[nodiscard]] MessageCounters counters() const;

 private:
  // Between a host and an address that may be forged (RFC 7574 12.1.1).
  struct Contact {
    std::uint64_t received = 0;
    std::uint64_t sent = 0;  // calls apart: these go to an address that somebody else named
    bool proved = false;
    std::vector<std::uint32_t> given_ids;  // channel ids that the host told this address
  };
  struct Rejections {
    std::uint64_t chunks = 0;
    base::Time first;
  };
  struct Record {
    std::unordered_map<base::Endpoint, Contact> contacts;
    std::map<base::Endpoint, Rejections> rejections;
    std::vector<Violation> violations;
    std::uint64_t violation_count = 0;
    MessageCounters counters;
  };
  [[nodiscard]] static WireUse use_of(const wire::Message& message);
  static void count(MessageCounters& counters, const wire::Message& message, std::size_t size);
  void check_message(base::Time now, HostId host, Contact& contact, const wire::Message& message, const tree::IntervalSet& held);
  [[nodiscard]] Record& record(HostId host) { return records_[host.value()]; }

  const Truth& truth_;
  wire::Format format_;
  std::deque<Record> records_;  // by host; references stay good when others begin
};

}  // namespace runnel::sim
