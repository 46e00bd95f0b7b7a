// Where peers of one swarm may be found: a bounded table of endpoints, whom to try next, whom never again.
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "base/endpoint.hpp"
#include "base/rng.hpp"
#include "base/time.hpp"
#include "core/discovery/ban_list.hpp"

namespace runnel::discovery {

constexpr std::size_t kMaxAddresses = 2000;         // of one swarm; about 200 KB
constexpr std::size_t kMaxAddressesPerHost = 16;    // ports of one address, loopback apart: nobody fills the table alone
constexpr unsigned kMaxDialFailures = 5;            // in a row; then the address is forgotten unless a person named it
constexpr base::Duration kRedialFirst = std::chrono::seconds{10};  // doubled by each failure
constexpr base::Duration kRedialMax = std::chrono::minutes{10};

// Who told us. Earlier ones are believed, and tried, first. `certified`: the source of a live stream, whoever passed its word on
// (certified_peers.hpp).
enum class AddressSource : std::uint8_t { user, link, incoming, lan, tracker, certified, pex, dht };

enum class AddOutcome : std::uint8_t { added, known, banned, unusable, ourselves, full };

// One owner, not thread-safe.
class AddressBook {
 public:
  explicit AddressBook(base::Rng rng) : rng_(rng) {}

  // The node's own endpoints: never candidates.
  void set_own(std::vector<base::Endpoint> own);

  // When the table is full, the address least worth keeping makes room, if it is worth less than the new one.
  AddOutcome add(const base::Endpoint& endpoint, AddressSource source, base::Time now);

  // Up to `count` endpoints to dial, best first, near ones ahead of others: never those connected, banned or tried too recently. The
  // caller says tried().
  [[nodiscard]] std::vector<base::Endpoint> candidates(std::size_t count, base::Time now);
  // Whether this one would be among all candidates.
  [[nodiscard]] bool is_candidate(const base::Endpoint& endpoint, base::Time now) const;
  // When the next address becomes a candidate; nullopt when none will.
  [[nodiscard]] std::optional<base::Time> next_candidate_at() const;

  void tried(const base::Endpoint& endpoint, base::Time now);
  void connected(const base::Endpoint& endpoint, base::Time now);  // also adds whoever dialled us
  void heard(const base::Endpoint& endpoint, base::Time now);      // a datagram arrived
  void failed(const base::Endpoint& endpoint, base::Time now);     // no answer, or closed before anything useful
  void disconnected(const base::Endpoint& endpoint, base::Time now);

  // True when this one made the ban.
  bool report_bad_hash(const base::Endpoint& endpoint, base::Time now);
  [[nodiscard]] bool banned(const base::Endpoint& endpoint, base::Time now) const { return bans_.banned(endpoint, now); }

  // For PEX_REQ: see choose_pex_peers in pex.hpp.
  [[nodiscard]] std::vector<base::Endpoint> tell(const base::Endpoint& asker, base::Time now);

  [[nodiscard]] std::size_t size() const { return entries_.size(); }
  [[nodiscard]] bool contains(const base::Endpoint& endpoint) const { return entries_.contains(endpoint); }

 private:
  struct Entry {
    AddressSource source = AddressSource::dht;
    base::Time added;
    std::optional<base::Time> last_heard;
    base::Time next_try;
    unsigned failures = 0;
    bool connected = false;
  };
  using Entries = std::map<base::Endpoint, Entry>;

  [[nodiscard]] bool due(const base::Endpoint& endpoint, const Entry& entry, base::Time now) const;
  // On the same LAN, or in the network that one of our own addresses is in.
  [[nodiscard]] bool near(const base::IpAddress& address) const;
  [[nodiscard]] std::size_t count_at(const base::IpAddress& address) const;
  [[nodiscard]] Entries::iterator least_worth();

  base::Rng rng_;
  BanList bans_;
  Entries entries_;
  std::vector<base::Endpoint> own_;
};

}  // namespace runnel::discovery
