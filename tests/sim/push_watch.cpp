#include "sim/push_watch.hpp"

#include <string>

namespace runnel::sim {

void PushWatch::look(const Node& node, const Network& network) {
  if (!node.alive()) return;
  const swarm::SwarmState whole = node.state();
  if (!whole.push) return;
  const swarm::PushState& state = *whole.push;
  const HostId place = node.place().id();
  const auto rate = static_cast<double>(network.up_rate(place));
  Class& line = classes_[network.up_rate(place)];
  const std::uint64_t sent = network.sent_wire_bytes(place);
  if (const auto before = sent_.find(place.value()); before != sent_.end() && rate > 0)
    line.carried.add(static_cast<double>(sent - before->second) / rate);   // a second apart
  sent_[place.value()] = sent;
  if (rate > 0) {
    line.estimate.add(state.uplink / rate);
    line.slots_used.add(state.slots_used * state.stream_rate / 16 / rate);
  }
  line.parents.add(state.parents);
  line.fed.add(state.fed);
  line.backlog_ms.add(static_cast<double>(state.backlog.count()) / 1e3);
  line.line_ms.add(static_cast<double>(network.up_queue(place, node.place().now()).count()) / 1e3);
  last_[place.value()] = state;
}

void PushWatch::measure(Report& report) const {
  for (const auto& [rate, line] : classes_) {
    const std::string name = "up_" + std::to_string(rate * 8 / 1000) + "_";
    report.add(name + "estimate_p10", line.estimate.quantile(0.1));
    report.add(name + "estimate", line.estimate.mean());
    report.add(name + "estimate_p90", line.estimate.quantile(0.9));
    report.add(name + "carried", line.carried.mean());
    report.add(name + "slots_used", line.slots_used.mean());
    report.add(name + "parents", line.parents.mean());
    report.add(name + "fed", line.fed.mean());
    report.add(name + "backlog_ms", line.backlog_ms.mean());
    report.add(name + "backlog_p90_ms", line.backlog_ms.quantile(0.9));
    report.add(name + "line_ms", line.line_ms.mean());
    report.add(name + "line_p90_ms", line.line_ms.quantile(0.9));
  }
  Samples accepted, refused, redirected, introductions, introduced, left, nacks, busy;
  for (const auto& [place, state] : last_) {
    accepted.add(static_cast<double>(state.accepted));
    refused.add(static_cast<double>(state.refused));
    redirected.add(static_cast<double>(state.redirected));
    introductions.add(static_cast<double>(state.introductions));
    introduced.add(static_cast<double>(state.introduced));
    left.add(static_cast<double>(state.parents_left));
    nacks.add(static_cast<double>(state.nacks));
    busy.add(static_cast<double>(state.busy));
  }
  report.add("push_accepted", accepted.mean());
  report.add("push_refused", refused.mean());
  report.add("push_redirected", redirected.mean());
  report.add("push_introductions", introductions.mean());
  report.add("push_introduced", introduced.mean());
  report.add("push_left", left.mean());
  report.add("push_nacked_chunks", nacks.mean());
  report.add("push_busy_chunks", busy.mean());
}

}  // namespace runnel::sim
