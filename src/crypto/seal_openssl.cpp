#include <openssl/evp.h>

#include "base/check.hpp"
#include "crypto/seal_context.hpp"

namespace runnel::crypto {
namespace {

const EVP_CIPHER* cipher(SealAlgorithm algorithm) {
  switch (algorithm) {
    case SealAlgorithm::chacha20_poly1305: return EVP_chacha20_poly1305();
    case SealAlgorithm::aes_128_gcm: return EVP_aes_128_gcm();
  }
  return nullptr;
}

const unsigned char* raw(base::ByteView view) { return reinterpret_cast<const unsigned char*>(view.data()); }
unsigned char* raw(base::MutableByteView view) { return reinterpret_cast<unsigned char*>(view.data()); }

// The key is expanded once; each datagram only sets its nonce.
class OpensslSeal : public SealContext {
 public:
  OpensslSeal(SealAlgorithm algorithm, Seal::Use use, base::ByteView key) {
    const int sealing = use == Seal::Use::sealing ? 1 : 0;
    base::check(EVP_CipherInit_ex2(evp_.get(), cipher(algorithm), raw(key), nullptr, sealing, nullptr) == 1, "a sealing key");
  }

  void seal(const SealNonce& nonce, base::ByteView header, base::ByteView plain, base::MutableByteView out) override {
    int size = 0;
    const bool sealed = EVP_EncryptInit_ex2(evp_.get(), nullptr, nullptr, raw(base::ByteView{nonce}), nullptr) == 1 &&
                        EVP_EncryptUpdate(evp_.get(), nullptr, &size, raw(header), static_cast<int>(header.size())) == 1 &&
                        EVP_EncryptUpdate(evp_.get(), raw(out), &size, raw(plain), static_cast<int>(plain.size())) == 1 &&
                        EVP_EncryptFinal_ex(evp_.get(), raw(out.subspan(plain.size())), &size) == 1 &&
                        EVP_CIPHER_CTX_ctrl(evp_.get(), EVP_CTRL_AEAD_GET_TAG, kSealTagSize, raw(out.last(kSealTagSize))) == 1;
    base::check(sealed, "sealing");
  }

  bool open(const SealNonce& nonce, base::ByteView header, base::MutableByteView sealed) override {
    const base::MutableByteView text = sealed.first(sealed.size() - kSealTagSize);
    int size = 0;
    return EVP_DecryptInit_ex2(evp_.get(), nullptr, nullptr, raw(base::ByteView{nonce}), nullptr) == 1 &&
           EVP_DecryptUpdate(evp_.get(), nullptr, &size, raw(header), static_cast<int>(header.size())) == 1 &&
           EVP_DecryptUpdate(evp_.get(), raw(text), &size, raw(base::ByteView{text}), static_cast<int>(text.size())) == 1 &&
           EVP_CIPHER_CTX_ctrl(evp_.get(), EVP_CTRL_AEAD_SET_TAG, kSealTagSize, raw(sealed.last(kSealTagSize))) == 1 &&
           EVP_DecryptFinal_ex(evp_.get(), raw(text.last(0)), &size) == 1;
  }

 private:
  struct Free {
    void operator()(EVP_CIPHER_CTX* evp) const { EVP_CIPHER_CTX_free(evp); }
  };
  std::unique_ptr<EVP_CIPHER_CTX, Free> evp_{EVP_CIPHER_CTX_new()};
};

}  // namespace

std::unique_ptr<SealContext> make_openssl_seal(SealAlgorithm algorithm, Seal::Use use, base::ByteView key) {
  return std::make_unique<OpensslSeal>(algorithm, use, key);
}

}  // namespace runnel::crypto
