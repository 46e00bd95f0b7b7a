// Real hashes for tests that hash files, straight from OpenSSL.
#pragma once
#include <openssl/evp.h>

#include <string>

#include "crypto/hash.hpp"

namespace runnel::test {

class TestHasher final : public crypto::Hasher {
 public:
  explicit TestHasher(crypto::HashAlgorithm algorithm = crypto::HashAlgorithm::sha256)
      : algorithm_(algorithm), context_(EVP_MD_CTX_new()), md_(EVP_get_digestbyname(std::string{crypto::name(algorithm)}.c_str())) {}
  ~TestHasher() override { EVP_MD_CTX_free(context_); }
  TestHasher(const TestHasher&) = delete;
  TestHasher& operator=(const TestHasher&) = delete;

  [[nodiscard]] crypto::HashAlgorithm algorithm() const override { return algorithm_; }
  [[nodiscard]] crypto::Digest hash(base::ByteView data) override {
    EVP_DigestInit_ex(context_, md_, nullptr);
    EVP_DigestUpdate(context_, data.data(), data.size());
    return finish();
  }
  [[nodiscard]] crypto::Digest hash_pair(const crypto::Digest& left, const crypto::Digest& right) override {
    EVP_DigestInit_ex(context_, md_, nullptr);
    EVP_DigestUpdate(context_, left.view().data(), left.size());
    EVP_DigestUpdate(context_, right.view().data(), right.size());
    return finish();
  }

 private:
  crypto::Digest finish() {
    crypto::Digest digest(crypto::digest_size(algorithm_));
    EVP_DigestFinal_ex(context_, reinterpret_cast<unsigned char*>(digest.mutable_view().data()), nullptr);
    return digest;
  }
  crypto::HashAlgorithm algorithm_;
  EVP_MD_CTX* context_;
  const EVP_MD* md_;
};

}  // namespace runnel::test
