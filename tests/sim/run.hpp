// One run of a scenario: the nodes come and go, things go wrong, and a report comes out.
#pragma once
#include <cstdint>
#include <memory>
#include <vector>

#include "sim/audit.hpp"
#include "sim/crowd.hpp"
#include "sim/enemy.hpp"
#include "sim/push_timeline.hpp"
#include "sim/push_watch.hpp"
#include "sim/report.hpp"
#include "sim/scenario.hpp"
#include "sim/simulation.hpp"
#include "sim/workload.hpp"

namespace runnel::sim {

class Run {
 public:
  // What comes out is the same however many threads.
  Run(Scenario scenario, std::uint64_t seed, unsigned threads = 1);
  Run(const Run&) = delete;
  Run& operator=(const Run&) = delete;

  [[nodiscard]] Simulation& simulation() { return simulation_; }
  [[nodiscard]] const Truth& truth() const { return workload_->truth(); }
  // Tells each second how push goes. `out` outlives the run.
  void tell_timeline(std::ostream& out) { timeline_.emplace(out); }
  // To the end of the scenario. Once.
  [[nodiscard]] Report go();

 private:
  void start_source(Place& place);
  void add_viewer();
  void expect(std::uint32_t viewers, base::Duration at, base::Duration over);
  void schedule_departure(Viewer& viewer);
  void depart(Viewer& viewer, bool silent);
  void happen(const ScenarioEvent& event);
  void restart_source(const ScenarioEvent& event);
  void ask_tracker(Node& node);
  void add_enemies();
  void tell_enemies(const Node& node);
  void inspect();
  // What all honest viewers, the source and the wire have seen so far.
  struct Totals {
    std::uint64_t wire_bytes = 0, control_bytes = 0, useful_bytes = 0, verified = 0, duplicates = 0, source_bytes = 0, stream_bytes = 0,
                  payload_bytes = 0;
    std::array<std::uint64_t, kWireUses.size()> bytes_of{};
  };
  [[nodiscard]] Totals totals() const;
  void measure(Report& report) const;
  // Of the viewers who are there and whose lines have a limit, in stream rates.
  [[nodiscard]] std::optional<double> mean_uplink() const;
  // A share of those who are there, at random.
  [[nodiscard]] std::vector<Viewer*> some(double share);
  [[nodiscard]] NodeConfig config_for_viewer();
  [[nodiscard]] HostClock clock();
  [[nodiscard]] base::Time end() const { return base::Time{scenario_.duration}; }

  Scenario scenario_;
  std::uint64_t seed_;
  Simulation simulation_;
  base::Rng rng_;
  CryptoKit crypto_;
  std::unique_ptr<Workload> workload_;
  Audit audit_;
  Crowd tracker_;
  World world_;
  std::vector<std::unique_ptr<Node>> sources_;   // the last one is it
  Viewers viewers_;
  std::vector<std::size_t> line_of_;             // class of the n-th viewer's line: shuffled, so that the shares are met
  std::vector<bool> polluters_;                  // the same for enemies
  std::vector<bool> takers_;
  std::vector<bool> boasters_;
  std::vector<std::unique_ptr<Enemy>> enemies_;
  PushWatch push_watch_;
  std::optional<PushTimeline> timeline_;
  Totals at_measure_from_;                       // live
  std::optional<double> uplink_left_;            // live: mean_uplink() when some were last gone at once
  std::uint32_t expected_ = 0;                   // viewers that will have come by the plan
};

}  // namespace runnel::sim
