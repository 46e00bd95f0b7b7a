// What joins the hosts: each packet passes its sender's uplink, the path between the two, and its receiver's downlink. Pure: packets
// go in with the time and come out when they are due; the TUN devices are lab.cpp's affair. One owner, one thread.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <queue>
#include <unordered_map>
#include <vector>

#include "base/bytes.hpp"
#include "netlab/offload.hpp"
#include "netlab/packet_pool.hpp"
#include "netlab/settings.hpp"

namespace runnel::netlab {

// 1 Gb/s with 1.5 s of delay and queues; at the usual MTU 200 MB, taken only as it is needed.
constexpr std::uint32_t kMaxPacketsInFlight = 131'072;

struct HostCounters {
  std::uint64_t sent_packets = 0;      // as the host's TUN device gave them
  std::uint64_t sent_bytes = 0;
  std::uint64_t received_packets = 0;  // as the host's TUN device got them
  std::uint64_t received_bytes = 0;
  std::uint64_t unroutable = 0;        // sent to nobody here: multicast, a stranger's address
  std::uint64_t cut = 0;               // sent by it, and stopped by a partition or a host that is not connected
  std::uint64_t over_memory = 0;       // sent by it while kMaxPacketsInFlight were on their way
};

struct Delivery {
  HostIndex host = 0;
  base::ByteView packet;  // until the next call of Fabric
  Segment segment;        // as given to sent()
  Time due;
};

class Fabric {
 public:
  explicit Fabric(const LabSettings& settings);

  // Where to put the next packet that a host sends; as long as the MTU. Valid until sent().
  [[nodiscard]] base::MutableByteView buffer() { return pool_.bytes(scratch_); }
  // The first `size_bytes` of buffer() were sent by `host`.
  void sent(Time now, HostIndex host, std::size_t size_bytes, const Segment& segment = {});
  // The next packet that is due at `now`; ask until there is none.
  [[nodiscard]] std::optional<Delivery> next(Time now);
  // When to ask again, unless something is sent earlier.
  [[nodiscard]] std::optional<Time> next_due() const;
  // Hosts must be the same; links keep their state.
  void apply(const LabSettings& settings);

  [[nodiscard]] const LabSettings& settings() const { return settings_; }
  [[nodiscard]] const HostCounters& counters(HostIndex host) const { return hosts_[host].counters; }
  [[nodiscard]] const Link& uplink(HostIndex host) const { return hosts_[host].up; }
  [[nodiscard]] const Link& downlink(HostIndex host) const { return hosts_[host].down; }
  // nullptr: nothing was sent that way yet, or nothing lies between.
  [[nodiscard]] const Link* path(HostIndex from, HostIndex to) const;
  [[nodiscard]] std::uint32_t packets_in_flight() const { return pool_.in_use() - 1; }

 private:
  enum class Stage : std::uint8_t { uplink, path, downlink, arrived };  // what comes next
  struct Packet {
    HostIndex from = 0;
    HostIndex to = 0;
    std::uint32_t size_bytes = 0;
    Stage stage = Stage::uplink;
    Segment segment;
  };
  struct Departure {
    Time due;
    std::uint64_t number = 0;  // those due at one time keep their order
    std::uint32_t slot = 0;
    friend bool operator>(const Departure& a, const Departure& b) { return a.due != b.due ? a.due > b.due : a.number > b.number; }
  };
  struct Host {
    Link up;
    Link down;
    HostCounters counters;
  };

  [[nodiscard]] Link make_link(const LinkSettings& settings, std::uint64_t id, double place) const;
  [[nodiscard]] const LinkSettings& path_settings(HostIndex from, HostIndex to) const;
  [[nodiscard]] Link* path_link(HostIndex from, HostIndex to);
  [[nodiscard]] bool are_joined(HostIndex a, HostIndex b) const;
  [[nodiscard]] Link* link_of(const Packet& packet);
  // Through the packet's next stage; false: it goes no further.
  [[nodiscard]] bool pass(std::uint32_t slot, Time now);
  void copy(std::uint32_t slot, Time due);
  void push(std::uint32_t slot, Time due) { departures_.push({due, next_number_++, slot}); }
  [[nodiscard]] Packet& packet(std::uint32_t slot) { return packets_[slot]; }
  void release_delivered();

  LabSettings settings_;
  PacketPool pool_;
  std::uint32_t scratch_;                          // buffer()
  std::optional<std::uint32_t> delivered_;         // what next() gave last
  std::vector<Packet> packets_;                    // by slot
  std::vector<Host> hosts_;
  std::unordered_map<std::uint64_t, Link> paths_;  // by sender and receiver; at most kMaxHosts squared
  std::unordered_map<base::IpAddress, HostIndex> by_address_;
  std::priority_queue<Departure, std::vector<Departure>, std::greater<>> departures_;
  std::uint64_t next_number_ = 0;
};

}  // namespace runnel::netlab
