// The values of our version 2 extension message (docs/EXTENSIONS.md is the registry).
#pragma once
#include <cstdint>
#include <optional>

#include "base/bytes.hpp"
#include "core/tree/types.hpp"

namespace runnel::swarm {

constexpr std::uint16_t kHelloType = 1;

// The first message on a channel of version 2.
struct Hello {
  std::uint64_t node_id = 0;      // random and scoped to the swarm: shows when one peer is met by two of its addresses, and nothing else
  std::uint16_t watchers = 0;  // others that this node is connected to and that lack chunks: worth asking for before all is fetched here
  std::uint8_t abilities = 0;     // kAbleToPush
  std::optional<tree::ChunkIndex> beginning;   // live: of the newest record that a player may begin with, as far as the sender knows
};
constexpr std::uint8_t kAbleToPush = 1;
base::Bytes encode_hello(const Hello& hello);
// Longer values are accepted: later versions may append.
std::optional<Hello> decode_hello(base::ByteView value);

}  // namespace runnel::swarm
