// Chunk specifications: how a message names chunks in each of the five addressing methods (RFC 7574 section 4).
#pragma once
#include <cstddef>
#include <expected>

#include "base/bytes.hpp"
#include "core/tree/types.hpp"
#include "core/wire/error.hpp"
#include "core/wire/types.hpp"

namespace runnel::wire {

// Bytes on the wire.
constexpr std::size_t chunk_spec_size(AddressingMethod addressing) {
  switch (addressing) {
    case AddressingMethod::bins32: return 4;
    case AddressingMethod::bytes64: return 16;
    case AddressingMethod::chunks32: return 8;
    case AddressingMethod::bins64: return 8;
    case AddressingMethod::chunks64: return 16;
  }
  return 0;
}

// The range read is valid() and ends at kMaxChunkIndex or before. The bin that stands for everything (7FF..F) gives all
// chunks that its width can name. Errors: truncated, reversed_range, index_too_large, not_a_bin (the empty bin),
// unaligned_bytes, bytes_without_chunk_size.
std::expected<tree::ChunkRange, Error> read_chunk_spec(base::Reader& reader, const Format& format);

// Whether one chunk specification can name `range`: it fits the width, and with bins it is one subtree.
bool expressible(tree::ChunkRange range, const Format& format);

// The longest part at the front of `range` (valid, up to kMaxChunkIndex) that one chunk specification can name: all of it, or
// with bins the widest subtree that starts where the range starts.
tree::ChunkRange expressible_front(tree::ChunkRange range, const Format& format);

// Writes chunk_spec_size() bytes to the front of `to`, which must hold them. False, and nothing written, if not expressible().
// What a munro's signature covers begins with these bytes (RFC 7574 6.1.2.2).
bool write_chunk_spec(base::MutableByteView to, tree::ChunkRange range, const Format& format);

}  // namespace runnel::wire
