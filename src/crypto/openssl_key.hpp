// The OpenSSL keys behind Signer and Verifier, for those files of this folder that need more of them than signatures.
#pragma once
#include <openssl/evp.h>

#include <memory>

#include "crypto/sign.hpp"

namespace runnel::crypto {

template <auto Fn>
struct Freed {
  template <class T>
  void operator()(T* p) const {
    Fn(p);
  }
};
using Pkey = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY_free>>;

// What the Signers and Verifiers that sign.hpp makes are as well.
class OpensslKey {
 public:
  virtual ~OpensslKey() = default;
  [[nodiscard]] virtual EVP_PKEY* key() const = 0;
  [[nodiscard]] virtual SignatureAlgorithm algorithm() const = 0;
};

}  // namespace runnel::crypto
