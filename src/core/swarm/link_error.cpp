#include "core/swarm/link.hpp"

namespace runnel::swarm {

std::string_view message(LinkError error) {
  switch (error) {
    case LinkError::empty: return "the link is empty: it must be runnel:<id>?... or a bare id";
    case LinkError::too_long: return "the link is longer than 16384 characters";
    case LinkError::too_many_parameters: return "the link has more than 256 parameters";
    case LinkError::other_scheme: return "this is not a Runnel link: it must begin with runnel: or be a bare id";
    case LinkError::id_not_hex: return "the id must be hexadecimal digits (0-9 and a-f) only";
    case LinkError::id_length:
      return "the id must be 64 digits long (a file; 40, 56, 96 or 128 where its hash is not SHA-256), or 68, 66 or 130 (a live stream; "
             "with P-384 and RSA keys more): it seems cut off or has too much";
    case LinkError::id_key: return "the id begins like a live stream's key, but its length does not fit: it seems cut off or has too much";
    case LinkError::bad_percent: return "the link has a % that is not followed by two hexadecimal digits";
    case LinkError::control_character: return "the link has control characters in it";
    case LinkError::repeated: return "the link gives a parameter twice that may stand only once";
    case LinkError::bad_size: return "the size (xl=) must be a whole number of bytes, 1 or more";
    case LinkError::bad_title: return "the title (dn=) must be UTF-8 text of at most 256 bytes";
    case LinkError::bad_tracker: return "a tracker (tr=) must be a udp, http, https, ws or wss URL of at most 1024 characters";
    case LinkError::too_many_trackers: return "the link names more than 32 trackers (tr=)";
    case LinkError::bad_peer: return "a peer (x.pe=) must be host:port, with a name or an address and a port from 1 to 65535";
    case LinkError::too_many_peers: return "the link names more than 64 peers (x.pe=)";
    case LinkError::bad_origin: return "an origin (ws=) must be an http or https URL of at most 1024 characters";
    case LinkError::too_many_origins: return "the link names more than 16 origins (ws=)";
    case LinkError::bad_secret: return "the secret (k=) must be 32 to 128 hexadecimal digits";
    case LinkError::bad_index: return "the index (x.ix=) must be the root hash of a file and its size in bytes, as <root>:<bytes>";
    case LinkError::bad_chunk_size: return "the chunk size (cs=) must be a whole number of bytes from 1 to 60000";
    case LinkError::bad_addressing: return "the chunk addressing (ca=) must be a number from 0 to 4";
    case LinkError::bad_hash: return "the hash function (hf=) must be a number from 0 (SHA-1) to 4 (SHA-512)";
    case LinkError::bad_integrity:
      return "the integrity method (im=) must be 1 for a file, and for a live stream 3 (signed trees) or 2 (every chunk signed)";
    case LinkError::hash_against_id: return "the hash function (hf=) does not fit the length of the id";
  }
  return "the link is not valid";
}

}  // namespace runnel::swarm
