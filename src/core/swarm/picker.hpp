// Which chunks to ask of which peer: what a reader needs next comes first, rarest first beyond it.
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "base/rng.hpp"
#include "base/time.hpp"
#include "core/swarm/availability.hpp"
#include "core/tree/interval_set.hpp"

namespace runnel::swarm {

// Chunks asked for at a time, and never across such a boundary: their leaf hashes travel together.
constexpr std::uint64_t kRequestChunks = 32;

// What a pick must not touch.
struct PickState {
  const tree::IntervalSet& have;
  const tree::IntervalSet& requested;
  const tree::IntervalSet* elsewhere = nullptr;   // what others can give, when the peer at hand is to be spared
};

// The first chunks in `within` that the peer holds and that are neither here nor asked for, up to the next boundary.
std::optional<tree::ChunkRange> first_missing(tree::ChunkRange within, const tree::IntervalSet& peer, const PickState& state);

// Readers' needs, by deadline.
class Wants {
 public:
  static constexpr std::size_t kMaxWants = 256;
  struct Entry {
    std::uint64_t token = 0;
    tree::ChunkRange range;
    base::Time deadline;
  };
  // False when there are too many.
  bool add(const Entry& entry);
  void remove(std::uint64_t token);
  // Tokens whose range is whole now; they are removed.
  [[nodiscard]] std::vector<std::uint64_t> take_ready(const tree::IntervalSet& have);
  [[nodiscard]] const std::vector<Entry>& by_deadline() const { return entries_; }
  [[nodiscard]] bool empty() const { return entries_.empty(); }

 private:
  std::vector<Entry> entries_;   // earliest deadline first
};

// Where a channel goes on within the piece that was chosen for it.
struct PickCursor {
  std::optional<tree::ChunkRange> piece;
};

// Watchers that know each other share the work of fetching from the seeds: each piece falls to the one whose id draws the
// highest number for it (rendezvous hashing), which all work out alike without a word.
class PieceShare {
 public:
  // Ids of this node and of the others that lack chunks as well, in any order. False when nothing changed.
  bool set_members(std::uint64_t self, std::vector<std::uint64_t> others);
  [[nodiscard]] bool is_ours(std::uint64_t piece) const;

 private:
  std::uint64_t self_ = 0;
  std::vector<std::uint64_t> others_;
};

// Static content. Beyond the readers' needs: whole pieces, in order while only seeds are here; of seeds first what falls to us
// (PieceShare), of others the rarest of a few drawn at random.
class StaticPicker {
 public:
  static constexpr std::uint64_t kPieceChunks = 256;
  static constexpr int kSamples = 8;

  StaticPicker(base::Rng rng, std::uint64_t chunks) : rng_(rng), chunks_(chunks), held_((chunks + kPieceChunks - 1) / kPieceChunks) {}

  void peer_has(tree::ChunkRange range) { count(range, true); }
  void peer_gone(const tree::IntervalSet& had);
  // `in_order`: nobody else is after the same chunks.
  [[nodiscard]] std::optional<tree::ChunkRange> pick(const tree::IntervalSet& peer, const PickState& state, PickCursor& cursor,
                                                     bool in_order);
  // Of the pieces that fall to us, once the piece that this channel began is done, whoever it falls to.
  [[nodiscard]] std::optional<tree::ChunkRange> pick_ours(const tree::IntervalSet& peer, const PickState& state, PickCursor& cursor);
  void share_with(std::uint64_t self, std::vector<std::uint64_t> others);
  [[nodiscard]] std::optional<tree::ChunkRange> pick_wanted(const Wants& wants, const tree::IntervalSet& peer,
                                                            const PickState& state) const;

 private:
  void count(tree::ChunkRange range, bool more);
  [[nodiscard]] tree::ChunkRange piece_of(tree::ChunkIndex index) const;

  base::Rng rng_;
  std::uint64_t chunks_;
  std::vector<std::uint32_t> held_;   // chunks of each piece held by all peers together
  PieceShare share_;
  std::uint64_t first_piece_ = 0;     // where our walk through the pieces began
  std::uint64_t walked_ = 0;          // pieces of that walk
};

// Live content: oldest first, and by turns. If everybody asked at once for what the source shows, it would send as many copies
// as there are viewers. So a munro that few hold is asked for by few, drawn anew for each munro, and more as more hold it:
// copies grow by a factor of kTakers + 1 with each round.
class LivePicker {
 public:
  static constexpr double kTakers = 2;                     // who may ask, per holder
  static constexpr base::Duration kLongestWait{800'000};   // after which everyone may; less by turns on the way
  static constexpr std::size_t kMaxSeen = 16'384;          // runs of munros that were shown at one time; a window of 60 s has 1,800

  LivePicker(std::uint64_t salt, std::uint32_t munro_width) : salt_(salt), width_(munro_width) {}

  // A neighbour shows these chunks: what we lack of them is wanted. Returns what of it nobody had shown. Turns begin with the first who
  // is `believed`; what only others show has none.
  std::vector<tree::ChunkRange> seen(tree::ChunkRange range, const tree::IntervalSet& have, base::Time now, bool believed = true);
  void arrived(tree::ChunkIndex index) {
    missing_.erase({index, index});
    unasked_.erase({index, index});
  }
  void asked(tree::ChunkRange range) { unasked_.erase(range); }
  // It was asked for, and did not come.
  void returned(tree::ChunkRange range);
  void drop_below(tree::ChunkIndex first);
  // What was shown beyond it is believed no more.
  void drop_above(tree::ChunkIndex last);

  [[nodiscard]] const tree::IntervalSet& missing() const { return missing_; }
  [[nodiscard]] const tree::IntervalSet& unasked() const { return unasked_; }
  // The first run of chunks at or after `from`, within one munro, that somebody shows and nobody was asked for.
  [[nodiscard]] std::optional<tree::ChunkRange> next_unasked(tree::ChunkIndex from) const;
  // Whether it is our turn to ask for a munro that `holders` of our `neighbours` show.
  [[nodiscard]] bool due(tree::ChunkIndex index, std::size_t holders, std::size_t neighbours, base::Time now) const;

 private:
  std::uint64_t salt_;
  std::uint64_t width_;
  // Munros that were first shown together, by the number of the first; a claim of thousands is one entry.
  struct Shown {
    std::uint64_t last = 0;
    base::Time at;
  };
  using ShownMap = std::map<std::uint64_t, Shown>;
  void note(std::uint64_t first_munro, std::uint64_t last_munro, base::Time now);

  tree::IntervalSet missing_;                            // shown by somebody, and not here
  tree::IntervalSet unasked_;                            // of these
  ShownMap seen_;                                        // disjoint
};

}  // namespace runnel::swarm
