// The stream of a hostile publisher: signed, so every byte of it may be chosen. The checksum is made right so that the payload's
// parsers are reached; the first byte tells into how many pieces the munros are cut and whether there is a gap.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>

#include "media/record.hpp"

using namespace runnel;

namespace {

std::uint32_t crc32c(base::ByteView bytes) {
  std::uint32_t crc = ~0U;
  for (const std::byte b : bytes) {
    crc ^= std::to_integer<std::uint32_t>(b);
    for (int bit = 0; bit < 8; ++bit) crc = (crc & 1U) != 0 ? crc >> 1U ^ 0x82F6'3B78U : crc >> 1U;
  }
  return ~crc;
}

void mend(base::Bytes& record) {
  if (record.size() < media::kRecordHeaderBytes) return;
  base::store_big_endian(record.data(), std::uint32_t{0x524E'4C31});
  base::store_big_endian(record.data() + 4, static_cast<std::uint32_t>(record.size()));
  const auto header = base::load_big_endian<std::uint16_t>(record.data() + 10);
  const auto init = base::load_big_endian<std::uint32_t>(record.data() + 28);
  base::store_big_endian(record.data() + 48, static_cast<std::uint32_t>(record.size()) - header - init);
  base::store_big_endian(record.data() + 52, std::uint32_t{0});
  base::store_big_endian(record.data() + 52, crc32c(record));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const unsigned choice = data[0];
  base::Bytes record = base::to_bytes(std::as_bytes(std::span{data, size}).subspan(1));
  if ((choice & 1U) != 0) mend(record);
  const std::size_t step = record.size() / ((choice >> 1U) % 8 + 1) + 1;
  media::RecordReader reader;
  for (std::size_t at = 0; at < record.size(); at += step) {
    const auto got = reader.feed(base::ByteView{record}.subspan(at, std::min(step, record.size() - at)), at == 0 || (choice & 16U) != 0);
    if (reader.pending_bytes() > media::kMaxRecordSize) std::abort();
    if (got && !*got && media::message(got->error()).empty()) std::abort();
    if ((choice & 32U) != 0) reader.gap();
  }
  return 0;
}
