#include "crypto/seal.hpp"

#include "base/check.hpp"
#include "crypto/seal_context.hpp"

namespace runnel::crypto {
namespace {

std::unique_ptr<SealContext> make_context(SealAlgorithm algorithm, Seal::Use use, base::ByteView key) {
  base::check(key.size() == seal_key_size(algorithm), "the size of a sealing key");
  if (algorithm == SealAlgorithm::aes_128_gcm) {
    if (auto quick = make_ipsec_mb_seal(key)) return quick;
  }
  return make_openssl_seal(algorithm, use, key);
}

}  // namespace

Seal::Seal(SealAlgorithm algorithm, Use use, base::ByteView key) : context_(make_context(algorithm, use, key)) {}
Seal::~Seal() = default;
Seal::Seal(Seal&&) noexcept = default;
Seal& Seal::operator=(Seal&&) noexcept = default;

void Seal::seal(const SealNonce& nonce, base::ByteView header, base::ByteView plain, base::MutableByteView out) {
  base::check(out.size() == plain.size() + kSealTagSize, "room for what is sealed");
  context_->seal(nonce, header, plain, out);
}

bool Seal::open(const SealNonce& nonce, base::ByteView header, base::MutableByteView sealed) {
  return sealed.size() >= kSealTagSize && context_->open(nonce, header, sealed);
}

}  // namespace runnel::crypto
