// What push missed: who is asked for it, when, and how often (docs/live.md).
#pragma once
#include <map>
#include <optional>
#include <vector>

#include <absl/container/btree_map.h>

#include "base/rng.hpp"
#include "base/time.hpp"
#include "core/swarm/lag_meter.hpp"
#include "core/swarm/neighbourhood.hpp"
#include "core/swarm/push_messages.hpp"
#include "core/swarm/recent_munros.hpp"
#include "core/swarm/substreams.hpp"

namespace runnel::swarm {

// A gap is told to the parent once. What it was told in vain, and what is later than almost everything comes, the holder that should
// answer first is asked for. Never more than a few at one holder, nothing that would come too late, and nobody who said that he is busy
// before his time.
class Repair {
 public:
  static constexpr std::size_t kMaxAtHolder = 12;
  static constexpr std::size_t kMaxOutstanding = 64;
  static constexpr std::size_t kMaxTracked = 2048;               // chunks and bundles
  static constexpr base::Duration kTooLate{1'700'000};           // of 2 s of player's lag, the last 300 ms are too late to ask
  static constexpr base::Duration kReorder{4'000};

  // What it looks at.
  struct View {
    const RecentMunros& munros;
    const LagMeter& lag;
    Neighbourhood& hood;
    const Substreams& trees;
  };

  explicit Repair(base::Rng rng) : rng_(rng) {}

  // The parent of its tree sent a later one.
  void gap(tree::ChunkIndex index, base::Time now);
  void arrived(tree::ChunkIndex index, Neighbourhood& hood);
  void proved(std::uint64_t munro, Neighbourhood& hood);
  void on_busy(PeerKey from, const Busy& busy, Neighbourhood& hood, base::Time now);
  void forget(PeerKey peer);
  // As often as may be, and at next_gap().
  [[nodiscard]] std::vector<PushOut> tick(const View& view, base::Time now);
  // When the parent is to be told what it sent and is not here.
  [[nodiscard]] base::Time next_gap() const { return next_gap_; }
  // Waits for this chunk from this peer.
  [[nodiscard]] bool asked(tree::ChunkIndex index, PeerKey of) const {
    const auto it = asks_.find({munro_number(index), leaf_of(index), false});
    return it != asks_.end() && it->second.of == of;
  }
  [[nodiscard]] std::size_t outstanding() const { return outstanding_; }
  [[nodiscard]] std::size_t tracked() const { return asks_.size(); }

 private:
  struct Ask {
    std::optional<PeerKey> of;
    base::Time until;                       // it is waited for
    std::optional<base::Time> gap;          // when a later one came
    bool parent_asked = false;
  };
  // A chunk, or the bundle of a munro.
  struct What {
    std::uint64_t munro = 0;
    unsigned leaf = 0;
    bool bundle = false;
    friend auto operator<=>(const What&, const What&) = default;
    [[nodiscard]] tree::ChunkIndex index() const { return chunk_of(munro, leaf); }
  };
  using Asks = absl::btree_map<What, Ask>;   // looked into for each chunk that is missing, with each tick
  using Nacks = std::map<PeerKey, MunroMap>;

  void release(Ask& ask, Neighbourhood& hood);
  [[nodiscard]] bool ripe(const What& what, base::Duration age, const View& view, base::Time now) const;
  void consider(const What& what, bool ripe, const View& view, base::Time now, Nacks& nacks);
  [[nodiscard]] std::optional<PeerKey> holder(const What& what, const View& view, base::Time now) const;
  void ask(const What& what, PeerKey peer, const View& view, base::Time now, Nacks& nacks);
  void drop_old(const View& view, base::Time now);

  base::Rng rng_;
  Asks asks_;
  std::size_t outstanding_ = 0;
  base::Time next_gap_ = base::Time::max();
};

}  // namespace runnel::swarm
