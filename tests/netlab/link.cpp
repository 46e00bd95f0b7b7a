#include "netlab/link.hpp"

#include <algorithm>
#include <cmath>

namespace runnel::netlab {
namespace {

// A queue told in milliseconds holds at least this much: at 0.1 Mb/s, 100 ms are less than one packet.
constexpr double kMinQueueBytes = 4 * 1500;

}  // namespace

Duration Link::delay() const {
  const auto spread = static_cast<double>((settings_.max_delay - settings_.min_delay).count());
  return settings_.min_delay + Duration{static_cast<std::int64_t>(place_ * spread)};
}

double Link::queue_limit_bytes() const {
  if (settings_.queue_bytes > 0) return static_cast<double>(settings_.queue_bytes);
  return std::max(kMinQueueBytes, settings_.rate_bits_per_s / 8 * static_cast<double>(settings_.queue_time.count()) / 1e9);
}

std::optional<Time> Link::through_queue(Time now, std::size_t size_bytes) {
  if (settings_.rate_bits_per_s <= 0) return now;
  const double ns_per_byte = 8e9 / settings_.rate_bits_per_s;
  const Duration wait = std::max(Duration{}, free_ - now);
  // Whoever finds the line idle does not queue, however small the queue.
  if (wait > Duration{} && static_cast<double>(wait.count()) / ns_per_byte + static_cast<double>(size_bytes) > queue_limit_bytes())
    return std::nullopt;
  counters_.queue_wait_total += wait;
  counters_.queue_wait_max = std::max(counters_.queue_wait_max, wait);
  free_ = now + wait + Duration{std::llround(static_cast<double>(size_bytes) * ns_per_byte)};
  return free_;
}

Fate Link::draw_loss() {
  if (settings_.burst.enter > 0)
    bad_ = bad_ ? rng_.unit() >= settings_.burst.leave : rng_.unit() < settings_.burst.enter;
  else
    bad_ = false;
  const double chance = bad_ ? settings_.burst.loss : settings_.loss;
  if (chance <= 0 || rng_.unit() >= chance) return Fate::passes;
  return bad_ ? Fate::lost_in_burst : Fate::lost;
}

Time Link::draw_arrival(Time departure) {
  Time arrival = departure + delay();
  if (settings_.jitter > Duration{})
    arrival += Duration{static_cast<std::int64_t>(rng_.unit() * static_cast<double>(settings_.jitter.count()))};
  arrival = std::max(arrival, last_arrival_);
  if (settings_.reorder > 0 && rng_.unit() < settings_.reorder) {
    ++counters_.reordered;
    return arrival + settings_.reorder_delay;
  }
  last_arrival_ = arrival;
  return arrival;
}

Passage Link::offer(Time now, std::size_t size_bytes) {
  const std::optional<Time> departure = through_queue(now, size_bytes);
  if (!departure) {
    ++counters_.queue_full;
    return {.fate = Fate::queue_full};
  }
  const Fate fate = draw_loss();
  if (fate != Fate::passes) {
    ++(fate == Fate::lost ? counters_.lost : counters_.lost_in_burst);
    return {.fate = fate};
  }
  ++counters_.packets;
  counters_.bytes += size_bytes;
  Passage passage{.due = draw_arrival(*departure)};
  if (settings_.duplicate > 0 && rng_.unit() < settings_.duplicate) {
    ++counters_.duplicated;
    passage.duplicate_due = draw_arrival(*departure);
  }
  return passage;
}

}  // namespace runnel::netlab
