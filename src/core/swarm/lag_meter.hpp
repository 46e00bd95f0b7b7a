// How late the chunks of each tree come, and how much a second of the stream takes on the wire.
#pragma once
#include <array>
#include <cstdint>
#include <deque>

#include "base/time.hpp"
#include "core/swarm/push_messages.hpp"
#include "core/swarm/push_trees.hpp"

namespace runnel::swarm {

// Counted from when we first heard of a munro, by bundle, chunk or others' word: nobody's clock is compared with another's.
class LagMeter {
 public:
  void arrived(std::size_t tree, base::Duration age);
  [[nodiscard]] base::Duration mean(std::size_t tree) const { return trees_[tree].mean; }
  [[nodiscard]] base::Duration deviation(std::size_t tree) const { return trees_[tree].deviation; }
  // Older than most of what came in this tree, than almost all of it, and so old that even in disorder it should have come.
  [[nodiscard]] bool late(std::size_t tree, base::Duration age) const { return age > limit(tree, 1); }
  [[nodiscard]] bool overdue(std::size_t tree, base::Duration age) const { return age > limit(tree, 4); }
  [[nodiscard]] bool past_hope(std::size_t tree, base::Duration age) const { return age > latest(tree); }

 private:
  static constexpr base::Duration kGrace{30'000};      // live-model.md: repair past lag + 4 dev + 30 ms
  static constexpr base::Duration kUnknown{250'000};   // instead, where nothing ever came
  [[nodiscard]] base::Duration limit(std::size_t tree, int deviations) const;
  [[nodiscard]] base::Duration latest(std::size_t tree) const;
  struct TreeLag {
    base::Duration mean{};
    base::Duration deviation{20'000};   // until known
    bool known = false;
  };
  std::array<TreeLag, kTrees> trees_;
};

// Bytes per second of the stream on the wire, from the chunks that bundles name.
class StreamRate {
 public:
  static constexpr base::Duration kSpan = std::chrono::seconds{4};   // a few groups of pictures
  static constexpr std::size_t kMaxMunros = 1024;
  explicit StreamRate(std::uint32_t chunk_bytes) : chunk_bytes_(chunk_bytes) {}

  // A bundle came; only those that are newer than all before count.
  void munro(std::uint64_t number, unsigned used, base::Time now);
  // Until that is known: what somebody shows of the last seconds, chunk by chunk.
  void hearsay(const MunroMap& map);
  // 0 until known.
  [[nodiscard]] double bytes_per_second() const { return rate_; }
  // How far apart the chunks of one tree are, on the mean.
  [[nodiscard]] base::Duration spacing() const;

 private:
  struct Entry {
    base::Time at;
    unsigned used = 0;
  };
  std::uint32_t chunk_bytes_;
  std::deque<Entry> entries_;
  std::uint64_t newest_ = 0;
  std::uint64_t chunks_ = 0;
  double rate_ = 0;
};

}  // namespace runnel::swarm
