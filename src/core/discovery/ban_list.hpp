// Who sent bad hashes (decision 11): two within 60 s ban an address and port, three banned ports ban the address, except in
// loopback and private ranges, where one NAT or one machine stands for many.
#pragma once
#include <cstdint>
#include <map>
#include <set>

#include "base/endpoint.hpp"
#include "base/time.hpp"

namespace runnel::discovery {

constexpr unsigned kBadHashesToBan = 2;
constexpr base::Duration kBadHashWindow = std::chrono::seconds{60};
constexpr std::size_t kPortsToBanAddress = 3;
constexpr base::Duration kBanLife = std::chrono::hours{1};  // addresses change hands
constexpr std::size_t kMaxSuspects = 1024;                  // endpoints with one bad hash
constexpr std::size_t kMaxBans = 4096;                      // endpoints; the oldest ban goes first

class BanList {
 public:
  // True when this one made the ban. The endpoint is as the datagram came, never as somebody told it.
  bool report_bad_hash(const base::Endpoint& endpoint, base::Time now);
  void ban(const base::Endpoint& endpoint, base::Time now);
  [[nodiscard]] bool banned(const base::Endpoint& endpoint, base::Time now) const;
  [[nodiscard]] std::size_t size() const { return bans_.size(); }
  [[nodiscard]] std::size_t suspects() const { return suspects_.size(); }

 private:
  struct Suspicion {
    unsigned bad_hashes = 0;
    base::Time since;
  };
  void forget_old(base::Time now);

  std::map<base::Endpoint, Suspicion> suspects_;
  std::map<base::Endpoint, base::Time> bans_;              // until when
  std::map<base::IpAddress, base::Time> address_bans_;     // until when; at most kMaxBans / kPortsToBanAddress at a time
};

}  // namespace runnel::discovery
