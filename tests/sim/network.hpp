// The virtual network: what becomes of each datagram. Delay, jitter, loss, duplicates, reordering, rates with queues, islands.
#pragma once
#include <algorithm>
#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include <boost/unordered/unordered_flat_map.hpp>

#include "base/bytes.hpp"
#include "base/endpoint.hpp"
#include "base/rng.hpp"
#include "base/strong.hpp"
#include "base/time.hpp"

namespace runnel::sim {

using HostId = base::Strong<struct HostIdTag, std::uint32_t>;

constexpr std::size_t kIpAndUdpBytes = 28;   // IPv4 and UDP headers: they take their part of every rate and count as wire bytes

// Loss in bursts (Gilbert and Elliott): a path is good or bad, and changes with each datagram by these chances.
struct BurstModel {
  double enter = 0;
  double leave = 0.3;
  double loss = 0.5;   // while bad
};

// One direction of the way between two hosts.
struct PathModel {
  base::Duration min_delay{20'000};    // one way, above 0; each pair of hosts has a delay of its own between these, the same both ways
  base::Duration max_delay{20'000};
  base::Duration jitter{2'000};        // added, uniform; datagrams keep their order
  double loss = 0;
  BurstModel burst;
  double duplicate = 0;
  double reorder = 0;                  // this share is held back by reorder_delay while the others pass
  base::Duration reorder_delay{5'000};
};

// How a host is attached. Rates are bytes per second on the wire, headers included; 0: no limit. Queues drop at the tail.
struct AccessModel {
  std::uint64_t up_rate = 0;
  std::uint64_t down_rate = 0;
  std::uint64_t up_queue = 128 * 1024;     // bytes
  std::uint64_t down_queue = 256 * 1024;
  base::Duration delay{};                  // one way, added to every path of this host
};

struct Packet {
  base::Endpoint from;     // as the datagram says; it may be forged
  HostId sender;
  HostId to;
  base::Bytes bytes;
  bool corrupt = false;    // what an enemy made of it: the audit wants to know, the receiver does not
};

// On its way: when it reaches the receiver's line.
struct Flight {
  base::Time arrival;
  Packet packet;
};

struct TrafficCounters {
  std::uint64_t datagrams = 0;
  std::uint64_t wire_bytes = 0;
  std::uint64_t lost = 0;             // on the way
  std::uint64_t dropped = 0;          // by a full queue
  std::uint64_t cut = 0;              // between islands

  TrafficCounters& operator+=(const TrafficCounters& other);
};

// Each host's line has its own state and its own draws: hosts may send and receive in threads of their own, as long as nobody adds a host
// or changes a line or the model meanwhile.
class Network {
 public:
  explicit Network(std::uint64_t seed) : seed_(seed) {}

  void set_path(const PathModel& model) { path_ = model; }
  void add_host(const AccessModel& access);
  // A new host at the place of an old one: its queues and limits are the same line's.
  void set_access(HostId host, const AccessModel& access) { line(host).access = access; }
  // Only hosts of one island reach each other.
  void set_island(HostId host, std::uint32_t island) { line(host).island = island; }

  // Adds to `flights` what gets past the sender's line and is not lost on the way: nothing, the packet, or the packet twice.
  void send(Packet packet, base::Time now, std::vector<Flight>& flights);
  // A packet has come to the receiver's line: when it has passed. nullopt: dropped by a full queue.
  [[nodiscard]] std::optional<base::Time> receive(const Packet& packet, base::Time now);

  [[nodiscard]] base::Duration delay(HostId a, HostId b) const;
  // Nothing that is sent arrives sooner.
  [[nodiscard]] base::Duration min_delay() const { return path_.min_delay; }
  // Of all hosts.
  [[nodiscard]] TrafficCounters counters() const;
  // How long what a host sends now will wait at its line.
  [[nodiscard]] base::Duration up_queue(HostId host, base::Time now) const { return std::max(base::Duration{}, line(host).up_free - now); }
  // Bytes per second; 0: no limit.
  [[nodiscard]] std::uint64_t up_rate(HostId host) const { return line(host).access.up_rate; }
  // Bytes that a host put on the wire, headers included.
  [[nodiscard]] std::uint64_t sent_wire_bytes(HostId host) const { return line(host).counters.wire_bytes; }

 private:
  struct Path {
    base::Time last_arrival;
    bool bad = false;
  };
  struct Line {
    AccessModel access;
    base::Rng rng;
    std::uint32_t island = 0;
    base::Time up_free{};    // when what is queued will have left
    base::Time down_free{};
    boost::unordered_flat_map<std::uint32_t, Path> paths{};   // by receiver
    TrafficCounters counters{};
  };
  // When a datagram of `size` leaves a line that is free at `free`; nullopt: the queue is full.
  static std::optional<base::Time> through(base::Time now, base::Time& free, std::uint64_t rate, std::uint64_t queue, std::size_t size);
  [[nodiscard]] bool lost(Line& line, Path& path) const;
  [[nodiscard]] base::Time arrival(const Packet& packet, Line& line, Path& path, base::Time departure) const;
  [[nodiscard]] Line& line(HostId host) { return lines_[host.value()]; }
  [[nodiscard]] const Line& line(HostId host) const { return lines_[host.value()]; }

  std::uint64_t seed_;
  PathModel path_;
  std::deque<Line> lines_;
};

}  // namespace runnel::sim
