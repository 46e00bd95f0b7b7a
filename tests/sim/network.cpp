#include "sim/network.hpp"

#include <algorithm>
#include <optional>
#include <utility>

#include "sim/mix.hpp"

namespace runnel::sim {

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
  return path_.min_delay + base::Duration{static_cast<std::int64_t>(draw)} + hosts_[a.value()].access.delay +
         hosts_[b.value()].access.delay;
}

bool Network::lost(Path& path) {
  if (path_.burst.enter > 0) path.bad = path.bad ? rng_.unit() >= path_.burst.leave : rng_.unit() < path_.burst.enter;
  const double chance = path.bad ? path_.burst.loss : path_.loss;
  return chance > 0 && rng_.unit() < chance;
}

void Network::send(Packet packet, base::Time now) {
  const std::size_t size = packet.bytes.size() + kIpAndUdpBytes;
  Line& sender = hosts_[packet.sender.value()];
  ++counters_.datagrams;
  counters_.wire_bytes += size;
  sender.sent += size;
  const auto departure = through(now, sender.up_free, sender.access.up_rate, sender.access.up_queue, size);
  if (!departure) {
    ++counters_.dropped;
    return;
  }
  if (sender.island != hosts_[packet.to.value()].island) {
    ++counters_.cut;
    return;
  }
  Path& path = paths_[std::uint64_t{packet.sender.value()} << 32 | packet.to.value()];
  if (lost(path)) {
    ++counters_.lost;
    return;
  }
  if (path_.duplicate > 0 && rng_.unit() < path_.duplicate) schedule(packet, path, *departure);
  schedule(std::move(packet), path, *departure);
}

void Network::schedule(Packet packet, Path& path, base::Time departure) {
  const auto jitter = static_cast<std::int64_t>(rng_.below(static_cast<std::uint64_t>(path_.jitter.count()) + 1));
  base::Time arrival = std::max(departure + delay(packet.sender, packet.to) + base::Duration{jitter}, path.last_arrival);
  if (path_.reorder > 0 && rng_.unit() < path_.reorder) {
    arrival += path_.reorder_delay;
  } else {
    path.last_arrival = arrival;
  }
  events_.push(arrival, EventKind::packet, packets_.add(std::move(packet)));
}

std::optional<Packet> Network::arrived(std::uint32_t slot, base::Time now) {
  Packet& packet = packets_[slot];
  Line& line = hosts_[packet.to.value()];
  if (packet.at_host || line.access.down_rate == 0) return packets_.take(slot);
  const auto delivered = through(now, line.down_free, line.access.down_rate, line.access.down_queue, packet.bytes.size() + kIpAndUdpBytes);
  if (!delivered) {
    ++counters_.dropped;
    static_cast<void>(packets_.take(slot));
    return std::nullopt;
  }
  packet.at_host = true;
  events_.push(*delivered, EventKind::packet, slot);
  return std::nullopt;
}

}  // namespace runnel::sim
