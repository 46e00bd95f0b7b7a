// How wide our line is, before anything depends on it: some datagrams leave at once, and whoever gets them tells how far they came
// apart (packet trains: Jain and Dovrolis 2003, without their search for what is free).
#pragma once
#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "base/time.hpp"
#include "core/swarm/neighbourhood.hpp"
#include "core/swarm/push_messages.hpp"
#include "core/swarm/push_trees.hpp"

namespace runnel::swarm {

// Sends trains, one after the other, each to another neighbour if there are several: longer ones as long as the first of a length is
// swallowed too quickly to be timed; then some more of that length, of which the middle answer counts, since one neighbour may lie or
// be narrow itself.
class UplinkProbe {
 public:
  static constexpr std::array<std::uint8_t, 3> kLengths{8, 32, 64};   // datagrams
  static constexpr base::Duration kTimed{30'000};      // clocks, jitter and batches of reading spoil some milliseconds
  static constexpr std::size_t kAnswers = 3;
  static constexpr unsigned kMaxTrains = 12;
  static constexpr base::Duration kPatience = std::chrono::seconds{1};
  static constexpr base::Duration kPause = std::chrono::seconds{1};   // once one has told: others need the line, at first above all
  struct Departure {
    PeerKey to;
    Train train;
  };

  // `datagram_bytes`: each one's on the wire; `value_size`: of its message.
  UplinkProbe(std::uint32_t datagram_bytes, std::size_t value_size) : datagram_bytes_(datagram_bytes), value_size_(value_size) {}

  // One train more, after all: its answer takes the place of the oldest.
  void again() { again_ = !answers_.empty(); }
  // A train to send now: all of its datagrams at once, past every pacer.
  [[nodiscard]] std::optional<Departure> tick(const Neighbourhood& hood, base::Time now);
  // True when rate() is news.
  bool on_spread(PeerKey from, const Spread& spread, base::Time now);
  // Bytes per second on the wire; nullopt until the first answer.
  [[nodiscard]] std::optional<double> rate() const;
  // The line is at least so wide, and may be wider.
  [[nodiscard]] bool at_least() const;

 private:
  struct UnderWay {
    PeerKey to;
    std::uint16_t number = 0;
    base::Time sent;
  };
  std::uint32_t datagram_bytes_;
  std::size_t value_size_;
  std::size_t length_ = 0;            // of kLengths
  std::uint16_t trains_ = 0;
  bool again_ = false;
  std::optional<PeerKey> last_to_;
  base::Time next_;
  std::optional<UnderWay> under_way_;
  std::optional<double> shorter_;     // what a shorter train told
  std::vector<double> answers_;       // of this length
};

// The other side: times what comes of trains, one of each peer at a time.
class TrainMeter {
 public:
  static constexpr std::size_t kMaxPeers = 64;
  static constexpr base::Duration kQuiet{150'000};     // that a train has ended though datagrams of it are missing
  static constexpr base::Duration kInterval{200'000};  // between answers to one peer

  void on_train(PeerKey from, const Train& train, base::Time now);
  void forget(PeerKey peer) { under_way_.erase(peer); }
  // Answers that are due.
  [[nodiscard]] std::vector<std::pair<PeerKey, Spread>> tick(base::Time now);

 private:
  struct UnderWay {
    Train train;
    std::uint8_t came = 0;
    base::Time first;
    base::Time last;
    std::optional<base::Time> answered;
    // Nothing is to be told of it, and another answer might leave: a source meets more peers than it has room for.
    [[nodiscard]] bool done(base::Time now) const { return came == 0 && (!answered || now - *answered >= kInterval); }
  };
  std::map<PeerKey, UnderWay> under_way_;
};

}  // namespace runnel::swarm
