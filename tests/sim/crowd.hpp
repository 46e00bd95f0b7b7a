// Who is in the swarm, as a tracker knows it: with those who left without a word, until they expire.
#pragma once
#include <algorithm>
#include <vector>

#include "base/endpoint.hpp"
#include "base/rng.hpp"
#include "base/time.hpp"

namespace runnel::sim {

class Crowd {
 public:
  static constexpr std::size_t kAnswer = 50;                                 // peers in an announce's answer (BEP 3's default)
  static constexpr base::Duration kInterval = std::chrono::minutes{30};      // between announces, a tracker's usual
  static constexpr base::Duration kExpiry = std::chrono::minutes{45};

  explicit Crowd(base::Rng rng) : rng_(rng) {}

  void announce(const base::Endpoint& who, base::Time now) {
    stopped(who);
    members_.push_back({who, now});
  }
  void stopped(const base::Endpoint& who) {
    std::erase_if(members_, [&](const Member& m) { return m.endpoint == who; });
  }
  // Others, drawn at random.
  [[nodiscard]] std::vector<base::Endpoint> sample(const base::Endpoint& asker, base::Time now) {
    std::erase_if(members_, [&](const Member& m) { return now - m.announced > kExpiry; });
    std::vector<base::Endpoint> others;
    for (const Member& member : members_) {
      if (member.endpoint != asker) others.push_back(member.endpoint);
    }
    std::ranges::shuffle(others, rng_);
    if (others.size() > kAnswer) others.resize(kAnswer);
    return others;
  }

 private:
  struct Member {
    base::Endpoint endpoint;
    base::Time announced;
  };
  base::Rng rng_;
  std::vector<Member> members_;
};

}  // namespace runnel::sim
