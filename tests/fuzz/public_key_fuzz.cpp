// Public keys as live swarm ids carry them, and key files: refused, or a verifier whose signatures have the length that is told.
#include "base/check.hpp"
#include "crypto/sign.hpp"
#include "fuzz/input.hpp"

using namespace runnel;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const base::ByteView bytes = std::as_bytes(std::span{data, size});
  if (const auto wide = crypto::expand_key(bytes)) {
    const auto narrow = crypto::compress_key(*wide);
    base::check(narrow && crypto::expand_key(*narrow) == *wide, "the printed form gives the wire form back");
  }
  if (const auto verifier = crypto::make_verifier(bytes)) {
    const std::size_t length = (*verifier)->signature_size();
    base::check(length > 0 && length <= 2048, "a signature has a length that is meant");
    for (const std::size_t wrong : {std::size_t{0}, length - 1, length, length + 1})
      base::check(!(*verifier)->verify(bytes, base::Bytes(wrong)), "zeros sign nothing");
  } else {
    base::check(!crypto::message(verifier.error()).empty(), "every error has a text");
  }
  if (const auto signer = crypto::parse_signer(base::as_text(bytes))) {
    const auto verifier = crypto::make_verifier((*signer)->public_key());
    base::check(verifier && (*verifier)->verify(bytes, (*signer)->sign(bytes)), "a key that was read signs");
  }
  return 0;
}
