// What our line carries upward, found out by using it.
#pragma once
#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>

#include "base/time.hpp"
#include "core/swarm/push_trees.hpp"

namespace runnel::swarm {

// Bytes per second. Begins at a guess; grows while the line is used to the estimate and no queue shows, and falls to what the line has
// carried when one does. The queue is what the receiver in the middle sees: what few see grow is their own, and those who came while it
// was there do not see it at all.
class Uplink {
 public:
  // design.md: grows below, and falls past. Beyond what two chunks take on the line, which are no queue: at 600 kb/s 30 ms.
  static constexpr base::Duration kCalm{15'000};
  static constexpr base::Duration kCongested{30'000};
  static constexpr base::Duration kLong{60'000};       // no burst's doing: it is to go away
  static constexpr std::size_t kMaxPeers = 256;

  // `chunk_bytes`: of a full one on the wire.
  explicit Uplink(std::uint32_t chunk_bytes) : chunk_bytes_(chunk_bytes) {}

  // Nothing is measured before the stream's rate is known. The guess may be far off: steps are large until a queue shows. `least`: below
  // that the line is not believed to be, whatever others say of it.
  void begin(double bytes_per_second, double least, base::Time now);
  [[nodiscard]] bool begun() const { return rate_ > 0; }
  // What the line was found to carry, or to carry at least. Use does not raise the estimate beyond what was found: past it there
  // are queues long before they show.
  void measured(double bytes_per_second, bool at_least, base::Time now);
  // What was found is no longer true, by what use says: it is to be measured again.
  [[nodiscard]] bool doubts_measure() const;
  [[nodiscard]] double rate() const { return std::min(rate_, limit_); }
  // What may leave for now: less while a queue is to go away.
  [[nodiscard]] double pace() const { return std::min(draining_ && !contended_ ? kDrain * rate_ : rate_, limit_); }
  // Something else fills the line, and does not give way: the queue stays however little we send.
  [[nodiscard]] bool contended() const { return contended_; }
  // The user's; 0: none.
  void set_limit(std::uint64_t bytes_per_second) { limit_ = bytes_per_second == 0 ? kNoLimit : static_cast<double>(bytes_per_second); }
  [[nodiscard]] bool limited() const { return limit_ != kNoLimit; }
  [[nodiscard]] bool starting() const { return starting_; }
  // On the wire, whatever it was.
  void sent(std::uint64_t bytes) { window_bytes_ += bytes; }
  // Something had to wait for its turn.
  void waited() { window_waited_ = true; }
  // A peer's sample, its clock less ours, us modulo 2^32.
  void on_delay(PeerKey peer, std::uint32_t sample_us, base::Time now);
  void forget(PeerKey peer) { peers_.erase(peer); }
  void tick(base::Time now);
  // Of more than what two chunks take. nullopt: nobody told lately.
  [[nodiscard]] std::optional<base::Duration> queue(base::Time now) const;

 private:
  static constexpr double kNoLimit = std::numeric_limits<double>::infinity();
  static constexpr base::Duration kWindow{200'000};
  static constexpr std::size_t kWindows = 5;
  static constexpr double kDrain = 0.7;
  static constexpr double kGivenWay = 0.3;    // of what was measured: a queue that stays while we take no more is not ours
  static constexpr double kShare = 0.5;       // of what was measured, beside what fills the line
  static constexpr base::Duration kFresh{450'000};     // adverts come every 400 ms
  static constexpr base::Duration kHalf = std::chrono::seconds{30};
  struct Peer {
    std::uint32_t first = 0;
    base::Duration before{};
    base::Duration least{};
    base::Duration now{};
    base::Time half_started;
    base::Time at;
    bool sees = true;   // a queue, when there is one: not who came while there was
  };
  struct Window {
    double bytes_per_second = 0;
    base::Duration queue{};
    bool used = false;                   // to the full, and more would have been sent
  };
  struct GivingWay {
    base::Time since;
    base::Duration queue;   // then
    double rate = 0;
  };
  [[nodiscard]] bool calm(base::Time now) const;
  [[nodiscard]] base::Duration two_chunks() const;
  [[nodiscard]] bool contend(base::Time now);
  void grow();
  void fall(base::Duration queue);

  std::uint32_t chunk_bytes_;
  double rate_ = 0;
  double limit_ = kNoLimit;
  double least_ = 0;
  std::optional<double> measured_;
  bool starting_ = true;
  bool held_back_ = false;               // it could carry more than was measured
  std::map<PeerKey, Peer> peers_;
  base::Time window_started_;
  std::uint64_t window_bytes_ = 0;
  bool window_waited_ = false;
  std::array<Window, kWindows> windows_{};   // the last second
  std::size_t window_ = 0;
  bool draining_ = false;
  bool contended_ = false;
  std::optional<GivingWay> gave_way_;
  base::Duration fullest_{};             // the longest queue since there was none, until it contends
  base::Time contend_again_;             // not before: it was no contention
  base::Duration fell_at_{};             // the queue at the last fall
  base::Time fell_;                      // when it last did
  base::Time last_growth_;
};

}  // namespace runnel::swarm
