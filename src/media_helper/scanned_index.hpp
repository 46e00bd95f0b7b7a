// The index that a caster scans for a film whose container has none. Its bytes are described in docs/INDEX.md.
#pragma once
#include <cstdint>
#include <expected>
#include <string_view>
#include <vector>

#include "base/bytes.hpp"

namespace runnel::media_helper {

struct ScannedKey {
  std::int64_t time_us = 0;      // film time
  std::uint64_t position = 0;    // reading from here on meets everything that is shown from time_us on
  friend bool operator==(const ScannedKey&, const ScannedKey&) = default;
};
struct ScannedIndex {
  std::int64_t origin_us = 0;      // the container's time at film time 0
  std::int64_t duration_us = 0;
  std::uint64_t header_bytes = 0;  // at the file's start: what must be read before any position; 0 where the format needs nothing
  std::vector<ScannedKey> keys;    // times strictly growing
  friend bool operator==(const ScannedIndex&, const ScannedIndex&) = default;
};

constexpr std::size_t kMaxScannedKeys = 1U << 18;
constexpr std::int64_t kMaxScannedTimeUs = 10LL * 365 * 24 * 3600 * 1'000'000;   // ten years, the bound of the messages

enum class ScannedIndexError : std::uint8_t { not_an_index, unknown_version, damaged, truncated, out_of_bounds, left_over };
std::string_view message(ScannedIndexError error);

base::Bytes encode(const ScannedIndex& index);
[[nodiscard]] std::expected<ScannedIndex, ScannedIndexError> decode_scanned_index(base::ByteView bytes);

// CRC-32C (Castagnoli; RFC 3720 appendix B.4 has test vectors).
std::uint32_t crc32c(base::ByteView bytes);

}  // namespace runnel::media_helper
