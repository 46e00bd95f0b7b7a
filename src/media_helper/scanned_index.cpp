#include "media_helper/scanned_index.hpp"

#include <array>

#include "base/check.hpp"

namespace runnel::media_helper {
namespace {

constexpr std::uint32_t kMagic = 0x524e'4c58;   // "RNLX"
constexpr std::uint8_t kVersion = 1;
constexpr std::size_t kCrcBytes = 4;
constexpr unsigned kLastVarintShift = 63;

constexpr std::array<std::uint32_t, 256> make_crc_table() {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t i = 0; i < table.size(); ++i) {
    std::uint32_t value = i;
    for (int bit = 0; bit < 8; ++bit) value = (value >> 1) ^ ((value & 1U) != 0 ? 0x82f6'3b78U : 0U);
    table[i] = value;
  }
  return table;
}
constexpr std::array<std::uint32_t, 256> kCrcTable = make_crc_table();

constexpr std::uint64_t zigzag(std::int64_t value) {
  return (static_cast<std::uint64_t>(value) << 1) ^ static_cast<std::uint64_t>(value >> 63);
}
constexpr std::int64_t unzigzag(std::uint64_t value) { return static_cast<std::int64_t>((value >> 1) ^ (0 - (value & 1))); }

void write_varint(base::Writer& writer, std::uint64_t value) {
  for (; value >= 0x80; value >>= 7) writer.write(static_cast<std::uint8_t>(value | 0x80));
  writer.write(static_cast<std::uint8_t>(value));
}

// Fails where the bytes end, and where the value is beyond 64 bits.
std::expected<std::uint64_t, ScannedIndexError> read_varint(base::Reader& reader) {
  std::uint64_t value = 0;
  for (unsigned shift = 0; shift <= kLastVarintShift; shift += 7) {
    const auto octet = reader.read<std::uint8_t>();
    if (!octet) return std::unexpected{ScannedIndexError::truncated};
    if (shift == kLastVarintShift && *octet > 1) return std::unexpected{ScannedIndexError::out_of_bounds};
    value |= static_cast<std::uint64_t>(*octet & 0x7fU) << shift;
    if ((*octet & 0x80U) == 0) return value;
  }
  return std::unexpected{ScannedIndexError::out_of_bounds};
}

std::expected<void, ScannedIndexError> read_keys(base::Reader& reader, std::uint64_t count, ScannedIndex& index) {
  std::uint64_t time = 0;
  std::uint64_t position = 0;
  for (std::uint64_t i = 0; i < count; ++i) {
    const auto step = read_varint(reader);
    if (!step) return std::unexpected{step.error()};
    const auto jump = read_varint(reader);
    if (!jump) return std::unexpected{jump.error()};
    if (*step > static_cast<std::uint64_t>(kMaxScannedTimeUs) || (i > 0 && *step == 0))
      return std::unexpected{ScannedIndexError::out_of_bounds};
    time += *step;
    position += static_cast<std::uint64_t>(unzigzag(*jump));
    if (time > static_cast<std::uint64_t>(kMaxScannedTimeUs) || position >> 63 != 0)
      return std::unexpected{ScannedIndexError::out_of_bounds};
    index.keys.push_back({static_cast<std::int64_t>(time), position});
  }
  return {};
}

}  // namespace

std::string_view message(ScannedIndexError error) {
  switch (error) {
    case ScannedIndexError::not_an_index: return "not an index of a film";
    case ScannedIndexError::unknown_version: return "the film's index is of a newer version";
    case ScannedIndexError::damaged: return "the film's index is damaged";
    case ScannedIndexError::truncated: return "the film's index ends too early";
    case ScannedIndexError::out_of_bounds: return "a value in the film's index is out of bounds";
    case ScannedIndexError::left_over: return "the film's index has bytes left over";
  }
  return "";
}

std::uint32_t crc32c(base::ByteView bytes) {
  std::uint32_t crc = ~0U;
  for (const std::byte b : bytes) crc = (crc >> 8) ^ kCrcTable[(crc ^ std::to_integer<std::uint32_t>(b)) & 0xffU];
  return ~crc;
}

base::Bytes encode(const ScannedIndex& index) {
  base::check(index.keys.size() <= kMaxScannedKeys, "a scanned index is within its limit");
  base::Bytes out;
  base::Writer writer{out};
  writer.write(kMagic);
  writer.write(kVersion);
  write_varint(writer, zigzag(index.origin_us));
  write_varint(writer, static_cast<std::uint64_t>(index.duration_us));
  write_varint(writer, index.header_bytes);
  write_varint(writer, index.keys.size());
  ScannedKey last{};
  for (const ScannedKey& key : index.keys) {
    write_varint(writer, static_cast<std::uint64_t>(key.time_us - last.time_us));
    write_varint(writer, zigzag(static_cast<std::int64_t>(key.position - last.position)));
    last = key;
  }
  writer.write(crc32c(out));
  return out;
}

std::expected<ScannedIndex, ScannedIndexError> decode_scanned_index(base::ByteView bytes) {
  base::Reader whole{bytes};
  if (whole.read<std::uint32_t>() != kMagic) return std::unexpected{ScannedIndexError::not_an_index};
  const auto version = whole.read<std::uint8_t>();
  if (!version || whole.remaining() < kCrcBytes) return std::unexpected{ScannedIndexError::truncated};
  if (*version != kVersion) return std::unexpected{ScannedIndexError::unknown_version};
  const base::ByteView body = whole.rest().first(whole.remaining() - kCrcBytes);
  base::Reader trailer{bytes.last(kCrcBytes)};
  if (trailer.read<std::uint32_t>() != crc32c(bytes.first(bytes.size() - kCrcBytes))) return std::unexpected{ScannedIndexError::damaged};

  base::Reader reader{body};
  std::array<std::uint64_t, 4> numbers{};
  for (std::uint64_t& number : numbers) {
    const auto value = read_varint(reader);
    if (!value) return std::unexpected{value.error()};
    number = *value;
  }
  ScannedIndex index{.origin_us = unzigzag(numbers[0]), .duration_us = static_cast<std::int64_t>(numbers[1]), .header_bytes = numbers[2]};
  const bool bounded = index.origin_us >= -kMaxScannedTimeUs && index.origin_us <= kMaxScannedTimeUs &&
                       numbers[1] <= static_cast<std::uint64_t>(kMaxScannedTimeUs) && numbers[2] >> 63 == 0 &&
                       numbers[3] <= kMaxScannedKeys;
  if (!bounded) return std::unexpected{ScannedIndexError::out_of_bounds};
  if (const auto read = read_keys(reader, numbers[3], index); !read) return std::unexpected{read.error()};
  if (!reader.empty()) return std::unexpected{ScannedIndexError::left_over};
  return index;
}

}  // namespace runnel::media_helper
