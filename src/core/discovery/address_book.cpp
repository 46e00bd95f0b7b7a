#include "core/discovery/address_book.hpp"

#include <algorithm>
#include <tuple>

#include "core/discovery/http_announce.hpp"
#include "core/discovery/pex.hpp"

namespace runnel::discovery {
namespace {

constexpr unsigned kMaxDoublings = 6;  // 10 s * 2^6 is past kRedialMax

base::Duration redial_pause(unsigned failures) { return std::min(kRedialFirst * (1 << std::min(failures, kMaxDoublings)), kRedialMax); }

// What one provider gives out in one place, as far as anybody can guess.
bool same_network(const base::IpAddress& a, const base::IpAddress& b) {
  constexpr std::size_t kPrefixV4 = 12 + 3;   // bytes: /24 of an address that is mapped
  constexpr std::size_t kPrefixV6 = 6;        // /48
  return a.is_v4() == b.is_v4() &&
         std::equal(a.v6_octets().begin(), a.v6_octets().begin() + (a.is_v4() ? kPrefixV4 : kPrefixV6), b.v6_octets().begin());
}

bool named_by_a_person(AddressSource source) { return source == AddressSource::user || source == AddressSource::link; }

}  // namespace

void AddressBook::set_own(std::vector<base::Endpoint> own) {
  own_ = std::move(own);
  for (const base::Endpoint& endpoint : own_) entries_.erase(endpoint);
}

AddOutcome AddressBook::add(const base::Endpoint& endpoint, AddressSource source, base::Time now) {
  if (!usable_endpoint(endpoint)) return AddOutcome::unusable;
  if (std::ranges::find(own_, endpoint) != own_.end()) return AddOutcome::ourselves;
  if (bans_.banned(endpoint, now)) return AddOutcome::banned;
  if (const auto found = entries_.find(endpoint); found != entries_.end()) {
    found->second.source = std::min(found->second.source, source);
    return AddOutcome::known;
  }
  if (!named_by_a_person(source) && !endpoint.address.is_loopback() && count_at(endpoint.address) >= kMaxAddressesPerHost) {
    return AddOutcome::full;
  }
  if (entries_.size() >= kMaxAddresses) {
    const auto victim = least_worth();
    if (victim == entries_.end() || (victim->second.failures == 0 && victim->second.source < source)) return AddOutcome::full;
    entries_.erase(victim);
  }
  entries_.emplace(endpoint, Entry{.source = source, .added = now, .next_try = now});
  return AddOutcome::added;
}

bool AddressBook::near(const base::IpAddress& address) const {
  return address.is_private() || std::ranges::any_of(own_, [&](const base::Endpoint& own) { return same_network(own.address, address); });
}

std::size_t AddressBook::count_at(const base::IpAddress& address) const {
  return static_cast<std::size_t>(std::distance(entries_.lower_bound({address, 0}), entries_.upper_bound({address, 0xffff})));
}

// The most failures, then the least believed source, then the oldest; never one that is connected.
AddressBook::Entries::iterator AddressBook::least_worth() {
  const auto worthlessness = [](const Entries::iterator& i) {
    return std::tuple{i->second.failures, i->second.source, -i->second.added.time_since_epoch()};
  };
  auto worst = entries_.end();
  for (auto i = entries_.begin(); i != entries_.end(); ++i) {
    if (i->second.connected || named_by_a_person(i->second.source)) continue;
    if (worst == entries_.end() || worthlessness(i) > worthlessness(worst)) worst = i;
  }
  return worst;
}

bool AddressBook::due(const base::Endpoint& endpoint, const Entry& entry, base::Time now) const {
  return !entry.connected && now >= entry.next_try && !bans_.banned(endpoint, now);
}

bool AddressBook::is_candidate(const base::Endpoint& endpoint, base::Time now) const {
  const auto it = entries_.find(endpoint);
  return it != entries_.end() && due(endpoint, it->second, now);
}

std::vector<base::Endpoint> AddressBook::candidates(std::size_t count, base::Time now) {
  struct Ranked {
    unsigned failures;
    bool far;
    AddressSource source;
    std::uint64_t draw;  // equals in random order, so that newcomers do not all dial the same peer
    base::Endpoint endpoint;
  };
  std::vector<Ranked> ranked;
  for (const auto& [endpoint, entry] : entries_) {
    if (!due(endpoint, entry, now)) continue;
    ranked.push_back({entry.failures, !near(endpoint.address), entry.source, rng_(), endpoint});
  }
  std::ranges::sort(ranked, {}, [](const Ranked& r) { return std::tuple{r.failures, r.far, r.source, r.draw}; });
  if (ranked.size() > count) ranked.resize(count);
  std::vector<base::Endpoint> chosen;
  for (const Ranked& r : ranked) chosen.push_back(r.endpoint);
  return chosen;
}

std::optional<base::Time> AddressBook::next_candidate_at() const {
  std::optional<base::Time> next;
  for (const auto& [endpoint, entry] : entries_) {
    if (!entry.connected && (!next || entry.next_try < *next)) next = entry.next_try;
  }
  return next;
}

void AddressBook::tried(const base::Endpoint& endpoint, base::Time now) {
  if (const auto found = entries_.find(endpoint); found != entries_.end()) {
    found->second.next_try = now + redial_pause(found->second.failures);
  }
}

void AddressBook::connected(const base::Endpoint& endpoint, base::Time now) {
  add(endpoint, AddressSource::incoming, now);
  if (const auto found = entries_.find(endpoint); found != entries_.end()) {
    found->second.connected = true;
    found->second.failures = 0;
    found->second.last_heard = now;
  }
}

void AddressBook::heard(const base::Endpoint& endpoint, base::Time now) {
  if (const auto found = entries_.find(endpoint); found != entries_.end()) found->second.last_heard = now;
}

void AddressBook::failed(const base::Endpoint& endpoint, base::Time now) {
  const auto found = entries_.find(endpoint);
  if (found == entries_.end()) return;
  Entry& entry = found->second;
  entry.connected = false;
  ++entry.failures;
  entry.next_try = now + redial_pause(entry.failures);
  if (entry.failures >= kMaxDialFailures && !named_by_a_person(entry.source)) entries_.erase(found);
}

void AddressBook::disconnected(const base::Endpoint& endpoint, base::Time now) {
  const auto found = entries_.find(endpoint);
  if (found == entries_.end()) return;
  found->second.connected = false;
  found->second.next_try = now + redial_pause(found->second.failures);
}

bool AddressBook::report_bad_hash(const base::Endpoint& endpoint, base::Time now) {
  if (!bans_.report_bad_hash(endpoint, now)) return false;
  std::erase_if(entries_, [&](const auto& item) { return bans_.banned(item.first, now); });
  return true;
}

std::vector<base::Endpoint> AddressBook::tell(const base::Endpoint& asker, base::Time now) {
  std::vector<PexPeer> known;
  for (const auto& [endpoint, entry] : entries_) {
    if (entry.last_heard) known.push_back({endpoint, *entry.last_heard});
  }
  return choose_pex_peers(known, asker, now, rng_);
}

}  // namespace runnel::discovery
