// Why bytes of a peer are not a PPSPP message.
#pragma once
#include <cstdint>
#include <string_view>

namespace runnel::wire {

enum class Error : std::uint8_t {
  truncated,
  unknown_message,
  handshake_not_first,
  unknown_option,
  options_out_of_order,
  duplicate_option,
  bad_option_value,
  swarm_id_too_long,
  bitmap_too_long,
  window_without_addressing,
  close_with_options,
  reversed_range,
  index_too_large,
  not_a_bin,
  unaligned_bytes,
  bytes_without_chunk_size,
  not_a_subtree,
  several_chunks_in_data,
  empty_payload,
  no_hashes_here,
  no_signatures_here,
};

// For logs and `doctor`: what the peer did, in words. The text lives for ever.
std::string_view message(Error error);

}  // namespace runnel::wire
