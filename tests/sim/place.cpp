#include "sim/place.hpp"

#include <utility>

#include "base/check.hpp"
#include "sim/mix.hpp"

namespace runnel::sim {

void Place::detach() {
  host_ = nullptr;
  wanted_.reset();
}

void Place::send(const base::Endpoint& source, const base::Endpoint& to, base::Bytes bytes, bool corrupt) {
  trace_ = mix_bytes(mix_two(trace_ ^ static_cast<std::uint64_t>(now_.time_since_epoch().count()),
                             std::hash<base::Endpoint>{}(source) * 3 + std::hash<base::Endpoint>{}(to)),
                     bytes);
  if (recording_) sent_.push_back({now_, id_, source, to, bytes});
  const auto found = book_.find(to);
  if (found == book_.end()) return;   // nobody lives there
  network_.send({source, id_, found->second, std::move(bytes), corrupt}, now_, outbox_);
}

void Place::wake_at(std::optional<base::Time> at) {
  wanted_ = at;
  if (!at || (queued_ && *queued_ <= *at)) return;   // the queued event will ask again
  queued_ = std::max(*at, now_);
  events_.push(*queued_, Wake{});
}

void Place::wake() {
  if (queued_ != now_) return;   // an earlier one came in its place
  queued_.reset();
  if (!wanted_ || host_ == nullptr) return;
  if (*wanted_ > now_) {
    wake_at(wanted_);
    return;
  }
  wanted_.reset();
  host_->wake();
}

void Place::receive(const Packet& packet) {
  if (host_ != nullptr) host_->receive(packet);
}

void Place::run_until(base::Time until) {
  while (events_.next_at() < until) {
    base::check(events_.next_at() >= now_, "time runs forward");
    now_ = events_.next_at();
    happen(events_.pop());
  }
}

void Place::happen(Event event) {
  if (auto* arrival = std::get_if<Arrival>(&event)) {
    const auto passed = network_.receive(arrival->packet, now_);
    if (!passed) return;
    if (*passed > now_)
      events_.push(*passed, Reception{std::move(arrival->packet)});
    else
      receive(arrival->packet);
  } else if (const auto* reception = std::get_if<Reception>(&event)) {
    receive(reception->packet);
  } else if (const auto* action = std::get_if<std::function<void()>>(&event)) {
    (*action)();
  } else {
    wake();
  }
}

}  // namespace runnel::sim
