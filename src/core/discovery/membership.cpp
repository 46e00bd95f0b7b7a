#include "core/discovery/membership.hpp"

#include "core/discovery/http_announce.hpp"

namespace runnel::discovery {
namespace {

constexpr std::string_view kScheme = "file://";

}  // namespace

std::string membership_uri(const base::Endpoint& peer, base::ByteView swarm_id) {
  return std::string{kScheme} + peer.to_string() + '/' + base::to_hex(swarm_id);
}

std::optional<base::Endpoint> peer_of_membership(std::string_view uri, base::ByteView swarm_id) {
  if (!uri.starts_with(kScheme)) return std::nullopt;
  uri.remove_prefix(kScheme.size());
  const std::size_t slash = uri.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  const auto peer = base::Endpoint::parse(uri.substr(0, slash));
  const auto swarm = base::from_hex(uri.substr(slash + 1));
  const bool right = peer && usable_endpoint(*peer) && swarm && base::equal(*swarm, swarm_id);
  return right ? peer : std::nullopt;
}

}  // namespace runnel::discovery
