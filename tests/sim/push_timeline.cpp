#include "sim/push_timeline.hpp"

#include <algorithm>
#include <iomanip>
#include <ostream>
#include <utility>

#include "sim/node.hpp"
#include "sim/report.hpp"

namespace runnel::sim {

void PushTimeline::look(Simulation& simulation, const Audit& audit, const Node& source, const Viewers& viewers) {
  out_ << std::fixed << std::setprecision(1) << "t " << static_cast<double>(simulation.now().time_since_epoch().count()) / 1e6 << ", "
       << std::ranges::count_if(viewers, [](const auto& viewer) { return viewer->node->alive(); }) << " viewers";
  if (const auto state = source.state(); state.push) {
    out_ << ", source: slots " << state.push->slots_used << ", sent " << static_cast<double>(state.up_bytes - before_["source"]) / 1e3
         << " kB";
    before_["source"] = state.up_bytes;
  }
  out_ << "\n";
  tell_wire(audit, simulation.network().counters().wire_bytes, viewers);
  tell_lines(simulation, viewers);
}

void PushTimeline::tell_wire(const Audit& audit, std::uint64_t wire_bytes, const Viewers& viewers) {
  std::uint64_t useful = 0;
  std::uint64_t duplicates = 0;
  std::uint64_t verified = 0;
  std::uint64_t accepted = 0;
  std::uint64_t nacks = 0;
  for (const auto& viewer : viewers) {
    useful += viewer->node->stored_bytes();
    const swarm::SwarmState state = viewer->node->state();
    duplicates += state.duplicates;
    verified += state.verified;
    accepted += state.push ? state.push->accepted : 0;
    nacks += state.push ? state.push->nacks : 0;
  }
  const auto since = [&](const std::string& name, std::uint64_t value) {
    return static_cast<double>(value - std::exchange(before_[name], value));
  };
  const double wire = since("wire", wire_bytes);
  out_ << std::setprecision(2) << "  wire/useful " << wire / std::max(1.0, since("useful", useful)) << ", duplicates "
       << since("duplicates", duplicates) / std::max(1.0, since("verified", verified)) << ", children accepted "
       << since("accepted", accepted) << ", chunks asked for again " << since("nacks", nacks) << ", % of wire:" << std::setprecision(1);
  for (std::size_t use = 0; use < kWireUses.size(); ++use) {
    const std::string kind = kWireUses[use];
    const double share = 100 * since(kind, audit.counters().bytes_of[use]) / std::max(1.0, wire);
    if (share >= 0.05 && kind != "data") out_ << " " << kind << " " << share;
  }
  out_ << "\n";
}

void PushTimeline::tell_lines(Simulation& simulation, const Viewers& viewers) {
  struct Class {
    Samples estimate, slots, slots_used, parents, fed, backlog_ms, line_ms, wanted;
  };
  std::map<std::uint64_t, Class> classes;
  for (const auto& viewer : viewers) {
    if (!viewer->node->alive()) continue;
    const swarm::SwarmState whole = viewer->node->state();
    if (!whole.push) continue;
    const HostId place = viewer->node->place().id();
    const auto rate = simulation.network().up_rate(place);
    Class& line = classes[rate];
    line.estimate.add(whole.push->uplink / static_cast<double>(rate));
    line.slots.add(whole.push->slots);
    line.slots_used.add(whole.push->slots_used);
    line.parents.add(whole.push->parents);
    line.fed.add(whole.push->fed);
    line.backlog_ms.add(static_cast<double>(whole.push->backlog.count()) / 1e3);
    line.line_ms.add(static_cast<double>(simulation.network().up_queue(place, simulation.now()).count()) / 1e3);
    line.wanted.add(static_cast<double>(whole.wanted_chunks));
  }
  for (const auto& [rate, line] : classes) {
    out_ << "  " << std::setw(2) << line.slots.size() << " of " << std::setw(5) << rate * 8 / 1000 << " kb/s: estimate "
         << std::setprecision(2) << line.estimate.mean() << std::setprecision(1) << ", slots " << line.slots_used.mean() << " of "
         << line.slots.mean() << ", parents " << line.parents.mean() << ", fed " << line.fed.mean() << ", backlog "
         << line.backlog_ms.mean() << " ms, line " << line.line_ms.mean() << " ms, pulling " << line.wanted.mean() << "\n";
  }
  out_ << std::flush;
}

}  // namespace runnel::sim
