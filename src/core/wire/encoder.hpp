// From messages to a datagram (RFC 7574 section 8), written into the caller's buffer. No allocation.
#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>

#include "base/bytes.hpp"
#include "base/endpoint.hpp"
#include "core/wire/chunk_spec.hpp"
#include "core/wire/message.hpp"
#include "core/wire/types.hpp"

namespace runnel::wire {

// Encoded sizes in bytes, the type byte included.
constexpr std::size_t kExtensionHeaderSize = 1 + 2 + 2;
constexpr std::size_t kEmptyMessageSize = 1;  // CHOKE, UNCHOKE, PEX_REQ
constexpr std::size_t kPexResV4Size = 1 + 4 + 2;
constexpr std::size_t kPexResV6Size = 1 + 16 + 2;
constexpr std::size_t kPexResCertHeaderSize = 1 + 2;
constexpr std::size_t data_header_size(const Format& f) { return 1 + chunk_spec_size(f.addressing) + 8; }
constexpr std::size_t kPushedHeaderSize = 1 + 6 + 4;
constexpr std::size_t ack_size(const Format& f) { return 1 + chunk_spec_size(f.addressing) + 8; }
constexpr std::size_t range_size(const Format& f) { return 1 + chunk_spec_size(f.addressing); }  // HAVE, REQUEST, CANCEL
constexpr std::size_t integrity_size(const Format& f) { return 1 + chunk_spec_size(f.addressing) + f.hash_size; }
constexpr std::size_t signed_integrity_size(const Format& f) { return 1 + chunk_spec_size(f.addressing) + 8 + f.signature_size; }
// nullopt if the options cannot be encoded.
std::optional<std::size_t> handshake_size(const Handshake& handshake);

// Appends messages to a datagram. Each call writes one whole message, or returns false and writes nothing: when it does not
// fit into the rest of the buffer, when the addressing method cannot name the range (see expressible()), when a size differs
// from the format's, or when the receiver did not list the message (see only()). One owner; the buffer must outlive the encoder.
class Encoder {
 public:
  Encoder(base::MutableByteView buffer, const Format& format) : buffer_(buffer), format_(format) {}
  // The receiver listed these messages: others but HANDSHAKE are refused from here on (RFC 7574 7.10). `listed` must outlive the encoder.
  void only(const MessageSet& listed) { listed_ = &listed; }

  bool channel(ChannelId receiver);  // first of all
  bool handshake(const Handshake& handshake);
  // Content of one chunk, not empty. A single DATA goes last in its datagram, and of several none may be the short last
  // chunk (RFC 7574 8.6): the caller sees to it.
  bool data(tree::ChunkIndex chunk, NodeTimestamp timestamp, base::ByteView payload);
  // Writes the header and returns where `payload_size` bytes of content must now be put; nullopt as above. Saves a copy.
  std::optional<base::MutableByteView> data_in_place(tree::ChunkIndex chunk, NodeTimestamp timestamp, std::size_t payload_size);
  // The same of a chunk that goes alone in its datagram, up to kMaxPushedIndex.
  std::optional<base::MutableByteView> pushed_in_place(tree::ChunkIndex chunk, std::uint32_t sent_us, std::size_t payload_size);
  bool ack(tree::ChunkRange range, DelaySample delay);
  bool have(tree::ChunkRange range);
  bool integrity(tree::ChunkRange subtree, const crypto::Digest& hash);
  bool signed_integrity(tree::ChunkRange subtree, NtpTimestamp timestamp, base::ByteView signature);
  bool request(tree::ChunkRange range);
  bool cancel(tree::ChunkRange range);
  bool choke();
  bool unchoke();
  bool pex_req();
  bool pex_res(const base::Endpoint& peer);  // PEX_RESv4 or PEX_RESv6 by the address's family
  bool pex_res_cert(base::ByteView certificate);
  bool extension(std::uint16_t type, base::ByteView value);
  bool message(const Message& message);

  [[nodiscard]] std::size_t size() const { return used_; }
  [[nodiscard]] std::size_t remaining() const { return buffer_.size() - used_; }
  [[nodiscard]] base::ByteView written() const { return buffer_.first(used_); }

 private:
  // Takes 1 + `size` bytes, writes the type and returns the place behind it.
  std::optional<base::MutableByteView> begin(MessageType type, std::size_t size);
  // The same with the chunk specification written; returns the `size` bytes behind it.
  std::optional<base::MutableByteView> begin(MessageType type, tree::ChunkRange range, std::size_t size);
  std::optional<base::MutableByteView> begin(MessageType type, tree::ChunkRange range, std::size_t size, const Format& format);

  [[nodiscard]] bool may_say(MessageType type) const {
    return listed_ == nullptr || type == MessageType::handshake || listed_->contains(type);
  }

  base::MutableByteView buffer_;
  Format format_;
  const MessageSet* listed_ = nullptr;
  std::size_t used_ = 0;
};

}  // namespace runnel::wire
