// How push goes, line by line: looked at each second, told as means. Where a run is late, it shows which uplinks are to blame.
#pragma once
#include <cstdint>
#include <map>

#include "sim/node.hpp"
#include "sim/report.hpp"

namespace runnel::sim {

class PushWatch {
 public:
  void look(const Node& node, const Network& network);
  // Per rate of line: `up_600_...`, in kb/s.
  void measure(Report& report) const;

 private:
  struct Class {
    Samples estimate;      // of the uplink, over what it is
    Samples carried;       // bytes sent, over what the line would have carried
    Samples slots_used;    // of what the line could carry
    Samples parents;       // trees with one
    Samples fed;
    Samples backlog_ms;    // at the pacer
    Samples line_ms;       // at the line, behind the pacer
  };
  std::map<std::uint64_t, Class> classes_;
  std::map<std::uint32_t, std::uint64_t> sent_;   // by place, when we last looked
  std::map<std::uint32_t, swarm::PushState> last_;
};

}  // namespace runnel::sim
