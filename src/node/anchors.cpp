#include "node/anchors.hpp"

#include <algorithm>
#include <string>
#include <utility>

#include "node/small_file.hpp"

namespace runnel::node {

std::vector<base::Endpoint> Anchors::of(std::string_view swarm) const {
  std::vector<base::Endpoint> peers;
  const auto text = read_file(file(swarm));
  for (std::string_view rest = text ? std::string_view{*text} : std::string_view{}; !rest.empty() && peers.size() < kMaxPeers;) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    if (const auto peer = base::Endpoint::parse(rest.substr(0, end))) peers.push_back(*peer);
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return peers;
}

void Anchors::remember(std::string_view swarm, const swarm::SwarmState& state) const {
  std::vector<const swarm::PeerState*> best;
  for (const swarm::PeerState& peer : state.peers) {
    if (peer.down_bytes > 0) best.push_back(&peer);
  }
  if (best.empty()) return;
  std::ranges::sort(best, std::ranges::greater{}, &swarm::PeerState::down_bytes);
  best.resize(std::min(best.size(), kMaxPeers));
  std::string text;
  for (const swarm::PeerState* peer : best) text += peer->endpoint.to_string() + "\n";
  std::error_code none;
  std::filesystem::create_directories(folder_, none);
  static_cast<void>(write_file(file(swarm), text, 0600));
  forget_oldest();
}

void Anchors::forget_oldest() const {
  std::error_code none;
  std::vector<std::pair<std::filesystem::file_time_type, std::filesystem::path>> files;
  for (const auto& entry : std::filesystem::directory_iterator{folder_, none})
    files.emplace_back(entry.last_write_time(none), entry.path());
  if (files.size() <= kMaxSwarms) return;
  std::ranges::sort(files);
  files.resize(files.size() - kMaxSwarms);
  for (const auto& [written, path] : files) std::filesystem::remove(path, none);
}

}  // namespace runnel::node
