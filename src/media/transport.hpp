// A plain MPEG transport stream (ISO/IEC 13818-1) in pieces of a fixed size that its packets straddle: what live swarms of older peers
// carry (docs/CONFORMANCE.md P9). Pure.
#pragma once
#include <cstddef>
#include <optional>

#include "base/bytes.hpp"

namespace runnel::media {

constexpr std::size_t kTsPacketBytes = 188;
constexpr std::byte kTsSync{0x47};

// At the source: packets to pieces, each full. One owner.
class TransportFiller {
 public:
  explicit TransportFiller(std::size_t piece_bytes) : piece_bytes_(piece_bytes) {}

  // Whole packets.
  void add(base::ByteView packets);
  // The next full piece.
  [[nodiscard]] std::optional<base::Bytes> take();
  // What waits for its piece to be full, with null packets behind it; the end of the last one begins the next piece. nullopt: nothing
  // waits, but perhaps such an end.
  [[nodiscard]] std::optional<base::Bytes> fill();
  [[nodiscard]] bool waits() const { return waiting_.size() > null_tail_; }

 private:
  std::size_t piece_bytes_;
  base::Bytes waiting_;
  std::size_t null_tail_ = 0;   // of waiting_, from its beginning on: the end of a null packet
};

// At a viewer: verified pieces to whole packets. One owner.
class TransportAligner {
 public:
  // So many packets in a row that begin with the sync byte tell where packets begin: one of 256^8 bytes does so by chance.
  static constexpr std::size_t kSureAfter = 8;
  // What is kept of bytes in which no packets were found: they may begin at its end.
  static constexpr std::size_t kMaxSearched = kSureAfter * kTsPacketBytes;

  // `gap`: what came before these bytes is missing. Returns whole packets, none if there is no place where they begin.
  [[nodiscard]] base::Bytes feed(base::ByteView bytes, bool gap);

 private:
  [[nodiscard]] bool find_start();

  base::Bytes rest_;
  bool aligned_ = false;
};

}  // namespace runnel::media
