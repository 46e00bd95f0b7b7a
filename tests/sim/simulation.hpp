// Hosts on a virtual network in virtual time, all from one seed. The same seed gives the same trace, however many threads.
//
// Time goes in rounds. Nothing that is sent arrives sooner than the shortest way takes, so within so short a time no host can have to do
// with another: each place runs its own events of the round alone, and what it sent is handed over between two rounds, by senders in
// order. (Conservative synchronisation with a window; Chandy and Misra 1979, Nicol 1993.) What concerns more than one host, an action,
// happens between two rounds.
#pragma once
#include <cstdint>
#include <deque>
#include <functional>
#include <vector>

#include "base/endpoint.hpp"
#include "base/rng.hpp"
#include "base/time.hpp"
#include "sim/event_queue.hpp"
#include "sim/network.hpp"
#include "sim/place.hpp"
#include "sim/team.hpp"

namespace runnel::sim {

// Sees every datagram as it left a host, before the network had its way with it; between two rounds, in order of time.
using Tap = std::function<void(const Sent& datagram)>;

// One owner, in one thread.
class Simulation {
 public:
  explicit Simulation(std::uint64_t seed, unsigned threads = 1) : rng_(seed), network_(rng_()), team_(threads) {}

  // Of actions; a host in its round asks its place.
  [[nodiscard]] base::Time now() const { return now_; }
  [[nodiscard]] base::Rng fork_rng() { return rng_.fork(); }
  [[nodiscard]] Network& network() { return network_; }
  [[nodiscard]] const Network& network() const { return network_; }

  // A place with a private address of its own, which lives as long as the simulation. Between rounds.
  Place& add_place(const AccessModel& access);
  void at(base::Time when, std::function<void()> action) { actions_.push(std::max(when, now_), std::move(action)); }
  void after(base::Duration wait, std::function<void()> action) { at(now_ + wait, std::move(action)); }
  // Between rounds.
  void add_tap(Tap tap);

  // Until `end`, or until stop() was called.
  void run_until(base::Time end);
  // From an action.
  void stop() { stopped_ = true; }

  // Over what all places sent.
  [[nodiscard]] std::uint64_t trace_hash() const;

 private:
  void reach(base::Time now);
  void round(base::Time until);
  void hand_over(Place& from);
  void show_taps();

  base::Rng rng_;
  Network network_;
  Team team_;
  std::deque<Place> places_;   // by HostId
  AddressBook book_;
  EventQueue<std::function<void()>> actions_;
  std::vector<Tap> taps_;
  std::vector<Place*> due_;    // in this round
  base::Time now_;
  base::Time run_until_;       // all places have, but for what actions brought since
  bool stopped_ = false;
};

}  // namespace runnel::sim
