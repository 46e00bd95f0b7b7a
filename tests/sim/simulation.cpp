#include "sim/simulation.hpp"

#include "base/check.hpp"
#include "sim/clock.hpp"
#include "sim/mix.hpp"

namespace runnel::sim {
namespace {

constexpr std::uint16_t kPort = 6778;   // the RFC's example port (RFC 7574 8)

// 10.0.0.1 and on.
base::Endpoint endpoint_of(std::uint32_t number) {
  const std::uint32_t n = number + 1;
  return {base::IpAddress::v4({10, static_cast<std::uint8_t>(n >> 16), static_cast<std::uint8_t>(n >> 8), static_cast<std::uint8_t>(n)}),
          kPort};
}

}  // namespace

base::WallTime Simulation::world() const { return world_at(now_); }

HostId Simulation::add_place(const AccessModel& access) {
  const HostId id{static_cast<std::uint32_t>(places_.size())};
  places_.push_back({endpoint_of(id.value()), nullptr, std::nullopt, std::nullopt});
  by_endpoint_.emplace(places_.back().endpoint, id);
  network_.add_host(access);
  return id;
}

void Simulation::detach(HostId id) {
  places_[id.value()].host = nullptr;
  places_[id.value()].wake.reset();
}

void Simulation::send(HostId from, const base::Endpoint& source, const base::Endpoint& to, base::Bytes bytes, bool corrupt) {
  for (const Tap& tap : taps_) tap(now_, from, source, to, bytes);
  trace_ = mix_bytes(mix_two(trace_ ^ static_cast<std::uint64_t>(now_.time_since_epoch().count()),
                             std::hash<base::Endpoint>{}(source) * 3 + std::hash<base::Endpoint>{}(to)),
                     bytes);
  const auto found = by_endpoint_.find(to);
  if (found == by_endpoint_.end()) return;   // nobody lives there
  network_.send({source, from, found->second, std::move(bytes), corrupt, false}, now_);
}

void Simulation::wake_at(HostId id, std::optional<base::Time> at) {
  Place& place = places_[id.value()];
  place.wake = at;
  if (!at || (place.queued && *place.queued <= *at)) return;   // the queued event will ask again
  place.queued = *at;
  events_.push(*at, EventKind::wake, id.value());
}

void Simulation::on_wake(HostId id) {
  Place& place = places_[id.value()];
  if (place.queued != now_) return;   // an earlier one came in its place
  place.queued.reset();
  if (!place.wake || place.host == nullptr) return;
  if (*place.wake > now_) {
    wake_at(id, place.wake);
    return;
  }
  place.wake.reset();
  place.host->wake();
}

void Simulation::at(base::Time when, std::function<void()> action) {
  events_.push(std::max(when, now_), EventKind::action, actions_.add(std::move(action)));
}

void Simulation::run_until(base::Time end) {
  stopped_ = false;
  while (!stopped_ && !events_.empty() && events_.next_at() <= end) {
    const Event event = events_.pop();
    base::check(event.at >= now_, "time runs forward");
    now_ = event.at;
    ++events_done_;
    switch (event.kind) {
      case EventKind::packet:
        if (const auto packet = network_.arrived(event.subject, now_)) {
          if (Host* host = places_[packet->to.value()].host) host->receive(*packet);
        }
        break;
      case EventKind::wake: on_wake(HostId{event.subject}); break;
      case EventKind::action: {
        const auto action = actions_.take(event.subject);
        action();
        break;
      }
    }
  }
  if (!stopped_) now_ = end;
}

}  // namespace runnel::sim
