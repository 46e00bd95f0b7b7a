// What two nodes must both know to seal what they say of a swarm (design decision 9).
#pragma once
#include <string>

#include "base/bytes.hpp"

namespace runnel::swarm {

struct SealingKey {
  base::Bytes shared;     // 32 bytes, the PSK of a DTLS handshake
  std::string identity;   // 32 hex digits: names the key to who has it, and tells nobody else anything
};

// For a swarm that anyone may join `secret` is empty, and the id in wire form is all it takes. For a private one, the link's
// secret (k=) is needed as well.
SealingKey sealing_key(base::ByteView swarm_id, base::ByteView secret);

}  // namespace runnel::swarm
