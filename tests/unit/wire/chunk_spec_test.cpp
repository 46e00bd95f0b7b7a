#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <array>

#include "core/wire/chunk_spec.hpp"

namespace runnel::wire {
namespace {

using tree::Bin;
using tree::ChunkIndex;
using tree::ChunkRange;

ChunkRange range(std::uint64_t first, std::uint64_t last) { return {ChunkIndex{first}, ChunkIndex{last}}; }

std::expected<ChunkRange, Error> round_trip(ChunkRange chunks, const Format& format) {
  std::array<std::byte, 16> bytes{};
  if (!write_chunk_spec(bytes, chunks, format)) return std::unexpected(Error::truncated);
  base::Reader reader{base::ByteView{bytes}.first(chunk_spec_size(format.addressing))};
  return read_chunk_spec(reader, format);
}

TEST(ChunkSpec, names_the_same_range_after_a_round_trip_wherever_it_can_name_it) {
  const bool holds = rc::check([] {
    const Format format{.addressing = static_cast<AddressingMethod>(*rc::gen::inRange(0, 5)),
                        .chunk_size = *rc::gen::inRange<std::uint32_t>(1, 100'000)};
    const unsigned bits = *rc::gen::inRange(1U, 63U);
    const std::uint64_t top = (std::uint64_t{1} << bits) - 1;
    const std::uint64_t a = *rc::gen::inRange<std::uint64_t>(0, top + 1);
    const std::uint64_t b = *rc::gen::inRange<std::uint64_t>(0, top + 1);
    const ChunkRange chunks = range(std::min(a, b), std::max(a, b));
    if (expressible(chunks, format)) {
      RC_ASSERT((round_trip(chunks, format) == chunks));
    } else {
      RC_ASSERT(!round_trip(chunks, format));
    }
  });
  EXPECT_TRUE(holds);
}

TEST(ChunkSpec, names_every_subtree_in_bins) {
  const bool holds = rc::check([] {
    const bool wide = *rc::gen::arbitrary<bool>();
    const Format format{.addressing = wide ? AddressingMethod::bins64 : AddressingMethod::bins32};
    const unsigned index_bits = wide ? 62 : 31;
    const unsigned layer = *rc::gen::inRange(0U, index_bits + 1);
    const std::uint64_t offset = *rc::gen::inRange<std::uint64_t>(0, std::uint64_t{1} << (index_bits - layer));
    const ChunkRange chunks = Bin::at(layer, offset).range();
    RC_ASSERT((round_trip(chunks, format) == chunks));
  });
  EXPECT_TRUE(holds);
}

TEST(ChunkSpec, splits_any_range_into_parts_that_bins_can_name_and_that_cover_it_once) {
  const bool holds = rc::check([] {
    const Format format{.addressing = AddressingMethod::bins64};
    const std::uint64_t first = *rc::gen::inRange<std::uint64_t>(0, 1'000'000);
    ChunkRange rest = range(first, first + *rc::gen::inRange<std::uint64_t>(0, 1'000'000));
    std::uint64_t next = first;
    for (int parts = 0; parts < 64; ++parts) {
      const ChunkRange front = expressible_front(rest, format);
      RC_ASSERT(expressible(front, format));
      RC_ASSERT(front.first.value() == next);
      RC_ASSERT(rest.contains(front));
      if (front.last == rest.last) return;
      next = front.last.value() + 1;
      rest.first = ChunkIndex{next};
    }
    RC_FAIL("more parts than a range has edges");
  });
  EXPECT_TRUE(holds);
}

TEST(ChunkSpec, needs_no_splitting_where_ranges_are_written_out) {
  EXPECT_EQ(expressible_front(range(3, 1000), {.addressing = AddressingMethod::chunks32}), range(3, 1000));
  EXPECT_EQ(expressible_front(range(0, 4), {.addressing = AddressingMethod::bins32}), range(0, 3));
  EXPECT_EQ(expressible_front(range(0, kMaxChunkIndex), {.addressing = AddressingMethod::bins64}), range(0, kMaxChunkIndex));
}

TEST(ChunkSpec, ends_bytes_where_the_content_ends) {
  const Format format{.addressing = AddressingMethod::bytes64, .chunk_size = 1000, .content_size = 2500};
  std::array<std::byte, 16> bytes{};
  ASSERT_TRUE(write_chunk_spec(bytes, range(0, 2), format));
  EXPECT_EQ(base::load_big_endian<std::uint64_t>(bytes.data() + 8), 2499U);
  EXPECT_FALSE(write_chunk_spec(bytes, range(0, 3), format));
  EXPECT_FALSE(expressible(range(3, 3), format));
}

TEST(ChunkSpec, refuses_byte_ranges_that_64_bits_cannot_count) {
  const Format format{.addressing = AddressingMethod::bytes64, .chunk_size = 100'000};
  EXPECT_FALSE(expressible(range(0, kMaxChunkIndex), format));
  EXPECT_TRUE(expressible(range(0, kMaxChunkIndex), {.addressing = AddressingMethod::bytes64, .chunk_size = 2}));
}

TEST(ChunkSpec, is_not_written_where_there_is_no_room_for_it) {
  std::array<std::byte, 7> bytes{};
  EXPECT_FALSE(write_chunk_spec(bytes, range(0, 0), Format{}));
}

}  // namespace
}  // namespace runnel::wire
