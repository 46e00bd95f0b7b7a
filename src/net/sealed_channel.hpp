// What seals the datagrams of one channel, once a DTLS handshake has given both sides a secret (docs/EXTENSIONS.md, "Sealed
// datagrams"): u32 channel id, u64 counter, ciphertext, tag. The key changes with the counter, so a change needs no word.
#pragma once
#include <array>
#include <bitset>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "base/bytes.hpp"
#include "core/wire/types.hpp"
#include "crypto/seal.hpp"

namespace runnel::net {

constexpr std::size_t kSealedHeader = wire::kChannelSize + sizeof(std::uint64_t);
constexpr std::size_t kSealedOverhead = kSealedHeader - wire::kChannelSize + crypto::kSealTagSize;   // bytes more than in the clear
// Datagrams under one key, as a power of two: far below the 2^24.5 that AES-GCM bears (RFC 8446 5.5); 1.1 GB of chunks.
constexpr unsigned kKeyDatagramsBits = 20;
// Datagrams that came so much later than the newest are taken for repeated.
constexpr std::uint64_t kReplayWindow = 1024;

// 32 bytes that both ends of a channel know for one direction of it.
using ChannelSecret = std::array<std::byte, 32>;
// From what a handshake exported for the sender's side. Both ends' names are in it: no two channels of ours share a secret, even if the
// other side names its ends alike.
struct ChannelEnds {
  wire::ChannelId to;     // what the datagrams carry
  wire::ChannelId from;   // the sender's own
};
ChannelSecret channel_secret(base::ByteView exported, const ChannelEnds& ends);

// The keys of one direction, one after the other. The secret of a key that is gone cannot be found from those that follow.
class KeyChain {
 public:
  struct Key {
    crypto::Seal seal;
    crypto::SealNonce mask;
  };
  KeyChain(crypto::SealAlgorithm algorithm, crypto::Seal::Use use, const ChannelSecret& secret)
      : algorithm_(algorithm), use_(use), secret_(secret) {}
  // The key of the next generation, beginning with 0.
  [[nodiscard]] Key next();

 private:
  crypto::SealAlgorithm algorithm_;
  crypto::Seal::Use use_;
  ChannelSecret secret_;
};

// Which counters have been seen (RFC 6347 4.1.2.6).
class ReplayWindow {
 public:
  [[nodiscard]] bool is_new(std::uint64_t counter) const;
  void mark(std::uint64_t counter);   // after the datagram has proved itself

 private:
  std::bitset<kReplayWindow> seen_;   // bit counter % kReplayWindow
  std::uint64_t end_ = 0;             // above every counter seen
};

// One owner each, not thread-safe.
class SealedSender {
 public:
  SealedSender(crypto::SealAlgorithm algorithm, const ChannelSecret& secret)
      : chain_(algorithm, crypto::Seal::Use::sealing, secret), key_(chain_.next()) {}
  // `datagram` is a channel id and messages; `out` has kSealedOverhead bytes more and lies elsewhere.
  void seal(base::ByteView datagram, base::MutableByteView out);

 private:
  KeyChain chain_;
  KeyChain::Key key_;
  std::uint64_t generation_ = 0;
  std::uint64_t counter_ = 0;
};

class SealedReceiver {
 public:
  SealedReceiver(crypto::SealAlgorithm algorithm, const ChannelSecret& secret)
      : chain_(algorithm, crypto::Seal::Use::opening, secret), current_(chain_.next()) {}
  // Opens in place. What comes back is a channel id and messages, inside `datagram`. nullopt: forged, damaged, repeated or too old.
  [[nodiscard]] std::optional<base::MutableByteView> open(base::MutableByteView datagram);

 private:
  [[nodiscard]] KeyChain::Key* key_of(std::uint64_t generation);

  KeyChain chain_;
  std::optional<KeyChain::Key> previous_;   // for what was overtaken by a change
  KeyChain::Key current_;
  std::optional<KeyChain::Key> next_;       // made when a datagram claims to be of it
  std::uint64_t generation_ = 0;            // of current_
  ReplayWindow seen_;
};

}  // namespace runnel::net
