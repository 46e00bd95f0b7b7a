// What the nodes of a run share and how well it reached them: a file or a live stream.
#pragma once
#include <memory>
#include <optional>
#include <vector>

#include "sim/node.hpp"
#include "sim/report.hpp"
#include "sim/scenario.hpp"

namespace runnel::sim {

struct Viewer {
  std::unique_ptr<Node> node;
  base::Time joined;
  std::optional<base::Time> left;
  [[nodiscard]] bool honest() const { return !node->enemy(); }
};
using Viewers = std::vector<std::unique_ptr<Viewer>>;

class Workload {
 public:
  virtual ~Workload() = default;
  [[nodiscard]] virtual Truth& truth() = 0;
  // The source is there, and again when it was replaced.
  virtual void source_is(Node& source) = 0;
  // Listens to the viewer's node. The viewer outlives the workload's use of it.
  virtual void joined(Viewer& viewer) = 0;
  // A time at which what was broken may work again: how long viewers take is measured.
  virtual void mended(base::Time at) = 0;
  // Each second, between rounds. What viewers' nodes say within a round touches nothing that viewers share: it is gathered here.
  virtual void look(base::Time now) = 0;
  // Nothing more will come of running on.
  [[nodiscard]] virtual bool finished(const Viewers& viewers) const = 0;
  virtual void measure(Report& report, const Viewers& viewers, base::Time end) const = 0;
  // Payload bytes that the source's nodes would have sent to serve one viewer alone.
  [[nodiscard]] virtual std::uint64_t stream_bytes() const = 0;
};

std::unique_ptr<Workload> make_file_workload(const FileContent& model, const CryptoKit& crypto, Simulation& simulation);
std::unique_ptr<Workload> make_live_workload(const LiveContentModel& model, const CryptoKit& crypto, Simulation& simulation);

}  // namespace runnel::sim
