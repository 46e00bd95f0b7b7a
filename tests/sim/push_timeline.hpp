// How push goes second by second: what of the wire went into what, and how each class of lines stands. For whoever looks for the cause.
#pragma once
#include <cstdint>
#include <iosfwd>
#include <map>
#include <string>

#include "sim/audit.hpp"
#include "sim/workload.hpp"

namespace runnel::sim {

class PushTimeline {
 public:
  explicit PushTimeline(std::ostream& out) : out_(out) {}
  // Once a second.
  void look(Simulation& simulation, const Audit& audit, const Node& source, const Viewers& viewers);

 private:
  void tell_wire(const Audit& audit, std::uint64_t wire_bytes, const Viewers& viewers);
  void tell_lines(Simulation& simulation, const Viewers& viewers);

  std::ostream& out_;
  std::map<std::string, std::uint64_t> before_;
};

}  // namespace runnel::sim
