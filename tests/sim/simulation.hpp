// Hosts on a virtual network in virtual time, all from one seed. The same seed gives the same trace.
#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "base/endpoint.hpp"
#include "base/rng.hpp"
#include "base/time.hpp"
#include "sim/event_queue.hpp"
#include "sim/network.hpp"

namespace runnel::sim {

// Whatever has a place on the network: an engine with its surroundings (Node), or an enemy of its own kind.
class Host {
 public:
  virtual ~Host() = default;
  virtual void receive(const Packet& packet) = 0;
  // The time asked for with Simulation::wake_at() has come.
  virtual void wake() = 0;
};

// Sees every datagram as it leaves a host, before the network has its way with it.
using Tap = std::function<void(base::Time now, HostId from, const base::Endpoint& source, const base::Endpoint& to, base::ByteView bytes)>;

// One owner, one thread.
class Simulation {
 public:
  explicit Simulation(std::uint64_t seed) : rng_(seed), network_(rng_(), events_) {}

  [[nodiscard]] base::Time now() const { return now_; }
  [[nodiscard]] base::WallTime world() const;
  [[nodiscard]] base::Rng fork_rng() { return rng_.fork(); }
  [[nodiscard]] Network& network() { return network_; }
  [[nodiscard]] const Network& network() const { return network_; }

  // A place with a private address of its own; attach() puts a host there.
  HostId add_place(const AccessModel& access);
  [[nodiscard]] base::Endpoint endpoint(HostId id) const { return places_[id.value()].endpoint; }
  // Replaces whoever was there. The host must live until it is detached or the simulation ends.
  void attach(HostId id, Host& host) { places_[id.value()].host = &host; }
  // Its datagrams are gone with it; what is sent to it vanishes.
  void detach(HostId id);

  // Sends one datagram. `source` may be forged.
  void send(HostId from, const base::Endpoint& source, const base::Endpoint& to, base::Bytes bytes, bool corrupt);
  // Calls the host's wake() then, unless it asks for an earlier time meanwhile. nullopt: not any more.
  void wake_at(HostId id, std::optional<base::Time> at);
  void at(base::Time when, std::function<void()> action);
  void after(base::Duration wait, std::function<void()> action) { at(now_ + wait, std::move(action)); }

  void add_tap(Tap tap) { taps_.push_back(std::move(tap)); }
  // Until `end`, or until stop() was called.
  void run_until(base::Time end);
  void stop() { stopped_ = true; }

  // Over every datagram sent so far: time, from, to and bytes.
  [[nodiscard]] std::uint64_t trace_hash() const { return trace_; }
  [[nodiscard]] std::uint64_t events_done() const { return events_done_; }

 private:
  struct Place {
    base::Endpoint endpoint;
    Host* host = nullptr;
    std::optional<base::Time> wake;      // what the host asked for
    std::optional<base::Time> queued;    // the earliest wake event in the queue
  };
  void on_wake(HostId id);

  base::Rng rng_;
  EventQueue events_;
  Network network_;
  std::vector<Place> places_;
  std::unordered_map<base::Endpoint, HostId> by_endpoint_;
  Slots<std::function<void()>> actions_;
  std::vector<Tap> taps_;
  base::Time now_;
  bool stopped_ = false;
  std::uint64_t trace_ = 0;
  std::uint64_t events_done_ = 0;
};

}  // namespace runnel::sim
