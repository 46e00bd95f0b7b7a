// What a lab says of itself, as JSON of one line each.
#pragma once
#include <cstdint>
#include <span>
#include <string>

#include "netlab/fabric.hpp"
#include "netlab/host.hpp"

namespace runnel::netlab {

// How late the lab handed over packets, measured from when each was due: what the links say is only as exact as this.
struct Lateness {
  std::uint64_t packets = 0;
  Duration total{};
  Duration max{};
  std::uint64_t over_1_ms = 0;

  void add(Duration late);
};

// {"event": "ready", ...}: the lab is up; the control socket listens.
std::string ready_line(const LabSettings& settings, std::span<const Host> hosts, const std::string& control_path);
// {"event": "stats", ...}
std::string stats_line(const Fabric& fabric, std::span<const Host> hosts, const Lateness& lateness);
std::string error_line(const std::string& what);
std::string ok_line();

}  // namespace runnel::netlab
