// AMF0 from a hostile publisher: whatever decodes, its encoding decodes to the same.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>

#include "media_helper/rtmp_amf0.hpp"

using namespace runnel;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto values = media_helper::decode_amf0(std::as_bytes(std::span{data, size}));
  if (!values) return 0;
  if (values->size() > media_helper::kMaxAmf0Values) std::abort();
  base::Bytes once;
  for (const media_helper::Amf0Value& value : *values) media_helper::encode_amf0(value, once);
  // Bytes are compared: not a number is unlike itself.
  const auto again = media_helper::decode_amf0(once);
  if (!again) std::abort();
  base::Bytes twice;
  for (const media_helper::Amf0Value& value : *again) media_helper::encode_amf0(value, twice);
  if (twice != once) std::abort();
  return 0;
}
