// Which of the live chunks that we want somebody shows, found without walking over all that peers claim.
#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "core/swarm/picker.hpp"
#include "core/tree/interval_set.hpp"

namespace runnel::swarm {

// How far the search through what one peer shows has come: nothing before it is both wanted and shown. Whoever adds to either set at an
// earlier place takes it back there.
struct ShownMark {
  tree::ChunkIndex at{0};
  [[nodiscard]] bool passed(tree::ChunkIndex index) const { return index < at; }
  void back_to(tree::ChunkIndex first) {
    if (passed(first)) at = first;
  }
};

// The first chunk from the mark on that is wanted and shown. Each leap passes over a stretch of one set that the other does not touch, and
// costs one of `leaps`; the mark keeps what was passed, so that nobody's claims are passed over twice. nullopt: none, or no leaps left.
[[nodiscard]] std::optional<tree::ChunkIndex> next_shown(const tree::IntervalSet& wanted, const tree::IntervalSet& shown, ShownMark& mark,
                                                         std::uint64_t& leaps);

// One walk through what is wanted of those who may be asked: oldest first, a munro at a time. Meanwhile nothing may change but that what
// the walk has come to is asked for.
class LiveWalk {
 public:
  // Over all peers together. An honest viewer needs a handful; who tunes in leaps over as many gaps as there are records in the window.
  static constexpr std::uint64_t kMaxLeaps = 2'048;

  LiveWalk(const LivePicker& picker, std::size_t most_peers) : picker_(picker) { peers_.reserve(most_peers); }

  // A peer that may be asked. Its mark goes on as far as nothing is to be had; the walk begins no earlier than `from`. Returns its number.
  std::size_t add(const tree::IntervalSet& shown, ShownMark& mark, tree::ChunkIndex from);
  // It may not be asked any more.
  void leave(std::size_t peer) { peers_[peer].next.reset(); }
  // The next chunks that are wanted, within one munro, at least the first of them shown by a peer that may be asked.
  [[nodiscard]] std::optional<tree::ChunkRange> next();
  [[nodiscard]] std::uint64_t leaps() const { return kMaxLeaps - leaps_left_; }

 private:
  struct Peer {
    const tree::IntervalSet* shown;
    ShownMark mark;
    std::optional<tree::ChunkIndex> next;  // nullopt: nothing more of it
  };

  const LivePicker& picker_;
  std::uint64_t leaps_left_ = kMaxLeaps;
  std::vector<Peer> peers_;
};

}  // namespace runnel::swarm
