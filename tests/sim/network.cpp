#include "sim/network.hpp"

#include <algorithm>
#include <utility>

#include "sim/mix.hpp"

namespace runnel::sim {

TrafficCounters& TrafficCounters::operator+=(const TrafficCounters& other) {
  datagrams += other.datagrams;
  wire_bytes += other.wire_bytes;
  lost += other.lost;
  dropped += other.dropped;
  cut += other.cut;
  return *this;
}

void Network::add_host(const AccessModel& access) { lines_.push_back({access, base::Rng{mix_two(seed_, lines_.size())}}); }

TrafficCounters Network::counters() const {
  TrafficCounters all;
  for (const Line& line : lines_) all += line.counters;
  return all;
}

std::optional<base::Time> Network::through(base::Time now, base::Time& free, std::uint64_t rate, std::uint64_t queue, std::size_t size) {
  if (rate == 0) return now;
  const auto waiting = static_cast<std::uint64_t>(std::max<std::int64_t>(0, (free - now).count())) * rate / 1'000'000;
  if (waiting + size > queue) return std::nullopt;
  free = std::max(free, now) + base::Duration{static_cast<std::int64_t>(size * 1'000'000 / rate)};
  return free;
}

base::Duration Network::delay(HostId a, HostId b) const {
  const std::uint64_t low = std::min(a, b).value();
  const std::uint64_t high = std::max(a, b).value();
  const auto spread = static_cast<std::uint64_t>((path_.max_delay - path_.min_delay).count());
  const std::uint64_t draw = mix_two(seed_, high << 32 | low) % (spread + 1);
  return path_.min_delay + base::Duration{static_cast<std::int64_t>(draw)} + line(a).access.delay + line(b).access.delay;
}

bool Network::lost(Line& line, Path& path) const {
  if (path_.burst.enter > 0) path.bad = path.bad ? line.rng.unit() >= path_.burst.leave : line.rng.unit() < path_.burst.enter;
  const double chance = path.bad ? path_.burst.loss : path_.loss;
  return chance > 0 && line.rng.unit() < chance;
}

void Network::send(Packet packet, base::Time now, std::vector<Flight>& flights) {
  const std::size_t size = packet.bytes.size() + kIpAndUdpBytes;
  Line& sender = line(packet.sender);
  ++sender.counters.datagrams;
  sender.counters.wire_bytes += size;
  const auto departure = through(now, sender.up_free, sender.access.up_rate, sender.access.up_queue, size);
  if (!departure) {
    ++sender.counters.dropped;
    return;
  }
  if (sender.island != line(packet.to).island) {
    ++sender.counters.cut;
    return;
  }
  Path& path = sender.paths[packet.to.value()];
  if (lost(sender, path)) {
    ++sender.counters.lost;
    return;
  }
  if (path_.duplicate > 0 && sender.rng.unit() < path_.duplicate) flights.push_back({arrival(packet, sender, path, *departure), packet});
  const base::Time at = arrival(packet, sender, path, *departure);
  flights.push_back({at, std::move(packet)});
}

base::Time Network::arrival(const Packet& packet, Line& line, Path& path, base::Time departure) const {
  const auto jitter = static_cast<std::int64_t>(line.rng.below(static_cast<std::uint64_t>(path_.jitter.count()) + 1));
  const base::Time at = std::max(departure + delay(packet.sender, packet.to) + base::Duration{jitter}, path.last_arrival);
  if (path_.reorder > 0 && line.rng.unit() < path_.reorder) return at + path_.reorder_delay;
  path.last_arrival = at;
  return at;
}

std::optional<base::Time> Network::receive(const Packet& packet, base::Time now) {
  Line& receiver = line(packet.to);
  const auto passed =
      through(now, receiver.down_free, receiver.access.down_rate, receiver.access.down_queue, packet.bytes.size() + kIpAndUdpBytes);
  if (!passed) ++receiver.counters.dropped;
  return passed;
}

}  // namespace runnel::sim
