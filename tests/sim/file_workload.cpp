// A file that everyone wants whole.
#include <algorithm>
#include <map>

#include "sim/workload.hpp"

namespace runnel::sim {
namespace {

class FileWorkload final : public Workload {
 public:
  FileWorkload(const FileContent& model, const CryptoKit& crypto, Simulation& simulation)
      : truth_(model.bytes, model.chunk_size, crypto, simulation.fork_rng()) {}

  Truth& truth() override { return truth_; }
  void source_is(Node&) override {}
  void joined(Viewer& viewer) override {
    Node& node = *viewer.node;
    std::optional<base::Time>& completed = completed_[&viewer];
    node.on_event = [&node, &completed](const swarm::Event& event) {
      if (std::holds_alternative<swarm::Completed>(event) && !completed) completed = node.place().now();
    };
  }
  void mended(base::Time) override {}
  void look(base::Time) override {}
  bool finished(const Viewers& viewers) const override {
    return std::ranges::all_of(viewers, [&](const auto& v) { return !v->honest() || v->left || completed_.at(v.get()); });
  }
  std::uint64_t stream_bytes() const override { return truth_.bytes(); }

  void measure(Report& report, const Viewers& viewers, base::Time) const override {
    Samples times;
    std::size_t stayed = 0;
    std::size_t complete = 0;
    for (const auto& viewer : viewers) {
      if (!viewer->honest() || viewer->left) continue;
      ++stayed;
      const auto done = completed_.at(viewer.get());
      if (!done) continue;
      times.add(static_cast<double>((*done - viewer->joined).count()) / 1e6);
      if (viewer->node->held().count() == truth_.chunks()) ++complete;
    }
    report.add("viewers_to_the_end", static_cast<double>(stayed));
    report.add("unfinished", static_cast<double>(stayed - complete));
    report.add("complete_p50_s", times.quantile(0.5));
    report.add("complete_max_s", times.max());
    report.add("rate_p50_mbps", times.quantile(0.5) > 0 ? static_cast<double>(truth_.bytes()) * 8 / 1e6 / times.quantile(0.5) : 0);
  }

 private:
  FileTruth truth_;
  std::map<const Viewer*, std::optional<base::Time>> completed_;   // looked up, never walked: its order means nothing
};

}  // namespace

std::unique_ptr<Workload> make_file_workload(const FileContent& model, const CryptoKit& crypto, Simulation& simulation) {
  return std::make_unique<FileWorkload>(model, crypto, simulation);
}

}  // namespace runnel::sim
