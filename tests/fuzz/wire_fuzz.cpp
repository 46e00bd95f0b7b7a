// Any datagram in any format: decoding ends, and what was decoded encodes to what decodes the same.
#include <array>
#include <cstdint>
#include <vector>

#include "base/check.hpp"
#include "core/wire/decoder.hpp"
#include "core/wire/encoder.hpp"

namespace {

using namespace runnel;

// The first four bytes of the input choose the format.
wire::Format choose_format(base::ByteView bytes) {
  constexpr std::array<std::size_t, 4> kHashSizes{0, 20, 32, 64};
  constexpr std::array<std::size_t, 4> kSignatureSizes{0, 64, 96, 256};
  constexpr std::array<std::uint32_t, 4> kChunkSizes{wire::kVariableChunkSize, 1, 16, 1024};
  constexpr std::array<std::uint64_t, 4> kContentSizes{wire::kUnknownSize, 1, 1000, 1'000'000};
  const auto pick = [&](std::size_t i) { return std::to_integer<std::size_t>(bytes[i]); };
  return {.addressing = static_cast<wire::AddressingMethod>(pick(0) % 5),
          .hash_size = kHashSizes[pick(1) % 4],
          .signature_size = kSignatureSizes[pick(2) % 4],
          .chunk_size = kChunkSizes[pick(3) % 4],
          .content_size = kContentSizes[pick(3) / 4 % 4]};
}

// The messages up to the first error, or those of them that the encoder, where there is one, took.
std::size_t decode_all(base::ByteView messages, const wire::Format& format, wire::Encoder* encoder) {
  // A byte range behind the end of the content decodes, for the engine to refuse, but is nothing to encode.
  const bool may_refuse = format.addressing == wire::AddressingMethod::bytes64 && format.content_size != wire::kUnknownSize;
  wire::Decoder decoder{messages, format};
  std::size_t taken = 0;
  for (std::size_t count = 0;; ++count) {
    const auto next = decoder.next();
    if (!next) {
      base::check(!decoder.next(), "an error is the end");
      return taken;
    }
    if (!*next) return taken;
    base::check(count < messages.size(), "every message takes a byte");
    const bool took = encoder == nullptr || encoder->message(**next);
    base::check(took || may_refuse, "what was decoded can be encoded");
    if (took) ++taken;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr std::size_t kFormatSize = 4;
  const base::ByteView input = std::as_bytes(std::span{data, size});
  if (input.size() < kFormatSize) return 0;
  const wire::Format format = choose_format(input);
  const auto datagram = wire::split_datagram(input.subspan(kFormatSize));
  if (!datagram) return 0;
  base::Bytes again(datagram->messages.size() + 64);
  wire::Encoder encoder{again, format};
  const std::size_t count = decode_all(datagram->messages, format, &encoder);
  base::check(decode_all(encoder.written(), format, nullptr) == count, "what was encoded decodes to as many messages");
  return 0;
}
