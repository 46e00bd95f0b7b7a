// The fourteen messages of RFC 7574 section 8 and our two, as values. Views point into the datagram that they
// were decoded from and live as long as it does.
#pragma once
#include <cstdint>
#include <variant>

#include "base/bytes.hpp"
#include "base/endpoint.hpp"
#include "core/tree/types.hpp"
#include "core/wire/options.hpp"
#include "core/wire/types.hpp"
#include "crypto/hash.hpp"

namespace runnel::wire {

struct Handshake {
  static constexpr MessageType kType = MessageType::handshake;
  ChannelId source;  // the channel that its sender wants answers on
  Options options;
  // A source of 0 closes the channel (RFC 7574 8.4).
  [[nodiscard]] bool is_close() const { return source == kNoChannel; }
};

struct Data {
  static constexpr MessageType kType = MessageType::data;
  tree::ChunkIndex chunk;
  NodeTimestamp timestamp;
  base::ByteView payload;  // never empty
};

struct Ack {
  static constexpr MessageType kType = MessageType::ack;
  tree::ChunkRange range;
  DelaySample delay;
};

struct Have {
  static constexpr MessageType kType = MessageType::have;
  tree::ChunkRange range;
};

struct Integrity {
  static constexpr MessageType kType = MessageType::integrity;
  tree::ChunkRange range;  // the leaves of one subtree: tree::Bin::of(range) is never nullopt
  crypto::Digest hash;
};

struct PexResV4 {
  static constexpr MessageType kType = MessageType::pex_res_v4;
  base::Endpoint peer;
};

struct PexReq {
  static constexpr MessageType kType = MessageType::pex_req;
};

struct SignedIntegrity {
  static constexpr MessageType kType = MessageType::signed_integrity;
  tree::ChunkRange range;  // the leaves of one subtree
  NtpTimestamp timestamp;
  base::ByteView signature;
};

struct Request {
  static constexpr MessageType kType = MessageType::request;
  tree::ChunkRange range;
};

struct Cancel {
  static constexpr MessageType kType = MessageType::cancel;
  tree::ChunkRange range;
};

struct Choke {
  static constexpr MessageType kType = MessageType::choke;
};

struct Unchoke {
  static constexpr MessageType kType = MessageType::unchoke;
};

struct PexResV6 {
  static constexpr MessageType kType = MessageType::pex_res_v6;
  base::Endpoint peer;
};

struct PexResCert {
  static constexpr MessageType kType = MessageType::pex_res_cert;
  base::ByteView certificate;  // DER X.509v3, unchecked
};

// One TLV of version 2: u16 type, u16 length, value.
struct Extension {
  static constexpr MessageType kType = MessageType::extension;
  std::uint16_t type = 0;
  base::ByteView value;
};

// What DATA would say, in fewer bytes.
struct Pushed {
  static constexpr MessageType kType = MessageType::pushed;
  tree::ChunkIndex chunk;        // up to kMaxPushedIndex
  std::uint32_t sent_us = 0;     // by the sender's clock, modulo 2^32
  base::ByteView payload;        // never empty
};

using Message = std::variant<Handshake, Data, Ack, Have, Integrity, PexResV4, PexReq, SignedIntegrity, Request, Cancel, Choke, Unchoke,
                             PexResV6, PexResCert, Extension, Pushed>;

}  // namespace runnel::wire
