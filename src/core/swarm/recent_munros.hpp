// The newest munros of a live stream as push sees them: which chunks there are, which are here.
#pragma once
#include <bit>
#include <cstdint>
#include <optional>

#include <absl/container/btree_map.h>

#include "core/swarm/push_messages.hpp"
#include "core/swarm/push_trees.hpp"

namespace runnel::swarm {

class RecentMunros {
 public:
  static constexpr std::size_t kMaxMunros = 192;     // about ten seconds at a record each 66 ms; older ones are left to pull
  static constexpr std::size_t kMaxUnproved = 64;    // of them, those that we know from hearsay

  struct Munro {
    base::Time since;          // when we first heard of it, or would have
    base::Time proved;         // when its bundle came
    unsigned used = 0;         // leaves that carry chunks; 0: its bundle is not here
    std::uint32_t have = 0;    // verified and stored, bit per leaf
    [[nodiscard]] bool whole() const { return used != 0 && have == leaves(used); }
    [[nodiscard]] std::uint32_t missing() const { return used == 0 ? 0 : leaves(used) & ~have; }
  };
  using Table = absl::btree_map<std::uint64_t, Munro>;   // walked with each tick

  // Somebody speaks of it. nullptr: there is no room, or it is older than all that are kept.
  Munro* note(std::uint64_t munro, base::Time now);
  // Its bundle is here. False: it was before, or it is too old.
  bool prove(std::uint64_t munro, unsigned used, base::Time now);
  // A verified chunk. False: it was here, or it is too old.
  bool add(tree::ChunkIndex index, base::Time now);
  [[nodiscard]] const Munro* find(std::uint64_t munro) const;
  [[nodiscard]] bool has(tree::ChunkIndex index) const;
  [[nodiscard]] const Table& all() const { return munros_; }
  // How long ago we first heard of it, by our own clock: a caster's may jump. What is older than one that was proved before is older by
  // as much as their indices say, however late we hear of it: who joins, and fetches the past, must not take it for news. Zero if nothing
  // is known of it or newer ones.
  [[nodiscard]] base::Duration age(std::uint64_t munro, base::Time now) const { return now - since(munro, now); }
  [[nodiscard]] std::optional<std::uint64_t> newest_proved() const { return newest_proved_; }
  // What is here of the munros from `first` on, as much as one map takes. `plain`: chunk by chunk, for those who lack the bundles.
  [[nodiscard]] MunroMap have_map(std::uint64_t first, bool plain = false) const;

 private:
  [[nodiscard]] base::Time since(std::uint64_t munro, base::Time now) const;
  void make_room();

  Table munros_;
  std::size_t unproved_ = 0;
  std::optional<std::uint64_t> newest_proved_;
};

}  // namespace runnel::swarm
