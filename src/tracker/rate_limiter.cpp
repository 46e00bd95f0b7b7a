#include "tracker/rate_limiter.hpp"

#include <algorithm>

namespace runnel::tracker {
namespace {

base::IpAddress subscriber(const base::IpAddress& address) {
  if (address.is_v4()) return address;
  auto octets = address.v6_octets();
  std::fill(octets.begin() + 8, octets.end(), std::uint8_t{0});
  return base::IpAddress::v6(octets);
}

}  // namespace

bool RateLimiter::allow(const base::IpAddress& address, base::Time now) {
  const base::IpAddress key = subscriber(address);
  auto found = buckets_.find(key);
  if (found == buckets_.end()) {
    if (buckets_.size() >= limit_.max_addresses) {
      buckets_.erase(ages_.front());
      ages_.pop_front();
    }
    found = buckets_.emplace(key, Bucket{limit_.burst, now, ages_.insert(ages_.end(), key)}).first;
  }
  Bucket& bucket = found->second;
  ages_.splice(ages_.end(), ages_, bucket.age);
  const double seconds = std::chrono::duration<double>(now - bucket.filled_at).count();
  bucket.tokens = std::min(limit_.burst, bucket.tokens + std::max(0.0, seconds) * limit_.per_second);
  bucket.filled_at = now;
  if (bucket.tokens < 1) return false;
  bucket.tokens -= 1;
  return true;
}

}  // namespace runnel::tracker
