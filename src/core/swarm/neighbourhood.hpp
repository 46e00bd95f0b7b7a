// Who is around: what neighbours advertise and hold, how far they are, and whom we tell what.
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include <boost/circular_buffer.hpp>
#include <boost/unordered/unordered_flat_map.hpp>

#include "base/rng.hpp"
#include "base/time.hpp"
#include "core/swarm/push_messages.hpp"
#include "core/swarm/push_trees.hpp"

namespace runnel::swarm {

// The chunks that a neighbour showed, of its newest munros.
class HaveView {
 public:
  static constexpr std::size_t kMaxMunros = 96;

  // Returns what of it was not known: maps tell the same thing several times.
  MunroMap add(const MunroMap& map);
  void add(tree::ChunkIndex index);
  [[nodiscard]] bool has(tree::ChunkIndex index) const;
  // Any chunk of it: then its bundle is there as well.
  [[nodiscard]] bool has_any(std::uint64_t munro) const { return chunks(munro) != 0; }
  [[nodiscard]] std::size_t size() const { return munros_.size(); }

 private:
  struct Shown {
    std::uint64_t munro = 0;
    std::uint32_t chunks = 0;
  };
  std::uint32_t put(std::uint64_t munro, std::uint32_t chunks);
  [[nodiscard]] std::uint32_t chunks(std::uint64_t munro) const;
  boost::circular_buffer<Shown> munros_{kMaxMunros};   // in order; looked into for each chunk that is missing, at all neighbours
};

struct Neighbour {
  static constexpr unsigned kMaxFailures = 5;
  static constexpr double kMaxCredit = 64;
  static constexpr double kCreditPerSecond = 64;

  NodeTag tag;
  base::Time met;
  base::Time heard;                        // anything
  std::optional<Advert> advert;
  base::Time advert_at;
  base::Time told;                         // when we last sent it one
  std::optional<base::Duration> rtt;
  HaveView have;
  base::Time have_at;
  bool close = false;                      // one of those that hear our adverts
  base::Time close_since;
  bool mute = false;                       // answered none of them: perhaps gone without a word
  bool partner = false;                    // one of those that hear what we hold
  // The greatest since we last told it of its datagrams with a time stamp, its sending to our receiving, modulo 2^32: bursts show there.
  std::optional<std::uint32_t> delay_us;
  unsigned welcomed = 0;                   // chunks that it was given ahead of all others
  // Repair.
  std::size_t asked = 0;                   // chunks outstanding
  base::Time busy_until;
  unsigned failures = 0;                   // asked in vain, in a row, as far as it matters
  double credit = kMaxCredit;              // chunks that it may ask for at once
  base::Time credit_at;

  [[nodiscard]] base::Duration delay() const;      // one way
  [[nodiscard]] base::Duration queue() const;
  [[nodiscard]] bool fed(std::size_t tree) const { return advert && advert->lag[tree] != Advert::kNotFed; }
  [[nodiscard]] base::Duration lag(std::size_t tree) const { return Advert::kLagUnit * static_cast<int>(advert->lag[tree]); }
  // Passes on what it gets, as far as is known.
  [[nodiscard]] bool gives() const { return !advert || advert->uplink != 0; }
  // As it says: nobody else is not behind the source.
  [[nodiscard]] bool is_source() const { return advert && advert->lag[0] == 0; }
  // One chunk is repaired for it. False: it has had as many as is good.
  [[nodiscard]] bool take_credit(base::Time now);
  [[nodiscard]] bool newcomer(base::Time now) const;   // we met it lately
};

class Neighbourhood {
 public:
  static constexpr std::size_t kMaxNeighbours = 256;   // a source may have more channels: those are for pull
  static constexpr std::size_t kNearest = 8;
  static constexpr std::size_t kStrongest = 8;
  static constexpr std::size_t kRandom = 8;
  static constexpr std::size_t kNearPartners = 3;
  static constexpr std::size_t kPartners = 6;
  static constexpr base::Duration kHaveInterval{200'000};
  static constexpr base::Duration kAdvertInterval{400'000};
  static constexpr base::Duration kNewcomer = std::chrono::seconds{3};   // is told what everybody holds so long, and tunes in by pull
  static constexpr base::Duration kCourtesy = std::chrono::seconds{2};   // who tells us something and is not close is answered so often
  static constexpr base::Duration kMute = std::chrono::seconds{6};
  static constexpr base::Duration kSilence{440'000};                     // 2.2 HAVE intervals (live-model.md)
  using Table = std::map<PeerKey, Neighbour>;

  explicit Neighbourhood(base::Rng rng) : rng_(rng) {}
  Neighbourhood(Neighbourhood&&) = default;   // not copied: each neighbour's place is known to the index
  Neighbourhood& operator=(Neighbourhood&&) = default;

  // False when there are too many.
  bool add(PeerKey peer, NodeTag tag, base::Time now);
  void remove(PeerKey peer) {
    index_.erase(peer);
    neighbours_.erase(peer);
  }
  [[nodiscard]] Neighbour* find(PeerKey peer);
  [[nodiscard]] const Neighbour* find(PeerKey peer) const;
  [[nodiscard]] std::optional<PeerKey> find_tag(NodeTag tag) const;
  [[nodiscard]] Table& all() { return neighbours_; }
  [[nodiscard]] const Table& all() const { return neighbours_; }

  void heard(PeerKey peer, base::Time now);
  // We did nothing for so long, as a machine with too much to do has it: nobody was silent meanwhile.
  void excuse(base::Duration away, base::Time now);
  // Of a datagram that came just now and said when it was sent.
  void timed(PeerKey peer, std::uint32_t delay_us);
  void on_advert(PeerKey peer, const Advert& advert, base::Time now);
  // Returns what of it is news.
  MunroMap on_have(PeerKey peer, const MunroMap& map, base::Time now);
  // Alive, as far as can be told.
  [[nodiscard]] static bool alive(const Neighbour& neighbour, base::Time now) { return now - neighbour.heard <= kSilence; }
  // Chooses anew who is close and who a partner, and drops nobody who fits and answers.
  void choose(base::Time now);

 private:
  base::Rng rng_;
  Table neighbours_;
  boost::unordered_flat_map<PeerKey, Neighbour*, std::hash<PeerKey>> index_;   // of these: each datagram is somebody's
};

// Of a clock: adverts carry so much of it.
constexpr std::uint32_t low_us(base::Time t) { return static_cast<std::uint32_t>(t.time_since_epoch().count()); }

}  // namespace runnel::swarm
