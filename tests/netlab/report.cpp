#include "netlab/report.hpp"

#include <algorithm>
#include <cmath>

#include <unistd.h>
#include <boost/json.hpp>

namespace runnel::netlab {
namespace {

namespace json = boost::json;

double rounded(double value) { return std::round(value * 10) / 10; }

json::object link_json(const Link& link) {
  const LinkCounters& counters = link.counters();
  const auto queued = std::max<std::uint64_t>(1, counters.packets + counters.lost + counters.lost_in_burst);
  return {{"packets", counters.packets},
          {"bytes", counters.bytes},
          {"queue_full", counters.queue_full},
          {"lost", counters.lost},
          {"lost_in_burst", counters.lost_in_burst},
          {"reordered", counters.reordered},
          {"duplicated", counters.duplicated},
          {"queue_wait_mean_us", rounded(to_us(counters.queue_wait_total) / static_cast<double>(queued))},
          {"queue_wait_max_us", rounded(to_us(counters.queue_wait_max))}};
}

json::object host_json(const Fabric& fabric, const Host& host, HostIndex index) {
  const HostCounters& counters = fabric.counters(index);
  return {
      {"sent_packets", counters.sent_packets},     {"sent_bytes", counters.sent_bytes},   {"received_packets", counters.received_packets},
      {"received_bytes", counters.received_bytes}, {"unroutable", counters.unroutable},   {"cut", counters.cut},
      {"over_memory", counters.over_memory},       {"kernel_drops", host.kernel_drops()}, {"up", link_json(fabric.uplink(index))},
      {"down", link_json(fabric.downlink(index))}};
}

json::array paths_json(const Fabric& fabric) {
  const auto& hosts = fabric.settings().hosts;
  json::array paths;
  for (HostIndex from = 0; from < hosts.size(); ++from) {
    for (HostIndex to = 0; to < hosts.size(); ++to) {
      const Link* link = fabric.path(from, to);
      if (link == nullptr) continue;
      json::object path = link_json(*link);
      path["from"] = hosts[from].name;
      path["to"] = hosts[to].name;
      paths.push_back(std::move(path));
    }
  }
  return paths;
}

std::string line(const json::object& object) { return json::serialize(object) + "\n"; }

}  // namespace

void Lateness::add(Duration late) {
  ++packets;
  total += late;
  max = std::max(max, late);
  if (late > std::chrono::milliseconds{1}) ++over_1_ms;
}

std::string ready_line(const LabSettings& settings, std::span<const Host> hosts, const std::string& control_path) {
  json::object by_name;
  for (HostIndex i = 0; i < settings.hosts.size(); ++i) {
    const HostSettings& host = settings.hosts[i];
    // Open as long as the lab is: nsenter --net=... enters the host, too.
    const std::string place = "/proc/" + std::to_string(::getpid()) + "/fd/" + std::to_string(hosts[i].network_namespace());
    by_name[host.name] = {{"address", host.address.to_string()}, {"address6", host.address6.to_string()}, {"namespace", place}};
  }
  return line({{"event", "ready"}, {"pid", ::getpid()}, {"seed", settings.seed}, {"control", control_path}, {"hosts", std::move(by_name)}});
}

std::string stats_line(const Fabric& fabric, std::span<const Host> hosts, const Lateness& lateness) {
  json::object by_name;
  for (HostIndex i = 0; i < hosts.size(); ++i) by_name[fabric.settings().hosts[i].name] = host_json(fabric, hosts[i], i);
  const auto packets = static_cast<double>(std::max<std::uint64_t>(1, lateness.packets));
  json::object late{{"packets", lateness.packets},
                    {"mean_us", rounded(to_us(lateness.total) / packets)},
                    {"max_us", rounded(to_us(lateness.max))},
                    {"over_1_ms", lateness.over_1_ms}};
  return line({{"event", "stats"},
               {"lateness", std::move(late)},
               {"packets_in_flight", fabric.packets_in_flight()},
               {"hosts", std::move(by_name)},
               {"paths", paths_json(fabric)}});
}

std::string error_line(const std::string& what) { return line({{"event", "error"}, {"error", what}}); }

std::string ok_line() { return line({{"event", "ok"}}); }

}  // namespace runnel::netlab
