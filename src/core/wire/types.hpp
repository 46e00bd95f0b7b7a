// The small types of PPSPP on the wire (RFC 7574 sections 7 and 8). Hash and signature numbers stand in crypto.
#pragma once
#include <cstddef>
#include <cstdint>
#include <limits>

#include "base/strong.hpp"

namespace runnel::wire {

// Names a channel at the side that receives the datagram; 0 is for a first handshake (RFC 7574 3.11, 8.3).
using ChannelId = base::Strong<struct ChannelIdTag, std::uint32_t>;
constexpr ChannelId kNoChannel{0};
constexpr std::size_t kChannelSize = 4;   // bytes, at the start of each datagram

// Microseconds of the sender's own clock; it wraps and only differences mean anything (RFC 7574 8.6).
using NodeTimestamp = base::Strong<struct NodeTimestampTag, std::uint64_t>;
// Receiver's clock minus a DATA's timestamp, microseconds modulo 2^64 (RFC 7574 8.7).
using DelaySample = base::Strong<struct DelaySampleTag, std::uint64_t>;
// 64-bit NTP timestamp as it stands in SIGNED_INTEGRITY (RFC 7574 8.9); compat live swarms put Unix microseconds here.
using NtpTimestamp = base::Strong<struct NtpTimestampTag, std::uint64_t>;

// RFC 7574 8.2, table 7.
enum class MessageType : std::uint8_t {
  handshake = 0,
  data = 1,
  ack = 2,
  have = 3,
  integrity = 4,
  pex_res_v4 = 5,
  pex_req = 6,
  signed_integrity = 7,
  request = 8,
  cancel = 9,
  choke = 10,
  unchoke = 11,
  pex_res_v6 = 12,
  pex_res_cert = 13,
  // Of the unassigned types 14..254, ours, sent only to peers that agreed version 2 and listed them in option 8.
  extension = 224,   // one TLV
  pushed = 225,      // a chunk that no REQUEST asked for
};

// RFC 7574 7.8.
enum class AddressingMethod : std::uint8_t { bins32 = 0, bytes64 = 1, chunks32 = 2, bins64 = 3, chunks64 = 4 };

// RFC 7574 7.5.
enum class IntegrityMethod : std::uint8_t { none = 0, merkle_tree = 1, sign_all = 2, unified_merkle_tree = 3 };

constexpr std::uint8_t kVersionRfc = 1;     // the protocol of RFC 7574
constexpr std::uint8_t kVersionRunnel = 2;  // the same with our extensions

// Option 9: chunks have no fixed size (RFC 7574 7.11).
constexpr std::uint32_t kVariableChunkSize = 0xffff'ffff;
// Option 7: nothing is ever discarded (RFC 7574 7.9), whatever the width on the wire.
constexpr std::uint64_t kKeepsEverything = std::numeric_limits<std::uint64_t>::max();
// The size of content whose end is not known (yet).
constexpr std::uint64_t kUnknownSize = std::numeric_limits<std::uint64_t>::max();
// Above it the numbers of bins do not fit 64 bits; no content and no clock comes near (1024-byte chunks: 2^72 bytes).
constexpr std::uint64_t kMaxChunkIndex = (std::uint64_t{1} << 62) - 1;

// The greatest that a PUSHED can name; live indices, which tell the time, reach it in a thousand years.
constexpr std::uint64_t kMaxPushedIndex = (std::uint64_t{1} << 48) - 1;

// What both sides agreed or know of a swarm and what is needed to tell where a message ends.
struct Format {
  AddressingMethod addressing = AddressingMethod::chunks32;
  std::size_t hash_size = 32;                     // bytes; 0: the swarm has no hashes
  std::size_t signature_size = 0;                 // bytes; 0: the swarm has no signatures
  std::uint32_t chunk_size = kVariableChunkSize;  // bytes
  std::uint64_t content_size = kUnknownSize;      // bytes; only byte ranges look at it
};

}  // namespace runnel::wire
