// The Range header of RFC 9110 14.
#pragma once
#include <cstdint>
#include <string_view>
#include <variant>

namespace runnel::player {

struct WholeContent {};      // no range, one we need not honour (other unit, several ranges), or a malformed one (14.2: ignored)
struct ByteRange {
  std::uint64_t first = 0;
  std::uint64_t length = 0;  // > 0
};
struct Unsatisfiable {};     // 416
using RangeResult = std::variant<WholeContent, ByteRange, Unsatisfiable>;

// `header` may be empty. Ends past `size` are clipped; "-N" is the last N bytes.
RangeResult parse_range(std::string_view header, std::uint64_t size);

}  // namespace runnel::player
