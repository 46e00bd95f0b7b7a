#include "core/wire/error.hpp"

namespace runnel::wire {

std::string_view message(Error error) {
  switch (error) {
    case Error::truncated: return "the datagram ends inside a message";
    case Error::unknown_message: return "a message of a type that this program does not know";
    case Error::handshake_not_first: return "a HANDSHAKE that does not stand first in its datagram";
    case Error::unknown_option: return "a handshake option that this program does not know";
    case Error::options_out_of_order: return "handshake options that are not in ascending order";
    case Error::duplicate_option: return "a handshake option given twice";
    case Error::bad_option_value: return "a handshake option with a value that has no meaning";
    case Error::swarm_id_too_long: return "a swarm id that is longer than 1024 bytes";
    case Error::bitmap_too_long: return "a bitmap of supported messages that is longer than 32 bytes";
    case Error::window_without_addressing: return "a live discard window without the chunk addressing method that gives its width";
    case Error::close_with_options: return "a closing HANDSHAKE that carries more than a version";
    case Error::reversed_range: return "a range of chunks that ends before it starts";
    case Error::index_too_large: return "a chunk index of 2^62 or more";
    case Error::not_a_bin: return "the empty bin where chunks must be named";
    case Error::unaligned_bytes: return "a byte range that does not lie on chunk borders";
    case Error::bytes_without_chunk_size: return "a byte range in a swarm whose chunks have no fixed size";
    case Error::not_a_subtree: return "a hash or signature for a range that is not one subtree of the hash tree";
    case Error::several_chunks_in_data: return "a DATA message that names more than one chunk";
    case Error::empty_payload: return "a DATA message without content";
    case Error::no_hashes_here: return "an INTEGRITY message in a swarm without hashes";
    case Error::no_signatures_here: return "a SIGNED_INTEGRITY message in a swarm without signatures";
  }
  return "an invalid message";
}

}  // namespace runnel::wire
