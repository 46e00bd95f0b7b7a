// Push in one live swarm: brings together who is around, the trees, what is missing and what waits to be sent. Only routes and keeps
// time; each part decides for itself.
#pragma once
#include <algorithm>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "base/rng.hpp"
#include "base/time.hpp"
#include "core/swarm/lag_meter.hpp"
#include "core/swarm/neighbourhood.hpp"
#include "core/swarm/pacer.hpp"
#include "core/swarm/push_queue.hpp"
#include "core/swarm/recent_munros.hpp"
#include "core/swarm/repair.hpp"
#include "core/swarm/sent_lately.hpp"
#include "core/swarm/substreams.hpp"
#include "core/swarm/uplink.hpp"
#include "core/swarm/uplink_probe.hpp"
#include "core/swarm/welcome.hpp"
#include "core/swarm/witnesses.hpp"

namespace runnel::swarm {

class Push {
 public:
  struct Setup {
    NodeTag self;
    bool source = false;
    std::uint32_t chunk_bytes = 0;   // of a full one on the wire, headers of IP and UDP included
    std::size_t train_size = Train::kHead;   // of the value that makes a datagram as large
  };
  Push(const Setup& setup, base::Rng rng, base::Time now);

  // ---- neighbours ----
  void add_peer(PeerKey peer, NodeTag tag, base::Time now);
  void remove_peer(PeerKey peer);
  // Tells one whom we just met what it may begin with: from `beginning` on, if that is known. `newcomer`: it has met nearly nobody.
  void greet(PeerKey peer, std::optional<std::uint64_t> beginning, bool newcomer, base::Time now);
  [[nodiscard]] bool knows(PeerKey peer) const { return hood_.find(peer) != nullptr; }
  // One of us has a use for the other: it feeds or is fed, or tells how it stands because it chose to.
  [[nodiscard]] bool engaged(PeerKey peer, base::Time now) const;
  void heard(PeerKey peer, base::Time now) { hood_.heard(peer, now); }
  void timed(PeerKey peer, std::uint32_t delay_us) { hood_.timed(peer, delay_us); }
  // The newest munro when we first knew of one.
  void begin_at(std::uint64_t munro) {
    if (!met_at_) met_at_ = munro;
  }
  // What it holds. Returns what of it is news.
  MunroMap on_have(PeerKey from, const MunroMap& map, base::Time now);
  // Anything but that, and a bundle, which is verified first.
  void on_message(PeerKey from, const PushMessage& message, base::Time now);

  // It asks by pull for what we hold: that waits for its turn behind all else, or is refused.
  void on_request(PeerKey from, tree::ChunkRange held, base::Time now);
  void on_cancel(PeerKey from, tree::ChunkRange range);
  // What it would cost to have the next so many chunks from it by pull, of which so many others are waited for: seconds, for each.
  [[nodiscard]] double pull_price(PeerKey peer, std::uint64_t outstanding, std::uint64_t chunks) const;
  // So many chunks may be waited for from it at a time. A newcomer's first answers come from who is near, not from who has time.
  [[nodiscard]] std::uint64_t most_pulled(PeerKey peer, base::Time now) const;
  // It said that it is busy, and is left alone for now.
  [[nodiscard]] bool busy(PeerKey peer, base::Time now) const;

  // ---- chunks ----
  // Verified; `from`: nobody at the source.
  void on_chunk(tree::ChunkIndex index, std::optional<PeerKey> from, base::Time now);
  // Came from a peer, whether verified, held or known: it holds it. `answer`: to a REQUEST of ours.
  void on_data(tree::ChunkIndex index, PeerKey from, bool answer, base::Time now);
  // The bundle of a munro with so many chunks is known.
  void on_proved(std::uint64_t munro, unsigned used, std::optional<PeerKey> from, base::Time now);
  // A bundle came, known before or not.
  void on_bundle(std::uint64_t munro, PeerKey from, base::Time now);
  // It says so by HAVE.
  void on_have_range(PeerKey from, tree::ChunkRange range, base::Time now);
  // Push will see to it, so it need not be pulled yet.
  [[nodiscard]] bool covers(tree::ChunkIndex index, base::Time now) const;

