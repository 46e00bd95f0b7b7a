// Any list of options: refused, or the same after encoding and decoding it again.
#include <cstdint>

#include "base/check.hpp"
#include "core/wire/options.hpp"

using namespace runnel;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  base::Reader reader{std::as_bytes(std::span{data, size})};
  const auto options = wire::decode_options(reader);
  if (!options) return 0;
  const auto needed = wire::encoded_size(*options);
  base::check(needed.has_value(), "what was decoded can be encoded");
  base::check(*needed <= size - reader.remaining(), "the encoding is never longer than what it came from");
  base::Bytes first(*needed);
  base::check(wire::encode_options(*options, first) == needed, "the size was announced");
  base::Reader again{first};
  const auto decoded = wire::decode_options(again);
  base::check(decoded.has_value() && again.empty(), "what was encoded decodes");
  base::Bytes second(*needed);
  base::check(wire::encode_options(*decoded, second) == needed && first == second, "the same options give the same bytes");
  return 0;
}
