// What a Seal is made of: one library's way to seal and open with one key.
#pragma once
#include "crypto/seal.hpp"

namespace runnel::crypto {

// The contracts of Seal's functions, sizes checked.
class SealContext {
 public:
  virtual ~SealContext() = default;
  virtual void seal(const SealNonce& nonce, base::ByteView header, base::ByteView plain, base::MutableByteView out) = 0;
  [[nodiscard]] virtual bool open(const SealNonce& nonce, base::ByteView header, base::MutableByteView sealed) = 0;
};

std::unique_ptr<SealContext> make_openssl_seal(SealAlgorithm algorithm, Seal::Use use, base::ByteView key);
// AES-128-GCM by Intel's ipsec-mb (docs/adr/0013): null where the library was not there to build with or the processor has no AES.
std::unique_ptr<SealContext> make_ipsec_mb_seal(base::ByteView key);

}  // namespace runnel::crypto
