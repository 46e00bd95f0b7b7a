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
  metadata.sign_all = link.integrity_method() == wire::IntegrityMethod::sign_all;
  if (metadata.sign_all) metadata.munro_width = 1;
  if (metadata.compat()) metadata.live_window = kCompatLiveWindow;
  return metadata;
}

}  // namespace runnel::swarm
