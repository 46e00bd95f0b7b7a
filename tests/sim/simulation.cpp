#include "sim/simulation.hpp"

#include <algorithm>
#include <iterator>

#include "base/check.hpp"
#include "sim/mix.hpp"

namespace runnel::sim {
namespace {

constexpr std::uint16_t kPort = 6778;   // the RFC's example port (RFC 7574 8)
constexpr base::Duration kTick{1};      // the smallest step of time

// 10.0.0.1 and on.
base::Endpoint endpoint_of(std::size_t number) {
  const std::size_t n = number + 1;
  return {base::IpAddress::v4({10, static_cast<std::uint8_t>(n >> 16), static_cast<std::uint8_t>(n >> 8), static_cast<std::uint8_t>(n)}),
          kPort};
}

}  // namespace

Place& Simulation::add_place(const AccessModel& access) {
  const HostId id{static_cast<std::uint32_t>(places_.size())};
  Place& place = places_.emplace_back(id, endpoint_of(places_.size()), network_, book_);
  book_.emplace(place.endpoint(), id);
  network_.add_host(access);
  place.advance(now_);
  if (!taps_.empty()) place.record();
  return place;
}

void Simulation::add_tap(Tap tap) {
  taps_.push_back(std::move(tap));
  for (Place& place : places_) place.record();
}

void Simulation::run_until(base::Time end) {
  base::check(network_.min_delay() >= kTick, "the shortest way takes time");
  stopped_ = false;
  for (Place& place : places_) hand_over(place);   // what was sent before
  while (!stopped_) {
    base::Time next = actions_.next_at();
    for (const Place& place : places_) next = std::min(next, place.next_at());
    if (next > end) break;
    if (actions_.next_at() == next) {
      reach(next);
      actions_.pop()();
      for (Place& place : places_) hand_over(place);
    } else {
      round(std::min({next + network_.min_delay(), actions_.next_at(), end + kTick}));
    }
    show_taps();
  }
  if (!stopped_) reach(end);
}

void Simulation::reach(base::Time now) {
  now_ = now;
  for (Place& place : places_) place.advance(now);
}

void Simulation::round(base::Time until) {
  due_.clear();
  for (Place& place : places_) {
    if (place.next_at() < until) due_.push_back(&place);
  }
  run_until_ = until;
  team_.each(due_.size(), [&](std::size_t i) { due_[i]->run_until(until); });
  for (Place* place : due_) hand_over(*place);
}

void Simulation::hand_over(Place& from) {
  for (Flight& flight : from.outbox()) {
    base::check(flight.arrival >= run_until_, "nothing arrives in a round that is over");
    places_[flight.packet.to.value()].expect(std::move(flight));
  }
  from.outbox().clear();
}

void Simulation::show_taps() {
  if (taps_.empty()) return;
  std::vector<Sent> sent;
  for (Place& place : places_) {
    std::ranges::move(place.sent(), std::back_inserter(sent));
    place.sent().clear();
  }
  std::ranges::stable_sort(sent, {}, &Sent::at);   // by places where times are the same
  for (const Sent& datagram : sent) {
    for (const Tap& tap : taps_) tap(datagram);
  }
}

std::uint64_t Simulation::trace_hash() const {
  std::uint64_t hash = 0;
  for (const Place& place : places_) hash = mix_two(hash, place.trace_hash());
  return hash;
}

}  // namespace runnel::sim
