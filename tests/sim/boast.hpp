// Viewers that claim more than they have, or give nothing at all: an engine whose datagrams are rewritten on their way out.
#pragma once
#include "base/bytes.hpp"
#include "base/rng.hpp"
#include "core/wire/types.hpp"

namespace runnel::sim {

struct Boast {
  double factor = 2;    // of the uplink, the room and the keys that it names
  double gives = 1;     // share of what others could use (chunks, proofs, bundles) that leaves
};

// The datagram as a boaster sends it. What does not decode stays as it is.
[[nodiscard]] base::Bytes boast(base::Bytes datagram, const Boast& boast, const wire::Format& format, base::Rng& rng);

}  // namespace runnel::sim
