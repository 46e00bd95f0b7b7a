// The protocol options of a HANDSHAKE (RFC 7574 section 7).
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>

#include "base/bytes.hpp"
#include "core/wire/error.hpp"
#include "core/wire/types.hpp"
#include "crypto/hash.hpp"
#include "crypto/sign.hpp"

namespace runnel::wire {

// The codes of RFC 7574 7.
enum class OptionCode : std::uint8_t {
  version = 0,
  minimum_version = 1,
  swarm_id = 2,
  integrity = 3,
  hash = 4,
  signature = 5,
  addressing = 6,
  discard_window = 7,
  supported_messages = 8,
  chunk_size = 9,
  end = 255,
};

// Bytes of a swarm id. RSA keys of 4096 bits take 517; the length field would allow 65535.
constexpr std::size_t kMaxSwarmIdSize = 1024;
// Bytes of option 8: one bit per message type (RFC 7574 7.10).
constexpr std::size_t kMaxBitmapSize = 32;

// A set of message types, as the bitmap of option 8: bit 0 is the highest bit of the first byte.
class MessageSet {
 public:
  constexpr MessageSet() = default;
  // The fourteen of RFC 7574: FF FC.
  static constexpr MessageSet rfc() {
    MessageSet set;
    set.bits_[0] = std::byte{0xff};
    set.bits_[1] = std::byte{0xfc};
    return set;
  }
  // At most kMaxBitmapSize bytes are taken.
  static MessageSet from_bitmap(base::ByteView bitmap);
  constexpr MessageSet& insert(MessageType type) {
    bits_[index(type)] |= mask(type);
    return *this;
  }
  constexpr MessageSet& erase(MessageType type) {
    bits_[index(type)] &= ~mask(type);
    return *this;
  }
  [[nodiscard]] constexpr bool contains(MessageType type) const { return (bits_[index(type)] & mask(type)) != std::byte{0}; }
  // Truncated after the last byte that is not zero. Lives as long as the set.
  [[nodiscard]] base::ByteView bitmap() const;
  friend constexpr bool operator==(const MessageSet&, const MessageSet&) = default;

 private:
  static constexpr std::size_t index(MessageType type) { return static_cast<std::size_t>(type) / 8; }
  static constexpr std::byte mask(MessageType type) { return std::byte{0x80} >> (static_cast<unsigned>(type) % 8); }
  std::array<std::byte, kMaxBitmapSize> bits_{};
};

// Each option is absent or set; which of them a handshake must carry depends on its sender's role and is not judged here.
struct Options {
  std::optional<std::uint8_t> version;          // highest supported; never 0
  std::optional<std::uint8_t> minimum_version;  // never 0
  // Decoded: a view into the datagram. Encoded: the caller's bytes. 1 to kMaxSwarmIdSize bytes.
  std::optional<base::ByteView> swarm_id;
  std::optional<IntegrityMethod> integrity;
  std::optional<crypto::HashAlgorithm> hash;
  std::optional<crypto::SignatureAlgorithm> signature;
  std::optional<AddressingMethod> addressing;
  // Chunks (bytes with byte ranges); kKeepsEverything when all-ones. Needs `addressing`, which gives its width.
  std::optional<std::uint64_t> discard_window;
  std::optional<MessageSet> supported_messages;
  std::optional<std::uint32_t> chunk_size;  // bytes, or kVariableChunkSize; never 0
};

// The list and its End. Strict: ascending, no duplicates, no unknown code (an unknown one has no length to skip).
// Reads up to and including the End and leaves the reader behind it.
std::expected<Options, Error> decode_options(base::Reader& reader);

// Bytes that encode_options() will write; nullopt if the options break a rule above.
std::optional<std::size_t> encoded_size(const Options& options);
// Writes the sorted list and its End to the front of `to`; the bytes written, or nullopt (and nothing written) if the options
// break a rule above or do not fit.
std::optional<std::size_t> encode_options(const Options& options, base::MutableByteView to);

}  // namespace runnel::wire
