// What the tracker decides, whatever protocol asked: whom to remember and whom to tell. No sockets.
#pragma once
#include <expected>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/endpoint.hpp"
#include "base/rng.hpp"
#include "base/time.hpp"
#include "core/discovery/http_announce.hpp"
#include "tracker/rate_limiter.hpp"
#include "tracker/store.hpp"

namespace runnel::tracker {

// Live swarms change within minutes: shorter than the half hour that file swarms are used to.
struct Policy {
  base::Duration interval = std::chrono::seconds{120};
  base::Duration min_interval = std::chrono::seconds{30};
  base::Duration expiry = std::chrono::seconds{300};  // 2.5 intervals: one announce may be lost
  std::size_t default_num_want = 50;
  std::size_t max_num_want = 200;
};

constexpr std::size_t kMaxLocalSwarms = 1024;  // set_local_peers; ours, not an outsider's

struct ServiceStats {
  StoreTotals totals;
  std::uint64_t announces = 0;
  std::uint64_t scrapes = 0;
  std::uint64_t refused_by_rate = 0;
  std::uint64_t refused_by_size = 0;
};

struct Announcement {
  discovery::AnnounceParameters parameters;
  base::IpAddress source;                       // where the request came from
  std::optional<base::IpAddress> claimed;       // ip= and the like
  std::optional<std::size_t> num_want;          // nullopt: the default
  enum class Families : std::uint8_t { both, v4, v6 } families = Families::both;  // that the answer can carry
};

// One owner, not thread-safe.
class TrackerService {
 public:
  TrackerService(std::unique_ptr<TrackerStore> store, Policy policy, RateLimit rate, std::uint64_t rng_seed);

  // Whether this address may ask now. Only for addresses that are proved (TCP, a connection id): a bucket is kept for each.
  [[nodiscard]] bool admit(const base::IpAddress& address, base::Time now);

  // Remembers the source address, for anything else could be pointed at a victim. One exception: an announce from loopback,
  // which no outsider can send, may claim a private address of its machine. Peers are told only to those who can reach them
  // (discovery::may_tell): loopback to loopback, private to private and loopback. Seeds are not told of seeds, nobody of
  // itself. The error is the failure reason for the client.
  std::expected<discovery::AnnounceAnswer, std::string> announce(const Announcement& announcement, base::Time now);
  // Counts of one swarm; zeros for an unknown one.
  discovery::SwarmCounts scrape(const discovery::InfoHash& swarm);

  // Peers of this machine's own, told to everyone who can reach them and never expired: how the caster whose tracker this is
  // gets a usable address, for its own announce would come from loopback. Replaces what was set; none removes.
  void set_local_peers(const discovery::InfoHash& swarm, std::vector<base::Endpoint> endpoints);

  // Once a second: expiry and the store's flush. The error is for the log.
  std::expected<void, std::string> tick(base::Time now, base::WallTime wall);

  [[nodiscard]] ServiceStats stats() const;
  [[nodiscard]] const Policy& policy() const { return policy_; }

 private:
  void choose_peers(const Announcement& announcement, const base::Endpoint& asker, std::vector<base::Endpoint>& out);

  std::unique_ptr<TrackerStore> store_;
  Policy policy_;
  RateLimiter limiter_;
  base::Rng rng_;
  std::map<discovery::InfoHash, std::vector<base::Endpoint>> local_;
  ServiceStats stats_;
};

}  // namespace runnel::tracker
