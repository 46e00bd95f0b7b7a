#include "core/swarm/metadata.hpp"

#include <utility>

namespace runnel::swarm {

Metadata live_metadata(const Link& link, base::Bytes wire_id) {
  Metadata metadata;
  metadata.id = std::move(wire_id);
  metadata.live = true;
  metadata.chunk_size = link.chunk_size_bytes();
  metadata.hash = link.hash_algorithm();
  metadata.addressing = link.addressing_method();
  if (metadata.compat()) metadata.live_window = kCompatLiveWindow;
  return metadata;
}

}  // namespace runnel::swarm
