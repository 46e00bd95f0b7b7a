// Token buckets for each address: how often one may ask.
#pragma once
#include <list>
#include <map>

#include "base/endpoint.hpp"
#include "base/time.hpp"

namespace runnel::tracker {

struct RateLimit {
  double per_second = 20;   // a household of viewers of many swarms stays far below
  double burst = 200;
  std::size_t max_addresses = 65'536;  // about 10 MB; the least recently seen is forgotten
};

// IPv6 is counted by /64: that is what one subscriber has at least (RFC 6177). One owner, not thread-safe.
class RateLimiter {
 public:
  explicit RateLimiter(RateLimit limit) : limit_(limit) {}
  // False when the address has used up what it has; takes one token otherwise.
  [[nodiscard]] bool allow(const base::IpAddress& address, base::Time now);
  [[nodiscard]] std::size_t size() const { return buckets_.size(); }

 private:
  using Ages = std::list<base::IpAddress>;
  struct Bucket {
    double tokens = 0;
    base::Time filled_at;
    Ages::iterator age;
  };
  RateLimit limit_;
  std::map<base::IpAddress, Bucket> buckets_;
  Ages ages_;  // least recently seen first
};

}  // namespace runnel::tracker
