#include "core/wire/encoder.hpp"

#include <algorithm>
#include <cstring>
#include <limits>

namespace runnel::wire {
namespace {

// memcpy: g++ 12 makes a loop over single bytes of std::ranges::copy between spans.
void store(base::MutableByteView to, base::ByteView from) {
  if (!from.empty()) std::memcpy(to.data(), from.data(), from.size());
}

template <std::size_t N>
void store_octets(base::MutableByteView to, const std::array<std::uint8_t, N>& octets) {
  std::ranges::transform(octets, to.begin(), [](std::uint8_t octet) { return std::byte{octet}; });
}

bool is_subtree(tree::ChunkRange range) { return range.valid() && tree::Bin::of(range).has_value(); }

// The byte that a chunk with content starts at; nullopt without a fixed chunk size or where its bytes pass 2^64.
std::optional<std::uint64_t> chunk_start(tree::ChunkIndex chunk, const Format& format) {
  if (format.chunk_size == kVariableChunkSize) return std::nullopt;
  const std::uint64_t tail = format.chunk_size - 1;
  if (chunk.value() > (std::numeric_limits<std::uint64_t>::max() - tail) / format.chunk_size) return std::nullopt;
  return chunk.value() * format.chunk_size;
}

constexpr std::size_t kMaxLength16 = std::numeric_limits<std::uint16_t>::max();

}  // namespace

std::optional<std::size_t> handshake_size(const Handshake& handshake) {
  const auto options = encoded_size(handshake.options);
  if (!options) return std::nullopt;
  return 1 + kChannelSize + *options;
}

std::optional<base::MutableByteView> Encoder::begin(MessageType type, std::size_t size) {
  if (!may_say(type) || remaining() < 1 || remaining() - 1 < size) return std::nullopt;
  buffer_[used_] = static_cast<std::byte>(type);
  const base::MutableByteView body = buffer_.subspan(used_ + 1, size);
  used_ += 1 + size;
  return body;
}

std::optional<base::MutableByteView> Encoder::begin(MessageType type, tree::ChunkRange range, std::size_t size) {
  return begin(type, range, size, format_);
}

std::optional<base::MutableByteView> Encoder::begin(MessageType type, tree::ChunkRange range, std::size_t size, const Format& format) {
  const std::size_t spec = chunk_spec_size(format.addressing);
  if (!may_say(type) || remaining() < 1 + spec || remaining() - 1 - spec < size) return std::nullopt;
  if (!write_chunk_spec(buffer_.subspan(used_ + 1, spec), range, format)) return std::nullopt;
  buffer_[used_] = static_cast<std::byte>(type);
  const base::MutableByteView body = buffer_.subspan(used_ + 1 + spec, size);
  used_ += 1 + spec + size;
  return body;
}

bool Encoder::channel(ChannelId receiver) {
  if (remaining() < kChannelSize) return false;
  base::store_big_endian(buffer_.data() + used_, receiver.value());
  used_ += kChannelSize;
  return true;
}

bool Encoder::handshake(const Handshake& handshake) {
  const auto size = handshake_size(handshake);
  if (!size) return false;
  const auto body = begin(MessageType::handshake, *size - 1);
  if (!body) return false;
  base::store_big_endian(body->data(), handshake.source.value());
  return encode_options(handshake.options, body->subspan(kChannelSize)).has_value();
}

std::optional<base::MutableByteView> Encoder::data_in_place(tree::ChunkIndex chunk, NodeTimestamp timestamp, std::size_t payload_size) {
  if (payload_size == 0 || payload_size > format_.chunk_size || payload_size > remaining()) return std::nullopt;
  Format format = format_;
  const bool is_short = payload_size < format.chunk_size;
  const bool end_is_known = format.content_size != kUnknownSize;
  if (format.addressing == AddressingMethod::bytes64 && (is_short || end_is_known)) {
    const auto start = chunk_start(chunk, format);
    if (!start) return std::nullopt;
    const std::uint64_t end = *start + payload_size;
    // Only the last chunk is short. Where nobody knows where the content ends, this one tells.
    if (!end_is_known) format.content_size = end;
    if (end > format.content_size || (is_short && end < format.content_size)) return std::nullopt;
  }
  const auto body = begin(MessageType::data, tree::ChunkRange{chunk, chunk}, 8 + payload_size, format);
  if (!body) return std::nullopt;
  base::store_big_endian(body->data(), timestamp.value());
  return body->subspan(8);
}

bool Encoder::data(tree::ChunkIndex chunk, NodeTimestamp timestamp, base::ByteView payload) {
  const auto place = data_in_place(chunk, timestamp, payload.size());
  if (!place) return false;
  store(*place, payload);
  return true;
}

std::optional<base::MutableByteView> Encoder::pushed_in_place(tree::ChunkIndex chunk, std::uint32_t sent_us, std::size_t payload_size) {
  if (payload_size == 0 || payload_size > format_.chunk_size || payload_size > remaining() || chunk.value() > kMaxPushedIndex)
    return std::nullopt;
  const auto body = begin(MessageType::pushed, kPushedHeaderSize - 1 + payload_size);
  if (!body) return std::nullopt;
  base::store_big_endian(body->data(), static_cast<std::uint16_t>(chunk.value() >> 32U));
  base::store_big_endian(body->data() + 2, static_cast<std::uint32_t>(chunk.value()));
  base::store_big_endian(body->data() + 6, sent_us);
  return body->subspan(kPushedHeaderSize - 1);
}

bool Encoder::ack(tree::ChunkRange range, DelaySample delay) {
  const auto body = begin(MessageType::ack, range, 8);
  if (!body) return false;
  base::store_big_endian(body->data(), delay.value());
  return true;
}

bool Encoder::have(tree::ChunkRange range) { return begin(MessageType::have, range, 0).has_value(); }
bool Encoder::request(tree::ChunkRange range) { return begin(MessageType::request, range, 0).has_value(); }
bool Encoder::cancel(tree::ChunkRange range) { return begin(MessageType::cancel, range, 0).has_value(); }

bool Encoder::integrity(tree::ChunkRange subtree, const crypto::Digest& hash) {
  if (hash.size() == 0 || hash.size() != format_.hash_size || !is_subtree(subtree)) return false;
  const auto body = begin(MessageType::integrity, subtree, hash.size());
  if (!body) return false;
  store(*body, hash.view());
  return true;
}

bool Encoder::signed_integrity(tree::ChunkRange subtree, NtpTimestamp timestamp, base::ByteView signature) {
  if (signature.empty() || signature.size() != format_.signature_size || !is_subtree(subtree)) return false;
  const auto body = begin(MessageType::signed_integrity, subtree, 8 + signature.size());
  if (!body) return false;
  base::store_big_endian(body->data(), timestamp.value());
  store(body->subspan(8), signature);
  return true;
}

bool Encoder::choke() { return begin(MessageType::choke, 0).has_value(); }
bool Encoder::unchoke() { return begin(MessageType::unchoke, 0).has_value(); }
bool Encoder::pex_req() { return begin(MessageType::pex_req, 0).has_value(); }

bool Encoder::pex_res(const base::Endpoint& peer) {
  const bool v4 = peer.address.is_v4();
  const std::size_t address_size = v4 ? 4 : 16;
  const auto body = begin(v4 ? MessageType::pex_res_v4 : MessageType::pex_res_v6, address_size + 2);
  if (!body) return false;
  if (v4) {
    store_octets(*body, peer.address.v4_octets());
  } else {
    store_octets(*body, peer.address.v6_octets());
  }
  base::store_big_endian(body->data() + address_size, peer.port);
  return true;
}

bool Encoder::pex_res_cert(base::ByteView certificate) {
  if (certificate.size() > kMaxLength16) return false;
  const auto body = begin(MessageType::pex_res_cert, 2 + certificate.size());
  if (!body) return false;
  base::store_big_endian(body->data(), static_cast<std::uint16_t>(certificate.size()));
  store(body->subspan(2), certificate);
  return true;
}

bool Encoder::extension(std::uint16_t type, base::ByteView value) {
  if (value.size() > kMaxLength16) return false;
  const auto body = begin(MessageType::extension, 4 + value.size());
  if (!body) return false;
  base::store_big_endian(body->data(), type);
  base::store_big_endian(body->data() + 2, static_cast<std::uint16_t>(value.size()));
  store(body->subspan(4), value);
  return true;
}

bool Encoder::message(const Message& message) {
  struct Visitor {
    Encoder& to;
    bool operator()(const Handshake& m) const { return to.handshake(m); }
    bool operator()(const Data& m) const { return to.data(m.chunk, m.timestamp, m.payload); }
    bool operator()(const Ack& m) const { return to.ack(m.range, m.delay); }
    bool operator()(const Have& m) const { return to.have(m.range); }
    bool operator()(const Integrity& m) const { return to.integrity(m.range, m.hash); }
    bool operator()(const PexResV4& m) const { return to.pex_res(m.peer); }
    bool operator()(const PexReq&) const { return to.pex_req(); }
    bool operator()(const SignedIntegrity& m) const { return to.signed_integrity(m.range, m.timestamp, m.signature); }
    bool operator()(const Request& m) const { return to.request(m.range); }
    bool operator()(const Cancel& m) const { return to.cancel(m.range); }
    bool operator()(const Choke&) const { return to.choke(); }
    bool operator()(const Unchoke&) const { return to.unchoke(); }
    bool operator()(const PexResV6& m) const { return to.pex_res(m.peer); }
    bool operator()(const PexResCert& m) const { return to.pex_res_cert(m.certificate); }
    bool operator()(const Extension& m) const { return to.extension(m.type, m.value); }
    bool operator()(const Pushed& m) const {
      const auto place = to.pushed_in_place(m.chunk, m.sent_us, m.payload.size());
      if (place) store(*place, m.payload);
      return place.has_value();
    }
  };
  return std::visit(Visitor{*this}, message);
}

}  // namespace runnel::wire
