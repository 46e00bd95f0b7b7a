// Peers that served us well, remembered for when we come back: they are called first, and stand in for a tracker that is gone.
#pragma once
#include <filesystem>
#include <string_view>
#include <vector>

#include "base/endpoint.hpp"
#include "core/swarm/io.hpp"

namespace runnel::node {

// Files of a folder of their own, one for each swarm, for its owner's eyes alone. Nothing depends on them: what can not be read or written
// is passed over.
class Anchors {
 public:
  static constexpr std::size_t kMaxPeers = 8;       // of a swarm
  static constexpr std::size_t kMaxSwarms = 64;     // those that were written last

  explicit Anchors(std::filesystem::path folder) : folder_(std::move(folder)) {}

  // `swarm`: a name that tells nothing to whoever finds it, and is a file's.
  [[nodiscard]] std::vector<base::Endpoint> of(std::string_view swarm) const;
  // Who gave the most so far, the best first. Does nothing where nobody gave anything.
  void remember(std::string_view swarm, const swarm::SwarmState& state) const;

 private:
  [[nodiscard]] std::filesystem::path file(std::string_view swarm) const { return folder_ / swarm; }
  void forget_oldest() const;

  std::filesystem::path folder_;
};

}  // namespace runnel::node
