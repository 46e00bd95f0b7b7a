// The index of a film, as a stranger's swarm may give it: refused, or the same bytes again when written. The first byte chooses whether
// the checksum is made right, so that what lies behind it is reached.
#include "base/check.hpp"
#include "fuzz/input.hpp"
#include "media_helper/scanned_index.hpp"

using namespace runnel;
using namespace runnel::media_helper;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input{data, size};
  const bool mend = (input.octet() & 1U) != 0;
  base::Bytes bytes = base::to_bytes(input.all());
  constexpr std::size_t kChecksum = sizeof(std::uint32_t);
  if (mend && bytes.size() >= kChecksum) {
    const base::MutableByteView all{bytes};
    base::store_big_endian(bytes.data() + bytes.size() - kChecksum, crc32c(all.first(bytes.size() - kChecksum)));
  }
  const auto index = decode_scanned_index(bytes);
  if (!index) {
    base::check(!message(index.error()).empty(), "every error has a text");
    return 0;
  }
  base::check(index->keys.size() <= kMaxScannedKeys, "limits hold");
  for (std::size_t i = 1; i < index->keys.size(); ++i) base::check(index->keys[i - 1].time_us < index->keys[i].time_us, "times grow");
  const auto again = decode_scanned_index(encode(*index));
  base::check(again && *again == *index, "it reads back the same");
  return 0;
}
