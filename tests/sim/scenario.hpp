// A scenario: what is shared, by whom, over what network, what goes wrong and what must come of it. Read from TOML; the keys are
// described in tests/sim/README.md.
#pragma once
#include <cstdint>
#include <expected>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/time.hpp"
#include "core/swarm/metadata.hpp"
#include "sim/crypto_kit.hpp"
#include "sim/enemy.hpp"
#include "sim/network.hpp"
#include "sim/node.hpp"

namespace runnel::sim {

struct FileContent {
  std::uint64_t bytes = 5'000'000;
  std::uint32_t chunk_size = swarm::kDefaultChunkSize;
  bool size_in_link = true;
};
struct LiveContentModel {
  std::uint64_t bits_per_second = 2'400'000;
  base::Duration record{66'000};
  base::Duration keyframe_interval = std::chrono::seconds{1};
  double keyframe_factor = 4;            // an independent record is so much larger than the others
  std::uint32_t chunk_size = swarm::kDefaultChunkSize;
  base::Duration window = std::chrono::seconds{60};
  bool push = false;                     // else by pull alone
  base::Duration measure_from{};         // delays and times of what was published earlier do not count
};

struct Joins {
  base::Duration at = std::chrono::seconds{1};
  base::Duration over{};                 // each viewer comes at a time of its own in so long
  bool tracker = true;                   // others are named at joining; without it PEX has to find them
};

// More viewers, later, all at once.
struct Wave {
  std::uint32_t peers = 0;
  base::Duration at{};
  base::Duration over = std::chrono::seconds{1};
};

// A share of the viewers with lines of this kind.
struct LineClass {
  double share = 1;
  bool gives = true;
  AccessModel access;
};

struct ClockModel {
  std::int64_t max_drift_ppm = 50;                       // each host's own, between minus this and this
  base::Duration max_wall_error = std::chrono::seconds{2};
};

struct Churn {
  base::Duration median_stay{};          // 0: nobody leaves by himself
  double sigma = 2.13;                   // of the log-normal stay; 2.13: a fifth stay less than a sixth of the median
  double silent = 0.5;                   // leave without a word; each who leaves is replaced
};

struct Faults {
  double polluters = 0;                  // share of the viewers
  Mangling mangling;
  double takers = 0;                     // share of the viewers that give nothing
  double boasters = 0;                   // share of the viewers that boast
  Boast boast;
  double load_failures = 0;
  base::Duration load_delay{};
};

struct ScenarioEvent {
  enum class What : std::uint8_t { partition, heal, vanish, leave, wall_jump, restart_source };
  What what = What::heal;
  base::Duration at{};
  double share = 0.5;                    // of the viewers; chosen at random
  bool source = false;                   // the source instead
  base::Duration by{};                   // wall_jump: forward; restart_source: the pause
  bool same_address = true;              // restart_source
};

// Bounds on a measure, by its name in the report.
struct Expectation {
  std::optional<double> min;
  std::optional<double> max;
};

struct Scenario {
  std::string name;
  std::string title;
  std::uint32_t peers = 10;              // watchers; --peers overrides
  base::Duration duration = std::chrono::seconds{60};   // a file's run ends when everyone has it
  CryptoKind crypto = CryptoKind::stand_in;
  std::optional<FileContent> file;       // one of the two
  std::optional<LiveContentModel> live;
  Joins joins;
  Wave wave;
  PathModel path;
  AccessModel source;
  std::vector<LineClass> lines;          // empty: no limits
  ClockModel clocks;
  Churn churn;
  Faults faults;
  bool mixed_faults = false;             // the seed draws network faults, churn and events on top
  std::vector<EnemyModel> enemies;
  std::vector<ScenarioEvent> events;
  std::map<std::string, Expectation> expectations;   // a run that does not keep them is broken
  std::map<std::string, Expectation> goals;          // are told beside what came of the run
};

// `settings`: "section.key=value" in TOML, over what the file says. The error names the file and the place.
std::expected<Scenario, std::string> load_scenario(const std::string& path, const std::vector<std::string>& settings);

}  // namespace runnel::sim
