// One direction of a line: what becomes of each packet that is put on it. A queue that drains at a rate and drops at its tail,
// then delay, jitter, loss, duplicates and reordering. Pure: time and randomness come from outside, packets are only sizes here.
#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>

#include "base/rng.hpp"
#include "netlab/time.hpp"

namespace runnel::netlab {

// Loss in bursts (Gilbert and Elliott): a line is good or bad, and changes with each packet by these chances. A bad time lasts
// 1 / leave packets in the mean.
struct BurstSettings {
  double enter = 0;
  double leave = 0.3;
  double loss = 0.5;  // while bad, instead of LinkSettings::loss
  friend bool operator==(const BurstSettings&, const BurstSettings&) = default;
};

struct LinkSettings {
  double rate_bits_per_s = 0;                           // 0: no limit, and so no queue
  std::uint64_t queue_bytes = 0;                        // 0: what drains in queue_time
  Duration queue_time = std::chrono::milliseconds{100};
  Duration min_delay{};                                 // a link has a delay of its own between these two
  Duration max_delay{};
  Duration jitter{};                                    // added, uniform from 0 to this; packets keep their order
  double loss = 0;                                      // after the queue: what is lost has taken its time on the line
  BurstSettings burst;
  double duplicate = 0;
  double reorder = 0;                                   // this share is held back by reorder_delay while the others pass
  Duration reorder_delay = std::chrono::milliseconds{5};
  friend bool operator==(const LinkSettings&, const LinkSettings&) = default;

  // Whether a packet may leave otherwise than at once.
  [[nodiscard]] bool does_anything() const { return *this != LinkSettings{}; }
};

enum class Fate : std::uint8_t { passes, queue_full, lost, lost_in_burst };

struct Passage {
  Fate fate = Fate::passes;
  Time due;                            // when it comes out at the other end, if it passes
  std::optional<Time> duplicate_due;   // and once more
};

struct LinkCounters {
  std::uint64_t packets = 0;           // that passed, duplicates not counted
  std::uint64_t bytes = 0;
  std::uint64_t queue_full = 0;
  std::uint64_t lost = 0;
  std::uint64_t lost_in_burst = 0;
  std::uint64_t reordered = 0;
  std::uint64_t duplicated = 0;
  Duration queue_wait_total{};         // of those that the queue took, lost later or not
  Duration queue_wait_max{};
};

class Link {
 public:
  // `place` in [0, 1): where between min_delay and max_delay this link lies.
  Link(const LinkSettings& settings, base::Rng rng, double place) : settings_(settings), rng_(rng), place_(place) {}

  // A packet of `size_bytes` (IP header included) is put on the line. Times of successive calls do not decrease.
  [[nodiscard]] Passage offer(Time now, std::size_t size_bytes);
  // For packets to come; what is on its way keeps the time it was given.
  void set(const LinkSettings& settings) { settings_ = settings; }

  [[nodiscard]] const LinkSettings& settings() const { return settings_; }
  [[nodiscard]] const LinkCounters& counters() const { return counters_; }
  [[nodiscard]] Duration delay() const;
  // What may wait at the present rate.
  [[nodiscard]] double queue_limit_bytes() const;

 private:
  // When the last bit has left; nullopt: no room in the queue.
  [[nodiscard]] std::optional<Time> through_queue(Time now, std::size_t size_bytes);
  [[nodiscard]] Fate draw_loss();
  [[nodiscard]] Time draw_arrival(Time departure);

  LinkSettings settings_;
  base::Rng rng_;
  double place_;
  Time free_;          // when what is queued will have left
  Time last_arrival_;  // nothing that keeps its order comes earlier
  bool bad_ = false;
  LinkCounters counters_;
};

}  // namespace runnel::netlab
