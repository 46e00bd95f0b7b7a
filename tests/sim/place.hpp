// A host's own corner of the simulation: its address, its time, what will happen to it and what it has sent. Within a round of the
// simulation a place runs alone, in any thread; it touches no other.
#pragma once
#include <cstdint>
#include <functional>
#include <optional>
#include <unordered_map>
#include <variant>
#include <vector>

#include "base/endpoint.hpp"
#include "base/time.hpp"
#include "sim/event_queue.hpp"
#include "sim/network.hpp"

namespace runnel::sim {

// Whatever has a place on the network: an engine with its surroundings (Node), or an enemy of its own kind.
class Host {
 public:
  virtual ~Host() = default;
  virtual void receive(const Packet& packet) = 0;
  // The time asked for with Place::wake_at() has come.
  virtual void wake() = 0;
};

// Who lives where.
using AddressBook = std::unordered_map<base::Endpoint, HostId>;

// A datagram as it left a host.
struct Sent {
  base::Time at;
  HostId from;
  base::Endpoint source;
  base::Endpoint to;
  base::Bytes bytes;
};

class Place {
 public:
  // Network and book outlive the place.
  Place(HostId id, const base::Endpoint& endpoint, Network& network, const AddressBook& book)
      : id_(id), endpoint_(endpoint), network_(network), book_(book) {}

  [[nodiscard]] HostId id() const { return id_; }
  [[nodiscard]] const base::Endpoint& endpoint() const { return endpoint_; }
  [[nodiscard]] base::Time now() const { return now_; }

  // ---- for the host ----
  // Replaces whoever was there. The host must live until it is detached or the simulation ends.
  void attach(Host& host) { host_ = &host; }
  // What is sent to it vanishes from now on.
  void detach();
  // Sends one datagram. `source` may be forged.
  void send(const base::Endpoint& source, const base::Endpoint& to, base::Bytes bytes, bool corrupt);
  // Calls the host's wake() then, unless it asks for an earlier time meanwhile. nullopt: not any more.
  void wake_at(std::optional<base::Time> at);
  // `action` touches this host alone.
  void after(base::Duration wait, std::function<void()> action) { events_.push(now_ + wait, std::move(action)); }

  // ---- for the simulation ----
  [[nodiscard]] base::Time next_at() const { return events_.next_at(); }
  // All that happens before `until`.
  void run_until(base::Time until);
  // Nothing happens to the host until `now`.
  void advance(base::Time now) { now_ = std::max(now_, now); }
  void expect(Flight flight) { events_.push(flight.arrival, Arrival{std::move(flight.packet)}); }
  // On its way since the last call.
  [[nodiscard]] std::vector<Flight>& outbox() { return outbox_; }
  // Keeps what it sends, for a tap, in sent().
  void record() { recording_ = true; }
  [[nodiscard]] std::vector<Sent>& sent() { return sent_; }
  // Over every datagram sent so far: time, from, to and bytes.
  [[nodiscard]] std::uint64_t trace_hash() const { return trace_; }

 private:
  struct Arrival {
    Packet packet;   // at the line
  };
  struct Reception {
    Packet packet;   // past the line
  };
  struct Wake {};
  using Event = std::variant<Wake, Arrival, Reception, std::function<void()>>;

  void happen(Event event);
  void receive(const Packet& packet);
  void wake();

  HostId id_;
  base::Endpoint endpoint_;
  Network& network_;
  const AddressBook& book_;
  Host* host_ = nullptr;
  base::Time now_;
  EventQueue<Event> events_;
  std::optional<base::Time> wanted_;   // what the host asked for
  std::optional<base::Time> queued_;   // the earliest Wake in the queue
  std::vector<Flight> outbox_;
  bool recording_ = false;
  std::vector<Sent> sent_;
  std::uint64_t trace_ = 0;
};

}  // namespace runnel::sim
