// An engine with its surroundings: clocks, a store of chunks, a place on the virtual network.
#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <vector>

#include "core/swarm/engine.hpp"
#include "core/tree/interval_set.hpp"
#include "sim/audit.hpp"
#include "sim/boast.hpp"
#include "sim/clock.hpp"
#include "sim/crypto_kit.hpp"
#include "sim/simulation.hpp"
#include "sim/truth.hpp"

namespace runnel::sim {

// The one swarm that a simulated node is in.
constexpr swarm::SwarmHandle kSwarm{1};

// What all nodes share. Outlives them.
struct World {
  Simulation& simulation;
  Truth& truth;
  const CryptoKit& crypto;
  Audit& audit;
};

// What an enemy does to the datagrams of its engine that carry chunks.
struct Mangling {
  enum class Where : std::uint8_t { payload, anywhere };
  Where where = Where::payload;
  double share = 1;   // of the datagrams
};

struct NodeConfig {
  bool origin = false;               // seeds a file, or signs a live stream
  HostClock clock;
  bool size_in_link = true;          // files: the link names the content's length
  bool fetch_all = true;
  bool push = false;                 // live
  double load_failures = 0;          // share of the loads that the store fails
  base::Duration load_delay{};       // how long the store takes for a load
  swarm::SetLimits limits;
  std::optional<Mangling> mangling;
  std::optional<Boast> boast;
};

class Node final : public Host {
 public:
  // Takes the place over and joins the swarm.
  Node(World world, Place& place, const NodeConfig& config);
  ~Node() override;

  // Both run inside input(), receive() and wake(), after the engine has said everything; they may call input().
  std::function<void(const swarm::Event&)> on_event;
  std::function<void(tree::ChunkRange)> on_stored;

  void input(const swarm::Input& in);
  void receive(const Packet& packet) override;
  void wake() override;

  // Gone without a word, or with one; not from on_event or on_stored. Counts and chunks stay readable.
  void vanish();
  void leave();
  // The wall clock jumps. The engine hears of it within a second, as it would from a node.
  void jump_wall(base::Duration by) { config_.clock.wall_error += by; }

  [[nodiscard]] bool alive() const { return engine_ != nullptr; }
  // Neither what it has nor what it lacks counts.
  [[nodiscard]] bool enemy() const { return config_.mangling || (config_.boast && config_.boast->gives < 1); }
  [[nodiscard]] bool gives() const { return !config_.limits.no_upload; }
  [[nodiscard]] Place& place() const { return place_; }
  [[nodiscard]] base::Endpoint endpoint() const { return place_.endpoint(); }
  [[nodiscard]] base::WallTime wall() const { return config_.clock.wall(place_.now()); }
  [[nodiscard]] const tree::IntervalSet& held() const { return held_; }
  [[nodiscard]] std::uint64_t stored_bytes() const { return stored_bytes_; }
  // What the engine says, or said last.
  [[nodiscard]] swarm::SwarmState state() const;
  // Asks the engine for its state and lets the audit judge it.
  void inspect();

 private:
  void join();
  void settle();
  void drain(std::vector<swarm::LoadChunks>& loads);
  void answer(const swarm::LoadChunks& load);
  void store(const swarm::StoreChunks& chunks);
  void send(const swarm::SendDatagrams& datagrams);
  [[nodiscard]] bool mangle(base::Bytes& datagram);
  [[nodiscard]] base::Time local_now() const { return config_.clock.local(place_.now()); }

  World world_;
  Place& place_;
  NodeConfig config_;
  base::Rng rng_;
  std::unique_ptr<crypto::Hasher> hasher_;
  std::unique_ptr<crypto::Verifier> verifier_;
  std::unique_ptr<crypto::Signer> signer_;
  swarm::Metadata metadata_;
  TruthNodeStore nodes_;
  std::unique_ptr<swarm::Engine> engine_;
  std::optional<swarm::SwarmState> last_state_;
  tree::IntervalSet held_;
  std::set<base::Endpoint> banned_;
  std::vector<swarm::Event> events_;         // said by the engine, not yet passed on
  std::vector<tree::ChunkRange> stored_;
  std::uint64_t stored_bytes_ = 0;
  base::Time next_wall_;
};

}  // namespace runnel::sim
