#include "sim/run.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <numbers>

#include "sim/mixed_faults.hpp"

namespace runnel::sim {
namespace {

constexpr base::Duration kTrackerAnswers{150'000};   // a tracker's round trip, and the program's way to it
constexpr base::Duration kInspectInterval = std::chrono::seconds{1};

std::unique_ptr<Workload> make_workload(const Scenario& scenario, const CryptoKit& crypto, Simulation& simulation) {
  if (scenario.file) return make_file_workload(*scenario.file, crypto, simulation);
  return make_live_workload(*scenario.live, crypto, simulation);
}

Scenario with_faults(Scenario scenario, std::uint64_t seed) {
  if (scenario.mixed_faults) draw_faults(scenario, base::Rng{seed});
  return scenario;
}

// Which of `count` things each of so many viewers gets, by shares, shuffled.
std::vector<std::size_t> deal(std::size_t viewers, const std::vector<double>& shares, base::Rng& rng) {
  std::vector<std::size_t> dealt;
  double until = 0;
  for (std::size_t kind = 0; kind < shares.size(); ++kind) {
    until += shares[kind];
    while (dealt.size() < viewers && static_cast<double>(dealt.size()) + 0.5 < until * static_cast<double>(viewers)) dealt.push_back(kind);
  }
  while (dealt.size() < viewers) dealt.push_back(shares.size() - 1);
  std::ranges::shuffle(dealt, rng);
  return dealt;
}

double normal(base::Rng& rng) {   // Box and Muller
  return std::sqrt(-2 * std::log(1 - rng.unit())) * std::cos(2 * std::numbers::pi * rng.unit());
}

}  // namespace

Run::Run(Scenario scenario, std::uint64_t seed, unsigned threads)
    : scenario_(with_faults(std::move(scenario), seed)),
      seed_(seed),
      simulation_(seed, threads),
      rng_(simulation_.fork_rng()),
      crypto_(scenario_.crypto, rng_()),
      workload_(make_workload(scenario_, crypto_, simulation_)),
      audit_(workload_->truth()),
      tracker_(simulation_.fork_rng()),
      world_{simulation_, workload_->truth(), crypto_, audit_} {
  simulation_.network().set_path(scenario_.path);
  std::vector<double> shares;
  for (const LineClass& line : scenario_.lines) shares.push_back(line.share);
  if (shares.empty()) shares.push_back(1);
  line_of_ = deal(scenario_.peers, shares, rng_);
  for (const std::size_t kind : deal(scenario_.peers, {scenario_.faults.polluters, 1}, rng_))
    polluters_.push_back(kind == 0 && scenario_.faults.polluters > 0);
  if (scenario_.faults.takers > 0) {
    for (const std::size_t kind : deal(scenario_.peers, {scenario_.faults.takers, 1}, rng_)) takers_.push_back(kind == 0);
  }
  if (scenario_.faults.boasters > 0) {
    for (const std::size_t kind : deal(scenario_.peers, {scenario_.faults.boasters, 1}, rng_)) boasters_.push_back(kind == 0);
  }
}

HostClock Run::clock() {
  HostClock clock;
  const auto between = [&](std::int64_t limit) {
    return limit == 0 ? 0 : static_cast<std::int64_t>(rng_.below(2 * static_cast<std::uint64_t>(limit) + 1)) - limit;
  };
  clock.origin = base::Duration{static_cast<std::int64_t>(rng_.below(30ULL * 86'400 * 1'000'000))};   // up for a month at most
  clock.drift_ppm = between(scenario_.clocks.max_drift_ppm);
  clock.wall_error = base::Duration{between(scenario_.clocks.max_wall_error.count())};
  return clock;
}

NodeConfig Run::config_for_viewer() {
  NodeConfig config;
  config.clock = clock();
  config.size_in_link = !scenario_.file || scenario_.file->size_in_link;
  config.push = scenario_.live && scenario_.live->push;
  config.load_failures = scenario_.faults.load_failures;
  config.load_delay = scenario_.faults.load_delay;
  return config;
}

// ---- coming and going -----------------------------------------------------------------------------------------------

void Run::start_source(Place& place) {
  NodeConfig config = config_for_viewer();
  config.origin = true;
  config.clock.wall_error = {};
  sources_.push_back(std::make_unique<Node>(world_, place, config));
  ask_tracker(*sources_.back());
  workload_->source_is(*sources_.back());
  tell_enemies(*sources_.back());
}

void Run::add_viewer() {
  const std::size_t number = viewers_.size();
  const LineClass line = scenario_.lines.empty() ? LineClass{} : scenario_.lines[line_of_[number % line_of_.size()]];
  NodeConfig config = config_for_viewer();
  if (polluters_[number % polluters_.size()]) config.mangling = scenario_.faults.mangling;
  if (!boasters_.empty() && boasters_[number % boasters_.size()]) config.boast = scenario_.faults.boast;
  config.limits.no_upload = !line.gives || (!takers_.empty() && takers_[number % takers_.size()]);
  auto viewer = std::make_unique<Viewer>();
  viewer->joined = simulation_.now();
  viewer->node = std::make_unique<Node>(world_, simulation_.add_place(line.access), config);
  workload_->joined(*viewer);
  viewer->node->input(swarm::AddPeers{kSwarm, {sources_.back()->endpoint()}, true});   // x.pe in the link
  ask_tracker(*viewer->node);
  schedule_departure(*viewer);
  tell_enemies(*viewer->node);
  viewers_.push_back(std::move(viewer));
}

// They are there from the start, and their addresses are with the tracker like everybody's.
void Run::add_enemies() {
  for (const EnemyModel& model : scenario_.enemies) {
    for (std::uint32_t i = 0; i < model.count; ++i) {
      enemies_.push_back(std::make_unique<Enemy>(world_, simulation_.add_place({}), model));
      tracker_.announce(enemies_.back()->endpoint(), simulation_.now());
    }
  }
  if (enemies_.empty()) return;
  simulation_.add_tap([this](const Sent& sent) {
    for (const auto& enemy : enemies_) enemy->overhear(sent.source, sent.to, sent.bytes);
  });
}

void Run::tell_enemies(const Node& node) {
  for (const auto& enemy : enemies_) enemy->aim_at(node.endpoint());
}

void Run::ask_tracker(Node& node) {
  if (!scenario_.joins.tracker) return;
  simulation_.after(kTrackerAnswers, [this, &node] {
    if (!node.alive()) return;
    const auto others = tracker_.sample(node.endpoint(), simulation_.now());
    tracker_.announce(node.endpoint(), simulation_.now());
    if (!others.empty()) node.input(swarm::AddPeers{kSwarm, others, false});
  });
  simulation_.after(Crowd::kInterval, [this, &node] {
    if (node.alive()) ask_tracker(node);
  });
}

void Run::schedule_departure(Viewer& viewer) {
  if (scenario_.churn.median_stay == base::Duration{}) return;
  const double stay = static_cast<double>(scenario_.churn.median_stay.count()) * std::exp(scenario_.churn.sigma * normal(rng_));
  const bool silent = rng_.unit() < scenario_.churn.silent;
  if (stay > 1e12) return;   // past the end of any run
  simulation_.after(base::Duration{static_cast<std::int64_t>(stay)}, [this, &viewer, silent] {
    if (viewer.left) return;
    depart(viewer, silent);
    add_viewer();
  });
}

void Run::depart(Viewer& viewer, bool silent) {
  if (silent) {
    viewer.node->vanish();
  } else {
    viewer.node->leave();
    tracker_.stopped(viewer.node->endpoint());
  }
  viewer.left = simulation_.now();
}

// ---- what happens ---------------------------------------------------------------------------------------------------

std::vector<Viewer*> Run::some(double share) {
  std::vector<Viewer*> there;
  for (const auto& viewer : viewers_) {
    if (!viewer->left) there.push_back(viewer.get());
  }
  std::ranges::shuffle(there, rng_);
  there.resize(static_cast<std::size_t>(std::lround(share * static_cast<double>(there.size()))));
  return there;
}

std::optional<double> Run::mean_uplink() const {
  double bytes_per_second = 0;
  double there = 0;
  for (const auto& viewer : viewers_) {
    const std::uint64_t rate = simulation_.network().up_rate(viewer->node->place().id());
    if (viewer->left || rate == 0) continue;
    bytes_per_second += static_cast<double>(rate);
    ++there;
  }
  if (there == 0) return std::nullopt;
  return 8 * bytes_per_second / there / static_cast<double>(scenario_.live->bits_per_second);
}

void Run::happen(const ScenarioEvent& event) {
  switch (event.what) {
    case ScenarioEvent::What::partition:
      for (Viewer* viewer : some(event.share)) simulation_.network().set_island(viewer->node->place().id(), 1);
      break;
    case ScenarioEvent::What::heal:
      for (const auto& viewer : viewers_) simulation_.network().set_island(viewer->node->place().id(), 0);
      workload_->mended(simulation_.now());
      break;
    case ScenarioEvent::What::vanish:
    case ScenarioEvent::What::leave: {
      const bool silent = event.what == ScenarioEvent::What::vanish;
      if (event.source) {
        if (silent)
          sources_.back()->vanish();
        else
          sources_.back()->leave();
        break;
      }
      for (Viewer* viewer : some(event.share)) depart(*viewer, silent);
      if (scenario_.live) uplink_left_ = mean_uplink();
      workload_->mended(simulation_.now());
      break;
    }
    case ScenarioEvent::What::wall_jump:
      if (event.source)
        sources_.back()->jump_wall(event.by);
      else
        for (Viewer* viewer : some(event.share)) viewer->node->jump_wall(event.by);
      workload_->mended(simulation_.now());
      break;
    case ScenarioEvent::What::restart_source: restart_source(event); break;
  }
}

// The caster dies and comes back after a pause, with its key and, unless said otherwise, its address. Its own tracker comes back
// empty.
void Run::restart_source(const ScenarioEvent& event) {
  sources_.back()->vanish();
  tracker_ = Crowd{simulation_.fork_rng()};
  simulation_.after(event.by, [this, same = event.same_address] {
    sources_.back()->vanish();   // it may have come back from an earlier fall meanwhile
    start_source(same ? sources_.back()->place() : simulation_.add_place(scenario_.source));
    workload_->mended(simulation_.now());
  });
}

void Run::inspect() {
  workload_->look(simulation_.now());
  for (const auto& source : sources_) source->inspect();
  for (const auto& viewer : viewers_) viewer->node->inspect();
  if (scenario_.live && scenario_.live->push && simulation_.now() >= base::Time{scenario_.live->measure_from}) {
    push_watch_.look(*sources_.back(), simulation_.network());
    for (const auto& viewer : viewers_) push_watch_.look(*viewer->node, simulation_.network());
  }
  if (timeline_) timeline_->look(simulation_, audit_, *sources_.back(), viewers_);
  if (viewers_.size() >= expected_ && workload_->finished(viewers_)) simulation_.stop();
  simulation_.after(kInspectInterval, [this] { inspect(); });
}

// Each at a time of its own.
void Run::expect(std::uint32_t viewers, base::Duration at, base::Duration over) {
  const auto span = static_cast<std::uint64_t>(over.count());
  for (std::uint32_t i = 0; i < viewers; ++i) {
    const base::Duration later{span == 0 ? 0 : static_cast<std::int64_t>(rng_.below(span))};
    simulation_.at(base::Time{at} + later, [this] { add_viewer(); });
  }
}

// ---- the whole ------------------------------------------------------------------------------------------------------

Report Run::go() {
  const auto began = std::chrono::steady_clock::now();
  add_enemies();
  start_source(simulation_.add_place(scenario_.source));
  expected_ = scenario_.peers + scenario_.wave.peers;
  expect(scenario_.peers, scenario_.joins.at, scenario_.joins.over);
  expect(scenario_.wave.peers, scenario_.wave.at, scenario_.wave.over);
  if (scenario_.live && scenario_.live->push)
    simulation_.at(base::Time{scenario_.live->measure_from}, [this] { at_measure_from_ = totals(); });
  for (const ScenarioEvent& event : scenario_.events) simulation_.at(base::Time{event.at}, [this, event] { happen(event); });
  inspect();
  simulation_.run_until(end());

  Report report;
  report.scenario = scenario_.name;
  report.peers = scenario_.peers;
  report.seed = seed_;
  report.goals = scenario_.goals;
  report.trace_hash = simulation_.trace_hash();
  workload_->measure(report, viewers_, simulation_.now());
  measure(report);
  judge(report, scenario_, audit_);
  report.wall_seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
  return report;
}

Run::Totals Run::totals() const {
  Totals all;
  all.wire_bytes = simulation_.network().counters().wire_bytes;
  all.bytes_of = audit_.counters().bytes_of;
  all.payload_bytes = audit_.counters().payload_bytes;
  all.control_bytes = audit_.counters().control_bytes;
  all.stream_bytes = workload_->stream_bytes();
  for (const auto& source : sources_) all.source_bytes += source->state().up_bytes;
  for (const auto& viewer : viewers_) {
    if (!viewer->honest()) continue;
    const swarm::SwarmState state = viewer->node->state();
    all.verified += state.verified;
    all.duplicates += state.duplicates;
    all.useful_bytes += viewer->node->stored_bytes();
  }
  return all;
}

void Run::measure(Report& report) const {
  const auto ratio = [](auto part, auto whole) { return whole == 0 ? 0.0 : static_cast<double>(part) / static_cast<double>(whole); };
  std::uint64_t source_bytes = 0;
  for (const auto& source : sources_) source_bytes += source->state().up_bytes;
  std::uint64_t verified = 0;
  std::uint64_t duplicates = 0;
  std::uint64_t rejected = 0;
  std::uint64_t useful_bytes = 0;
  std::uint64_t received_bytes = 0;
  Samples given;
  for (const auto& viewer : viewers_) {
    if (!viewer->honest()) continue;
    const swarm::SwarmState state = viewer->node->state();
    verified += state.verified;
    duplicates += state.duplicates;
    rejected += state.rejected;
    useful_bytes += viewer->node->stored_bytes();
    received_bytes += state.down_bytes;
    if (!viewer->left) given.add(static_cast<double>(state.up_bytes));
  }
  const MessageCounters& sent = audit_.counters();
  const auto count = [&](wire::MessageType type) { return sent.messages[static_cast<std::size_t>(type)]; };
  const TrafficCounters& traffic = simulation_.network().counters();
  report.add("source_copies", ratio(source_bytes, workload_->stream_bytes()));
  report.add("given_most_over_mean", given.mean() > 0 ? given.max() / given.mean() : 0);
  report.add("duplicates_share", ratio(duplicates, verified));
  report.add("wasted_share", 1 - ratio(useful_bytes, received_bytes));
  report.add("rejected", static_cast<double>(rejected));
  report.add("control_share", 1 - ratio(sent.payload_bytes, sent.udp_bytes));
  report.add("control_of_wire", ratio(sent.control_bytes, traffic.wire_bytes));
  report.add("proof_of_wire", ratio(sent.proof_bytes, traffic.wire_bytes));
  report.add("wire_per_useful", ratio(traffic.wire_bytes, useful_bytes));
  if (scenario_.live && scenario_.live->push) {
    push_watch_.measure(report);
    // When all have come: joining costs what it costs.
    const Totals now = totals();
    const Totals& then = at_measure_from_;
    const std::uint64_t wire = now.wire_bytes - then.wire_bytes;
    for (std::size_t use = 0; use < kWireUses.size(); ++use)
      report.add(std::string{"settled_share_"} + kWireUses[use], ratio(now.bytes_of[use] - then.bytes_of[use], wire));
    report.add("settled_control_of_wire", ratio(now.control_bytes - then.control_bytes, wire));
    report.add("settled_source_copies", ratio(now.source_bytes - then.source_bytes, now.stream_bytes - then.stream_bytes));
    report.add("settled_duplicates_share", ratio(now.duplicates - then.duplicates, now.verified - then.verified));
    const std::uint64_t useful = now.useful_bytes - then.useful_bytes;
    report.add("settled_resent_per_useful", ratio(now.payload_bytes - then.payload_bytes, useful) - 1);
    report.add("settled_wire_per_useful", ratio(wire, useful));
  }
  if (uplink_left_) report.add("aftermath_uplink", *uplink_left_);
  report.add("acks_per_data", ratio(count(wire::MessageType::ack), sent.chunks));
  report.add("haves_per_data", ratio(count(wire::MessageType::have), sent.chunks));
  report.add("requests_per_data", ratio(count(wire::MessageType::request), sent.chunks));
  report.add("integrity_per_data", ratio(count(wire::MessageType::integrity), sent.chunks));
  report.add("lost_share", ratio(traffic.lost + traffic.dropped, traffic.datagrams));
  report.add("datagrams", static_cast<double>(traffic.datagrams));
  std::uint64_t hostile = 0;
  for (const auto& enemy : enemies_) hostile += enemy->sent();
  if (!enemies_.empty()) report.add("hostile_datagrams", static_cast<double>(hostile));
  report.add("violations", static_cast<double>(audit_.violation_count()));
}

}  // namespace runnel::sim
