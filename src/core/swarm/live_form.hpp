// The two forms of live swarms: that of RFC 7574 with indices that tell the time, and that of older peers (docs/CONFORMANCE.md P9). What
// differs between them stands here.
//
//                      RFC 7574's                            older peers' (Metadata::compat)
//   a signature covers the munro's range, time stamp, hash   the munro's hash
//   time stamps        NTP (RFC 5905 6)                      Unix time in microseconds
//   indices            64 bits, unix time x 8192             32 bits, from 0, one after the other
//   munros             end with their record                 are full: 32 chunks of 1024 bytes
//   window             60 s of indices                       64 MiB
#pragma once
#include <cstdint>
#include <optional>

#include "base/bytes.hpp"
#include "base/time.hpp"
#include "core/swarm/metadata.hpp"
#include "core/tree/types.hpp"
#include "core/wire/types.hpp"
#include "crypto/hash.hpp"

namespace runnel::swarm {

// The index that tells this time, where indices do.
constexpr tree::ChunkIndex live_index(base::WallTime at) {
  const auto us = static_cast<std::uint64_t>(at.time_since_epoch().count());
  return tree::ChunkIndex{us / 1'000'000 * kLiveIndicesPerSecond + us % 1'000'000 * kLiveIndicesPerSecond / 1'000'000};
}

// A view of its swarm's metadata, which outlive it. Any thread.
class LiveForm {
 public:
  explicit LiveForm(const Metadata& metadata) : metadata_(metadata) {}

  // What a signature covers (RFC 7574 6.1.1, 6.1.2.2); `subject`: the munro's hash, or the chunk where each is signed.
  [[nodiscard]] base::Bytes signed_bytes(tree::Bin munro, wire::NtpTimestamp timestamp, base::ByteView subject) const;
  // Whether that binds the munro to its place. If not, whoever kept a signed munro can show it anywhere, and at any time.
  [[nodiscard]] bool signs_place() const { return !metadata_.compat(); }

  [[nodiscard]] wire::NtpTimestamp stamp(base::WallTime at) const;
  [[nodiscard]] base::WallTime time_of(wire::NtpTimestamp timestamp) const;
  // Whether `until` is later than `from` by more than this.
  [[nodiscard]] bool longer_apart(wire::NtpTimestamp from, wire::NtpTimestamp until, std::uint64_t seconds) const;
  // How much time the discard window stands for. No more than kLongestWindowSeconds.
  [[nodiscard]] std::uint64_t window_seconds() const;
  static constexpr std::uint64_t kLongestWindowSeconds = 1ULL << 30;

  // The index that a source whose clock says so has reached; nullopt where indices tell nothing of the time.
  [[nodiscard]] std::optional<tree::ChunkIndex> index_at(base::WallTime at) const;
  // Whether each munro has all of its chunks, each of the chunk size.
  [[nodiscard]] bool full_munros() const { return metadata_.compat(); }

 private:
  const Metadata& metadata_;
};

}  // namespace runnel::swarm
