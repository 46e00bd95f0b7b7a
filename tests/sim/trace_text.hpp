// Datagrams as lines of text, for reading what a run did.
#pragma once
#include <iosfwd>

#include "core/wire/types.hpp"
#include "sim/simulation.hpp"

namespace runnel::sim {

// "12.345678 10.0.0.1:6778 > 10.0.0.2:6778 1101 c0ffee00 HAVE 0..31; ...": seconds, from, to, bytes, channel, messages.
// `out` outlives the tap.
Tap text_tap(std::ostream& out, const wire::Format& format);

}  // namespace runnel::sim
