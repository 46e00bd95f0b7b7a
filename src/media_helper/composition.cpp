#include "media_helper/composition.hpp"

#include <algorithm>
#include <string_view>

namespace runnel::media_helper {
namespace {

constexpr std::size_t kBoxHeader = 8;

std::uint32_t u32(base::ByteView bytes, std::size_t at) { return base::load_big_endian<std::uint32_t>(bytes.data() + at); }

// Calls `visit(type, contents)` for each box that lies whole in `bytes`.
template <class Visit>
void for_each_box(base::ByteView bytes, Visit visit) {
  while (bytes.size() >= kBoxHeader) {
    const std::size_t size = u32(bytes, 0);
    if (size < kBoxHeader || size > bytes.size()) return;
    const std::string_view type{reinterpret_cast<const char*>(bytes.data()) + 4, 4};
    visit(type, bytes.subspan(kBoxHeader, size - kBoxHeader));
    bytes = bytes.subspan(size);
  }
}

std::uint32_t track_of(base::ByteView traf) {
  std::uint32_t track = 0;
  for_each_box(traf, [&](std::string_view type, base::ByteView tfhd) {
    if (type == "tfhd" && tfhd.size() >= 8) track = u32(tfhd, 4);
  });
  return track;
}

// ISO/IEC 14496-12 8.8.8.
std::int64_t least_offset_of_run(base::ByteView trun) {
  constexpr std::uint32_t kDataOffset = 0x1, kFirstFlags = 0x4, kDuration = 0x100, kSize = 0x200, kFlags = 0x400, kOffset = 0x800;
  if (trun.size() < 8) return 0;
  const std::uint32_t fields = u32(trun, 0) & 0xff'ffffU;
  const std::uint32_t samples = u32(trun, 4);
  const auto words = [&](std::initializer_list<std::uint32_t> which) {
    return static_cast<std::size_t>(std::ranges::count_if(which, [&](std::uint32_t field) { return (fields & field) != 0; }));
  };
  if ((fields & kOffset) == 0) return 0;
  const std::size_t before = 8 + 4 * words({kDataOffset, kFirstFlags});
  const std::size_t in_sample = 4 * words({kDuration, kSize, kFlags});
  const std::size_t step = in_sample + 4;
  std::int64_t least = 0;
  for (std::size_t at = before + in_sample, i = 0; i < samples && at + 4 <= trun.size(); ++i, at += step)
    least = std::min<std::int64_t>(least, static_cast<std::int32_t>(u32(trun, at)));   // FFmpeg takes version 0's as signed as well
  return least;
}

}  // namespace

std::int64_t least_composition_offset(base::ByteView chunk, std::uint32_t track) {
  std::int64_t least = 0;
  for_each_box(chunk, [&](std::string_view type, base::ByteView moof) {
    if (type != "moof") return;
    for_each_box(moof, [&](std::string_view inner, base::ByteView traf) {
      if (inner != "traf" || track_of(traf) != track) return;
      for_each_box(traf, [&](std::string_view name, base::ByteView trun) {
        if (name == "trun") least = std::min(least, least_offset_of_run(trun));
      });
    });
  });
  return least;
}

}  // namespace runnel::media_helper
