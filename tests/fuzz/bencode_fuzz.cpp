// Any bytes as bencoding: refused, or one value whose encoding is what was read (BEP 3 knows one for each).
#include "base/check.hpp"
#include "core/discovery/bencode.hpp"
#include "fuzz/input.hpp"

using namespace runnel;
using discovery::BencodeKeys;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const base::ByteView bytes = std::as_bytes(std::span{data, size});
  const auto strict = discovery::decode_bencode(bytes);
  if (strict) base::check(discovery::encode_bencode(*strict) == base::as_text(bytes), "what is strict has one encoding");
  const auto lax = discovery::decode_bencode(bytes, BencodeKeys::any_order);
  base::check(lax || !strict, "what is strict is not refused by who is lax");
  if (lax) {
    const std::string again = discovery::encode_bencode(*lax);
    base::check(discovery::decode_bencode(base::as_bytes(again), BencodeKeys::any_order).has_value(),
                "what was read can be written and read");
  } else {
    base::check(!discovery::message(lax.error()).empty(), "every error has a text");
  }
  return 0;
}
