#include "media_helper/refusal_log.hpp"

namespace runnel::media_helper {

bool RefusalLog::worth_a_line(const base::IpAddress& address, const std::string& reason, SteadyTime now) {
  const auto key = std::pair{address, reason};
  if (const auto found = reported_.find(key); found != reported_.end()) {
    if (now - found->second < kSilencePerAddress) return false;
    found->second = now;
    return true;
  }
  if (reported_.size() >= kMaxEntries) {
    std::erase_if(reported_, [&](const auto& entry) { return now - entry.second >= kSilencePerAddress; });
    if (reported_.size() >= kMaxEntries) return false;
  }
  reported_.emplace(key, now);
  return true;
}

}  // namespace runnel::media_helper
