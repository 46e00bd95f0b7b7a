#include "netlab/fabric.hpp"

#include <algorithm>
#include <cstring>

#include "netlab/packet.hpp"

namespace runnel::netlab {
namespace {

// Each link draws from a generator of its own, so that one link's traffic does not change another's fate.
enum class LinkKind : std::uint64_t { up = 1, down = 2, path = 3 };

constexpr std::uint64_t link_id(LinkKind kind, HostIndex from, HostIndex to) {
  return static_cast<std::uint64_t>(kind) << 56 | std::uint64_t{from} << 28 | to;
}
constexpr std::uint64_t path_key(HostIndex from, HostIndex to) { return std::uint64_t{from} << 32 | to; }

}  // namespace

Fabric::Fabric(const LabSettings& settings)
    : settings_(settings), pool_(settings.mtu_bytes, kMaxPacketsInFlight), scratch_(pool_.take().value()), packets_(kMaxPacketsInFlight) {
  for (HostIndex i = 0; i < settings.hosts.size(); ++i) {
    const HostSettings& host = settings.hosts[i];
    // A line's two directions lie at the same place of their ranges, as both run through the same cable.
    const double place = base::Rng{settings.seed ^ link_id(LinkKind::up, i, i)}.unit();
    hosts_.push_back(
        {make_link(host.up, link_id(LinkKind::up, i, i), place), make_link(host.down, link_id(LinkKind::down, i, i), place), {}});
    by_address_[host.address] = i;
    by_address_[host.address6] = i;
  }
}

Link Fabric::make_link(const LinkSettings& settings, std::uint64_t id, double place) const {
  return Link{settings, base::Rng{base::mix64(settings_.seed) ^ base::mix64(id)}, place};
}

const LinkSettings& Fabric::path_settings(HostIndex from, HostIndex to) const {
  const auto found = settings_.pairs.find({from, to});
  return found == settings_.pairs.end() ? settings_.path : found->second;
}

const Link* Fabric::path(HostIndex from, HostIndex to) const {
  const auto found = paths_.find(path_key(from, to));
  return found == paths_.end() ? nullptr : &found->second;
}

Link* Fabric::path_link(HostIndex from, HostIndex to) {
  const auto found = paths_.find(path_key(from, to));
  if (found != paths_.end()) return &found->second;
  const LinkSettings& settings = path_settings(from, to);
  if (!settings.does_anything()) return nullptr;
  const double place = base::Rng{settings_.seed ^ link_id(LinkKind::path, std::min(from, to), std::max(from, to))}.unit();
  return &paths_.emplace(path_key(from, to), make_link(settings, link_id(LinkKind::path, from, to), place)).first->second;
}

void Fabric::apply(const LabSettings& settings) {
  settings_ = settings;
  for (HostIndex i = 0; i < hosts_.size(); ++i) {
    hosts_[i].up.set(settings.hosts[i].up);
    hosts_[i].down.set(settings.hosts[i].down);
  }
  for (auto& [key, link] : paths_) link.set(path_settings(static_cast<HostIndex>(key >> 32), static_cast<HostIndex>(key)));
}

bool Fabric::are_joined(HostIndex a, HostIndex b) const {
  const HostSettings& first = settings_.hosts[a];
  const HostSettings& second = settings_.hosts[b];
  return first.connected && second.connected && first.island == second.island;
}

void Fabric::sent(Time now, HostIndex host, std::size_t size_bytes, const Segment& segment) {
  HostCounters& counters = hosts_[host].counters;
  ++counters.sent_packets;
  counters.sent_bytes += size_bytes;
  const auto destination = destination_of(buffer().first(size_bytes));
  const auto to = destination ? by_address_.find(*destination) : by_address_.end();
  if (to == by_address_.end()) {
    ++counters.unroutable;
    return;
  }
  const auto scratch = pool_.take();
  if (!scratch) {
    ++counters.over_memory;
    return;
  }
  packet(scratch_) = {host, to->second, static_cast<std::uint32_t>(size_bytes), Stage::uplink, segment};
  // Not through the uplink at once: what is due earlier has to meet the later links first.
  push(scratch_, now);
  scratch_ = *scratch;
}

Link* Fabric::link_of(const Packet& packet) {
  switch (packet.stage) {
    case Stage::uplink: return &hosts_[packet.from].up;
    case Stage::path: return path_link(packet.from, packet.to);
    case Stage::downlink: return &hosts_[packet.to].down;
    case Stage::arrived: break;
  }
  return nullptr;
}

bool Fabric::pass(std::uint32_t slot, Time now) {
  Packet& moving = packet(slot);
  while (moving.stage != Stage::arrived) {
    Link* link = link_of(moving);
    moving.stage = static_cast<Stage>(static_cast<std::uint8_t>(moving.stage) + 1);
    if (link == nullptr) continue;
    const Passage passage = link->offer(now, moving.size_bytes);
    if (passage.fate != Fate::passes) return false;
    if (passage.duplicate_due) copy(slot, *passage.duplicate_due);
    if (passage.due <= now && !passage.duplicate_due) continue;
    push(slot, passage.due);
    return true;
  }
  push(slot, now);
  return true;
}

void Fabric::copy(std::uint32_t slot, Time due) {
  const auto twin = pool_.take();
  if (!twin) return;
  packet(*twin) = packet(slot);
  std::memcpy(pool_.bytes(*twin).data(), pool_.bytes(slot).data(), packet(slot).size_bytes);
  push(*twin, due);
}

void Fabric::release_delivered() {
  if (delivered_) pool_.give_back(*delivered_);
  delivered_.reset();
}

std::optional<Delivery> Fabric::next(Time now) {
  release_delivered();
  while (!departures_.empty() && departures_.top().due <= now) {
    const Departure departure = departures_.top();
    departures_.pop();
    const Packet& moving = packet(departure.slot);
    if (!are_joined(moving.from, moving.to)) {
      ++hosts_[moving.from].counters.cut;
      pool_.give_back(departure.slot);
      continue;
    }
    if (moving.stage != Stage::arrived) {
      if (!pass(departure.slot, departure.due)) pool_.give_back(departure.slot);
      continue;
    }
    HostCounters& counters = hosts_[moving.to].counters;
    ++counters.received_packets;
    counters.received_bytes += moving.size_bytes;
    delivered_ = departure.slot;
    return Delivery{moving.to, pool_.bytes(departure.slot).first(moving.size_bytes), moving.segment, departure.due};
  }
  return std::nullopt;
}

std::optional<Time> Fabric::next_due() const {
  if (departures_.empty()) return std::nullopt;
  return departures_.top().due;
}

}  // namespace runnel::netlab
