#include "media_helper/sync_search.hpp"

#include <algorithm>
#include <array>
#include <string_view>

namespace runnel::media_helper {
namespace {

constexpr std::size_t kWindowBytes = 32U << 10;
constexpr std::size_t kLookAheadBytes = 16;   // what is_sync() wants to see
constexpr std::array kClusterId{std::byte{0x1f}, std::byte{0x43}, std::byte{0xb6}, std::byte{0x75}};
constexpr std::uint32_t kMaxMoofBytes = 64U << 20;

// Length of an EBML size field that begins with this octet; 0 if it is none (RFC 8794 4).
std::size_t ebml_size_octets(std::byte first) {
  for (std::size_t i = 0; i < 8; ++i) {
    if ((std::to_integer<unsigned>(first) & (0x80U >> i)) != 0) return i + 1;
  }
  return 0;
}

// A cluster's ID, its size, and then one of the elements that clusters begin with: Timestamp, Position, PrevSize, CRC-32.
bool is_cluster(base::ByteView at) {
  if (!std::ranges::equal(at.first(4), kClusterId)) return false;
  const std::size_t octets = ebml_size_octets(at[4]);
  if (octets == 0) return false;
  const unsigned id = std::to_integer<unsigned>(at[4 + octets]);
  return id == 0xe7 || id == 0xa7 || id == 0xab || id == 0xbf;
}

bool is_moof(base::ByteView at) {
  base::Reader reader{at};
  const auto size = reader.read<std::uint32_t>();
  return *size >= 24 && *size <= kMaxMoofBytes && base::as_text(at.subspan(4, 4)) == "moof" && base::as_text(at.subspan(12, 4)) == "mfhd";
}

bool is_sync(SpliceKind kind, base::ByteView at) {
  switch (kind) {
    case SpliceKind::mp4: return is_moof(at);
    case SpliceKind::matroska: return is_cluster(at);
  }
  return false;
}

}  // namespace

std::expected<std::optional<std::uint64_t>, DemandError> find_sync(BlockCache& cache, SpliceKind kind, std::uint64_t from) {
  base::Bytes window(kWindowBytes);
  const std::uint64_t end = std::min(cache.size(), from + kMaxSyncSearchBytes);
  while (from + kLookAheadBytes <= end) {
    std::size_t have = 0;
    while (have < kLookAheadBytes) {
      const auto got = cache.read(from + have, base::MutableByteView{window}.subspan(have));
      if (!got) return std::unexpected{got.error() == ReadError::cancelled ? DemandError::cancelled : DemandError::read_failed};
      if (*got == 0) return std::optional<std::uint64_t>{};
      have += *got;
    }
    const std::size_t last = have - kLookAheadBytes;
    for (std::size_t i = 0; i <= last; ++i) {
      if (is_sync(kind, base::ByteView{window}.subspan(i, kLookAheadBytes))) return from + i;
    }
    from += last + 1;
  }
  return std::optional<std::uint64_t>{};
}

}  // namespace runnel::media_helper
