// Whom we give to when more want than we can serve (RFC 7574 3.9; policy: 9.2 leaves it open).
#pragma once
#include <cstdint>
#include <optional>
#include <vector>

#include "base/rng.hpp"
#include "base/time.hpp"

namespace runnel::swarm {

// The best givers (to us, or, at a source, the fastest takers) keep their slots; one slot goes round, so that newcomers get
// a chance. With no more askers than slots nobody is choked.
class Choker {
 public:
  static constexpr std::size_t kSlots = 48;                                    // of one swarm, at least and at first
  static constexpr std::size_t kMaxSlots = 768;
  static constexpr base::Duration kRound = std::chrono::seconds{10};           // how often slots are judged
  static constexpr int kOptimisticRounds = 3;

  struct Peer {
    std::uint32_t id = 0;           // any name, unique among the peers given
    bool interested = false;        // asked for something lately
    std::uint64_t gave_rate = 0;    // bytes per second to us
    std::uint64_t took_rate = 0;    // bytes per second from us
  };

  explicit Choker(base::Rng rng) : rng_(rng) {}
  // Before choose(), each round. `crowded`: our uplink has a queue, so that whoever is added takes from the others; slots then halve.
  // Else they double while more peers ask than there are.
  void adapt(bool crowded, std::size_t interested);
  // Who may be served until the next round; by id, sorted. `seeding`: we need nothing from them.
  [[nodiscard]] std::vector<std::uint32_t> choose(std::vector<Peer> peers, bool seeding);

 private:
  base::Rng rng_;
  std::size_t slots_ = kSlots;
  int round_ = 0;
  std::optional<std::uint32_t> optimistic_;
};

}  // namespace runnel::swarm
