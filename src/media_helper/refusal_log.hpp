// Decides which refusals are worth a line: one per address and reason, so that a scanner cannot fill the log.
#pragma once
#include <chrono>
#include <cstddef>
#include <map>
#include <string>
#include <utility>

#include "base/endpoint.hpp"

namespace runnel::media_helper {

using SteadyTime = std::chrono::steady_clock::time_point;

// One owning thread.
class RefusalLog {
 public:
  static constexpr std::chrono::minutes kSilencePerAddress{10};
  static constexpr std::size_t kMaxEntries = 256;  // with all of them in use, newcomers are not reported until one grows old

  // True the first time in kSilencePerAddress for this address and reason. `reason` is one of a few fixed texts.
  [[nodiscard]] bool worth_a_line(const base::IpAddress& address, const std::string& reason, SteadyTime now);
  [[nodiscard]] std::size_t size() const { return reported_.size(); }

 private:
  std::map<std::pair<base::IpAddress, std::string>, SteadyTime> reported_;
};

}  // namespace runnel::media_helper
