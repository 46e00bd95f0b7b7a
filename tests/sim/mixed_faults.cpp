#include "sim/mixed_faults.hpp"

namespace runnel::sim {
namespace {

base::Duration up_to(base::Rng& rng, base::Duration limit) {
  return base::Duration{static_cast<std::int64_t>(rng.below(static_cast<std::uint64_t>(limit.count()) + 1))};
}

void draw_path(PathModel& path, base::Rng& rng) {
  path.min_delay = base::Duration{1'000} + up_to(rng, base::Duration{20'000});
  path.max_delay = path.min_delay + up_to(rng, base::Duration{80'000});
  path.jitter = up_to(rng, base::Duration{20'000});
  if (rng.below(2) == 0) path.loss = 0.05 * rng.unit();
  if (rng.below(4) == 0) path.burst = {0.01 * rng.unit(), 0.1 + 0.4 * rng.unit(), 0.3 + 0.5 * rng.unit()};
  if (rng.below(4) == 0) path.duplicate = 0.02 * rng.unit();
  if (rng.below(4) == 0) path.reorder = 0.05 * rng.unit();
  path.reorder_delay = base::Duration{1'000} + up_to(rng, base::Duration{20'000});
}

void draw_event(Scenario& scenario, base::Rng& rng) {
  const base::Duration at = scenario.duration / 4 + up_to(rng, scenario.duration / 8);
  ScenarioEvent event{.at = at, .share = 0.2 + 0.3 * rng.unit()};
  switch (rng.below(5)) {
    case 0: {
      event.what = ScenarioEvent::What::partition;
      scenario.events.push_back(event);
      scenario.events.push_back(
          {.what = ScenarioEvent::What::heal, .at = at + std::chrono::seconds{1} + up_to(rng, std::chrono::seconds{7})});
      return;
    }
    case 1: event.what = ScenarioEvent::What::vanish; break;
    case 2: event.what = ScenarioEvent::What::leave; break;
    case 3:
      event.what = ScenarioEvent::What::wall_jump;
      event.by = up_to(rng, std::chrono::hours{2}) - base::Duration{std::chrono::hours{1}};
      event.source = rng.below(4) == 0;
      if (event.source) event.by = up_to(rng, std::chrono::seconds{20}) - base::Duration{std::chrono::seconds{10}};
      break;
    case 4:
      event.what = ScenarioEvent::What::restart_source;
      event.by = up_to(rng, std::chrono::seconds{3});
      break;
  }
  scenario.events.push_back(event);
}

void draw_liars(Scenario& scenario, base::Rng& rng) {
  if (rng.below(3) != 0) return;
  const auto count = static_cast<std::uint32_t>(1 + rng.below(2));
  scenario.enemies.push_back({.kind = EnemyModel::Kind::liar, .count = count, .per_second = 5 + 45 * rng.unit()});
}

}  // namespace

void draw_faults(Scenario& scenario, base::Rng rng) {
  draw_path(scenario.path, rng);
  scenario.joins.over = rng.below(2) == 0 ? base::Duration{} : up_to(rng, scenario.duration / 8);
  scenario.clocks.max_drift_ppm = static_cast<std::int64_t>(rng.below(200));
  scenario.clocks.max_wall_error = up_to(rng, std::chrono::seconds{5});
  if (rng.below(3) == 0) scenario.faults.polluters = 0.3 * rng.unit();
  scenario.faults.mangling.where = rng.below(2) == 0 ? Mangling::Where::payload : Mangling::Where::anywhere;
  scenario.faults.mangling.share = rng.below(2) == 0 ? 1 : rng.unit();
  if (rng.below(3) == 0) scenario.faults.load_failures = 0.02 * rng.unit();
  if (rng.below(3) == 0) scenario.faults.load_delay = up_to(rng, base::Duration{20'000});
  if (rng.below(3) == 0) scenario.churn.median_stay = scenario.duration / 4 + up_to(rng, scenario.duration);
  for (std::uint64_t events = rng.below(3); events > 0; --events) draw_event(scenario, rng);
  draw_liars(scenario, rng);   // behind the others, so that what these draw of a seed stays what it was
  if (scenario.live && rng.below(5) == 0) scenario.live->push = true;   // costs twice the time of pull
}

}  // namespace runnel::sim