  // ---- time ----
  // `limit`: the user's, bytes per second; 0: none.
  void set_upload(bool allowed, std::uint64_t limit) {
    upload_ = allowed;
    uplink_.set_limit(limit);
  }
  void tick(base::Time now);
  [[nodiscard]] base::Time next_deadline() const;
  [[nodiscard]] std::vector<PushOut> take_out();
  // What may leave now; the pacer counts it as sent.
  [[nodiscard]] std::optional<Send> next_send(base::Time now);
  // The user's limit is used up.
  void wait_until(base::Time when) { pacer_.wait_until(when); }
  // Who does not push asks by pull, and comes last as well: how many chunks of theirs may leave now. When none, they wait for
  // next_deadline().
  [[nodiscard]] std::uint64_t room_for_others(base::Time now);
  // Whether that time has come; whoever still finds no room waits anew.
  [[nodiscard]] bool take_turn_of_others(base::Time now) { return has_time(now) && std::exchange(others_wait_, false); }
  // What one of them says of the way to it: its clock less ours, us.
  void timed_other(PeerKey peer, std::uint32_t delay_us, base::Time now) { uplink_.on_delay(peer, delay_us, now); }
  // So many chunks of theirs are about to leave.
  void charge_others(std::uint64_t chunks, base::Time now) { charge(chunks * setup_.chunk_bytes, now); }
  // All that the node has put on the wire so far: what was not pushed takes its part of the uplink as well.
  void on_wire(std::uint64_t total, base::Time now);

  [[nodiscard]] const Substreams& trees() const { return trees_; }
  [[nodiscard]] const Neighbourhood& hood() const { return hood_; }
  [[nodiscard]] const Uplink& uplink() const { return uplink_; }
  [[nodiscard]] double stream_rate() const { return rate_.bytes_per_second(); }
  [[nodiscard]] PushState state(base::Time now) const;

 private:
  void on_nack(PeerKey from, const Nack& nack, base::Time now);
  void on_advert(PeerKey from, const Advert& advert, base::Time now);
  void note(std::uint64_t munro, base::Time now);
  void find_gaps(tree::ChunkIndex index, base::Time now);
  void repair(base::Time now);
  void queue(SendClass what, tree::ChunkIndex index, PeerKey to, base::Time now);
  void update_means(base::Time now);
  void probe_uplink(base::Time now);
  [[nodiscard]] base::Duration measure_later();
  void send_advert(PeerKey to, Neighbour& neighbour, const Advert& advert, base::Time now);
  void send_adverts(base::Time now);
  void send_haves(base::Time now);
  void send_roots(base::Time now);
  [[nodiscard]] Advert advert(base::Time now) const;
  [[nodiscard]] base::Duration floor() const;
  [[nodiscard]] base::Duration backlog() const;
  [[nodiscard]] base::Duration waits() const;
  [[nodiscard]] base::Duration waits_for_pull() const;   // what is spare waits as well
  [[nodiscard]] bool feeds(std::size_t tree, PeerKey peer) const;
  void refuse(PeerKey to, base::Duration waits, MunroMap what);
  // Of its uplink, what it has for pull: chunks per second.
  [[nodiscard]] double spare(const Neighbour& neighbour) const;
  // A chunk that a newcomer begins with. False: others may have it sooner.
  [[nodiscard]] bool welcome(Neighbour& newcomer, PeerKey peer, tree::ChunkIndex index, base::Time now);
  [[nodiscard]] double chunk_pace() const { return pace() / setup_.chunk_bytes; }
  [[nodiscard]] double pace() const;
  void charge(std::uint64_t bytes, base::Time now);
  [[nodiscard]] bool has_time(base::Time now) const;
  [[nodiscard]] bool more_waits() const { return !queue_.empty() || others_wait_; }

  Setup setup_;
  base::Rng rng_;
  base::Time started_;
  bool upload_ = true;
  RecentMunros munros_;
  LagMeter lag_;
  StreamRate rate_;
  Neighbourhood hood_;
  Substreams trees_;
  Repair repair_;
  Uplink uplink_;
  UplinkProbe probe_;
  TrainMeter trains_met_;
  Witnesses witnesses_;           // the source's
  PushQueue queue_;
  SentLately sent_;
  std::optional<std::uint64_t> met_at_;
  Pacer pacer_;
  bool others_wait_ = false;      // for the pacer
  std::uint64_t on_wire_ = 0;
  std::uint64_t charged_ = 0;     // of what will show in on_wire(), what the pacer has counted
  bool newcomers_wait_ = false;   // for places in trees, which those who watch keep
  std::optional<base::Duration> line_queue_;   // as it was looked at last
  base::Time next_look_;
  base::Time next_tick_;
  base::Time next_have_;
  base::Time next_roots_;
  base::Duration mean_backlog_{}; // of about half a second: one burst must not send children away
  unsigned haves_ = 0;            // rounds of them
  base::Time next_choice_;
  Welcome welcome_;
  base::Time next_means_;
  base::Time next_measure_;
  std::vector<PushOut> out_;
  std::uint64_t nacks_ = 0;       // chunks and bundles that were asked for
  std::uint64_t busy_ = 0;        // of them, refused
};

}  // namespace runnel::swarm
