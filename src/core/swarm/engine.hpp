// The protocol as a pure machine: datagrams, commands and the time go in; datagrams, store operations and events come out.
#pragma once
#include <optional>
#include <unordered_map>

#include "base/rng.hpp"
#include "base/time.hpp"
#include "core/swarm/channel_table.hpp"
#include "core/swarm/io.hpp"
#include "core/swarm/outbox.hpp"
#include "core/swarm/swarm.hpp"
#include "core/swarm/tick_schedule.hpp"
#include "crypto/secret_rng.hpp"

namespace runnel::swarm {

// All swarms of one node on one UDP socket. One owner, not thread-safe. Call handle(), then poll() until it gives nothing,
// before the next handle(); when next_deadline() has passed, poll() even without input.
class Engine {
 public:
  // `rng` decides policy, `secrets` what outsiders must not guess.
  Engine(base::Rng rng, crypto::SecretRng secrets, base::Time now);

  void handle(const Input& input, base::Time now);
  // Views in an output live until the next handle().
  std::optional<Output> poll(base::Time now);
  [[nodiscard]] std::optional<base::Time> next_deadline() const;

  // For display. nullopt: no such swarm.
  [[nodiscard]] std::optional<SwarmState> state(SwarmHandle swarm, base::Time now) const;
  // Live: the oldest chunk that a neighbour shows and that is still missing; nullopt: none.
  [[nodiscard]] std::optional<tree::ChunkIndex> first_missing(SwarmHandle swarm) const;
  // Live: when the munro of this chunk was signed, by its time stamp; nullopt: it is not known.
  [[nodiscard]] std::optional<base::WallTime> signed_at(SwarmHandle swarm, tree::ChunkIndex index) const;

 private:
  void on_input(const DatagramsIn& in);
  void on_input(const CallFailed& in);
  void on_input(const ChunksLoaded& in);
  void on_input(const AddSwarm& in);
  void on_input(const RemoveSwarm& in);
  void on_input(const AddPeers& in);
  void on_input(const Want& in);
  void on_input(const Unwant& in);
  void on_input(const Publish& in);
  void on_input(const FollowFrom& in);
  void on_input(const NewBeginning& in);
  void on_input(const SetLimits& in);
  void on_input(const ForgetChunks& in);
  void on_input(const WallClock& in);
  void on_datagram(const DatagramIn& in);
  [[nodiscard]] Swarm* find(SwarmHandle swarm) const;
  // fn(Swarm&), if there is such a swarm.
  template <class Fn>
  void with(SwarmHandle handle, Fn fn) {
    Swarm* const swarm = find(handle);
    if (swarm == nullptr) return;
    fn(*swarm);
    schedule(*swarm);
  }
  // After whatever it did.
  void schedule(const Swarm& swarm) { ticks_.set(swarm.handle(), swarm.next_tick()); }

  base::Rng rng_;
  Outbox outbox_;
  ChannelTable channels_;
  LoadTable loads_;
  TokenBucket upload_;
  TokenBucket download_;
  SealedPlaces sealed_places_;
  Context context_;
  std::unordered_map<SwarmHandle, std::unique_ptr<Swarm>> swarms_;
  TickSchedule ticks_;
  std::vector<SwarmHandle> due_;                    // scratch of poll()
  std::unordered_map<std::string, Swarm*> by_id_;   // wire form of the swarm id
  std::vector<Swarm*> touched_;                     // by the input at hand, or by one that was to be followed at once
};

}  // namespace runnel::swarm
