#include "unit/media_helper/demand_support.hpp"

#include <limits>

namespace runnel::media_helper::test {
namespace {

// The first box of this type in a list of boxes; empty if there is none.
base::ByteView find_box(base::ByteView boxes, std::string_view type) {
  base::Reader reader{boxes};
  while (reader.remaining() >= 8) {
    const std::uint32_t size = *reader.read<std::uint32_t>();
    const auto name = base::as_text(*reader.read_view(4));
    const auto body = reader.read_view(size - 8);
    if (!body) return {};
    if (name == type) return *body;
  }
  return {};
}

}  // namespace

FragmentTimes parse_fragment(base::ByteView fragment) {
  FragmentTimes times;
  const base::ByteView traf = find_box(find_box(fragment, "moof"), "traf");
  base::Reader tfdt{find_box(traf, "tfdt")};
  EXPECT_EQ(tfdt.read<std::uint32_t>().value_or(0), 0x01000000U);
  times.decode_time = static_cast<std::int64_t>(tfdt.read<std::uint64_t>().value_or(0));
  base::Reader trun{find_box(traf, "trun")};
  static_cast<void>(trun.read<std::uint32_t>());
  times.samples = trun.read<std::uint32_t>().value_or(0);
  static_cast<void>(trun.read<std::uint32_t>());
  std::int64_t decode = times.decode_time;
  std::size_t bytes = 0;
  times.first_shown = std::numeric_limits<std::int64_t>::max();
  for (std::size_t i = 0; i < times.samples; ++i) {
    const auto duration = static_cast<std::int32_t>(trun.read<std::uint32_t>().value_or(0));
    bytes += trun.read<std::uint32_t>().value_or(0);
    const std::uint32_t flags = trun.read<std::uint32_t>().value_or(0);
    const std::int64_t shown = decode + static_cast<std::int32_t>(trun.read<std::uint32_t>().value_or(0));
    EXPECT_GE(duration, 0);
    if (i == 0) times.begins_with_key = flags == 0x02000000;
    times.first_shown = std::min(times.first_shown, shown);
    times.shown_end = std::max(times.shown_end, shown + duration);
    times.longest = std::max<std::int64_t>(times.longest, duration);
    decode += duration;
  }
  EXPECT_TRUE(trun.empty());
  EXPECT_EQ(find_box(fragment, "mdat").size(), bytes);
  times.decode_end = decode;
  return times;
}

std::uint32_t timescale_of(base::ByteView header) {
  base::Reader mdhd{find_box(find_box(find_box(find_box(header, "moov"), "trak"), "mdia"), "mdhd")};
  const auto version = mdhd.read<std::uint32_t>().value_or(0) >> 24;
  static_cast<void>(mdhd.read_view(version == 1 ? 16 : 8));
  return mdhd.read<std::uint32_t>().value_or(0);
}

}  // namespace runnel::media_helper::test
