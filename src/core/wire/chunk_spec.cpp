#include "core/wire/chunk_spec.hpp"

#include <algorithm>
#include <bit>
#include <limits>
#include <optional>

namespace runnel::wire {
namespace {

using tree::Bin;
using tree::ChunkIndex;
using tree::ChunkRange;

using Result = std::expected<ChunkRange, Error>;

Result in_bounds(std::uint64_t first, std::uint64_t last) {
  if (first > last) return std::unexpected(Error::reversed_range);
  if (last > kMaxChunkIndex) return std::unexpected(Error::index_too_large);
  return ChunkRange{ChunkIndex{first}, ChunkIndex{last}};
}

// Bins of both widths: all-ones is the empty bin, and all-ones but the highest bit is everything (RFC 7574 4.2).
template <class Word>
constexpr Word kEmptyBin = std::numeric_limits<Word>::max();
template <class Word>
constexpr Word kWholeBin = std::numeric_limits<Word>::max() >> 1;
// With 32 bits the bin of everything is an ordinary one; with 64 its range ends where our indices do.
template <class Word>
constexpr ChunkRange kEverything{ChunkIndex{0}, ChunkIndex{sizeof(Word) == 4 ? (std::uint64_t{1} << 31) - 1 : kMaxChunkIndex}};

template <class Word>
Result read_bin(base::Reader& reader) {
  const auto number = reader.read<Word>();
  if (!number) return std::unexpected(Error::truncated);
  if (*number == kEmptyBin<Word>) return std::unexpected(Error::not_a_bin);
  if (*number == kWholeBin<Word>) return kEverything<Word>;
  const ChunkRange range = Bin{*number}.range();
  return in_bounds(range.first.value(), range.last.value());
}

template <class Word>
Result read_chunks(base::Reader& reader) {
  const auto first = reader.read<Word>();
  const auto last = reader.read<Word>();
  if (!first || !last) return std::unexpected(Error::truncated);
  return in_bounds(*first, *last);
}

Result read_bytes(base::Reader& reader, const Format& format) {
  const auto first = reader.read<std::uint64_t>();
  const auto last = reader.read<std::uint64_t>();
  if (!first || !last) return std::unexpected(Error::truncated);
  if (format.chunk_size == kVariableChunkSize || format.chunk_size == 0) return std::unexpected(Error::bytes_without_chunk_size);
  if (*first > *last) return std::unexpected(Error::reversed_range);
  if (*first % format.chunk_size != 0) return std::unexpected(Error::unaligned_bytes);
  // The last chunk of the content may end short; while the content's size is unknown any chunk could be that one.
  const bool ends_a_chunk = *last % format.chunk_size == format.chunk_size - 1;
  const bool ends_content = format.content_size == kUnknownSize || *last == format.content_size - 1;
  if (!ends_a_chunk && !ends_content) return std::unexpected(Error::unaligned_bytes);
  return in_bounds(*first / format.chunk_size, *last / format.chunk_size);
}

struct ByteRange {
  std::uint64_t first;
  std::uint64_t last;
};

// nullopt if there is no such range of bytes: no fixed size, too far out, or behind the end of the content.
std::optional<ByteRange> byte_range(ChunkRange range, const Format& format) {
  if (format.chunk_size == kVariableChunkSize || format.chunk_size == 0) return std::nullopt;
  const std::uint64_t tail = format.chunk_size - 1;  // from a chunk's first byte to its last
  if (range.last.value() > (std::numeric_limits<std::uint64_t>::max() - tail) / format.chunk_size) return std::nullopt;
  const std::uint64_t last_start = range.last.value() * format.chunk_size;
  if (last_start >= format.content_size) return std::nullopt;
  return ByteRange{range.first.value() * format.chunk_size, std::min(last_start + tail, format.content_size - 1)};
}

// The number of the bin whose leaves are `range`; nullopt if there is none.
template <class Word>
std::optional<Word> bin_number(ChunkRange range) {
  if (range == kEverything<Word>) return kWholeBin<Word>;
  const auto bin = Bin::of(range);
  if (!bin || bin->number() >= kEmptyBin<Word>) return std::nullopt;
  return static_cast<Word>(bin->number());
}

template <class Word>
void store_pair(base::MutableByteView to, std::uint64_t first, std::uint64_t last) {
  base::store_big_endian<Word>(to.data(), static_cast<Word>(first));
  base::store_big_endian<Word>(to.data() + sizeof(Word), static_cast<Word>(last));
}

template <class Word>
bool write_bin(base::MutableByteView to, ChunkRange range) {
  const auto number = bin_number<Word>(range);
  if (!number) return false;
  base::store_big_endian<Word>(to.data(), *number);
  return true;
}

}  // namespace

std::expected<ChunkRange, Error> read_chunk_spec(base::Reader& reader, const Format& format) {
  switch (format.addressing) {
    case AddressingMethod::bins32: return read_bin<std::uint32_t>(reader);
    case AddressingMethod::bytes64: return read_bytes(reader, format);
    case AddressingMethod::chunks32: return read_chunks<std::uint32_t>(reader);
    case AddressingMethod::bins64: return read_bin<std::uint64_t>(reader);
    case AddressingMethod::chunks64: return read_chunks<std::uint64_t>(reader);
  }
  return std::unexpected(Error::unknown_message);
}

bool expressible(ChunkRange range, const Format& format) {
  if (!range.valid() || range.last.value() > kMaxChunkIndex) return false;
  switch (format.addressing) {
    case AddressingMethod::bins32: return bin_number<std::uint32_t>(range).has_value();
    case AddressingMethod::bytes64: return byte_range(range, format).has_value();
    case AddressingMethod::chunks32: return range.last.value() <= std::numeric_limits<std::uint32_t>::max();
    case AddressingMethod::bins64: return bin_number<std::uint64_t>(range).has_value();
    case AddressingMethod::chunks64: return true;
  }
  return false;
}

ChunkRange expressible_front(ChunkRange range, const Format& format) {
  const bool bins = format.addressing == AddressingMethod::bins32 || format.addressing == AddressingMethod::bins64;
  if (!bins || expressible(range, format)) return range;
  const std::uint64_t fits = std::bit_floor(range.count());
  const std::uint64_t first = range.first.value();
  const std::uint64_t aligned = first == 0 ? fits : std::uint64_t{1} << std::countr_zero(first);
  return {range.first, ChunkIndex{first + std::min(fits, aligned) - 1}};
}

bool write_chunk_spec(base::MutableByteView to, ChunkRange range, const Format& format) {
  if (!range.valid() || range.last.value() > kMaxChunkIndex || to.size() < chunk_spec_size(format.addressing)) return false;
  switch (format.addressing) {
    case AddressingMethod::bins32: return write_bin<std::uint32_t>(to, range);
    case AddressingMethod::bytes64: {
      const auto bytes = byte_range(range, format);
      if (!bytes) return false;
      store_pair<std::uint64_t>(to, bytes->first, bytes->last);
      return true;
    }
    case AddressingMethod::chunks32:
      if (range.last.value() > std::numeric_limits<std::uint32_t>::max()) return false;
      store_pair<std::uint32_t>(to, range.first.value(), range.last.value());
      return true;
    case AddressingMethod::bins64: return write_bin<std::uint64_t>(to, range);
    case AddressingMethod::chunks64: store_pair<std::uint64_t>(to, range.first.value(), range.last.value()); return true;
  }
  return false;
}

}  // namespace runnel::wire
