#include "crypto/seal.hpp"

#include <openssl/evp.h>

#include "base/check.hpp"

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

}  // namespace

// The key is expanded once; each datagram only sets its nonce.
struct Seal::Context {
  EVP_CIPHER_CTX* evp = EVP_CIPHER_CTX_new();
  ~Context() { EVP_CIPHER_CTX_free(evp); }
};

Seal::Seal(SealAlgorithm algorithm, Use use, base::ByteView key) : context_(std::make_unique<Context>()) {
  base::check(key.size() == seal_key_size(algorithm), "the size of a sealing key");
  const int sealing = use == Use::sealing ? 1 : 0;
  base::check(EVP_CipherInit_ex2(context_->evp, cipher(algorithm), raw(key), nullptr, sealing, nullptr) == 1, "a sealing key");
}

Seal::~Seal() = default;
Seal::Seal(Seal&&) noexcept = default;
Seal& Seal::operator=(Seal&&) noexcept = default;

void Seal::seal(const SealNonce& nonce, base::ByteView header, base::ByteView plain, base::MutableByteView out) {
  base::check(out.size() == plain.size() + kSealTagSize, "room for what is sealed");
  int size = 0;
  const bool sealed = EVP_EncryptInit_ex2(context_->evp, nullptr, nullptr, raw(base::ByteView{nonce}), nullptr) == 1 &&
                      EVP_EncryptUpdate(context_->evp, nullptr, &size, raw(header), static_cast<int>(header.size())) == 1 &&
                      EVP_EncryptUpdate(context_->evp, raw(out), &size, raw(plain), static_cast<int>(plain.size())) == 1 &&
                      EVP_EncryptFinal_ex(context_->evp, raw(out.subspan(plain.size())), &size) == 1 &&
                      EVP_CIPHER_CTX_ctrl(context_->evp, EVP_CTRL_AEAD_GET_TAG, kSealTagSize, raw(out.last(kSealTagSize))) == 1;
  base::check(sealed, "sealing");
}

bool Seal::open(const SealNonce& nonce, base::ByteView header, base::MutableByteView sealed) {
  if (sealed.size() < kSealTagSize) return false;
  const base::MutableByteView text = sealed.first(sealed.size() - kSealTagSize);
  int size = 0;
  return EVP_DecryptInit_ex2(context_->evp, nullptr, nullptr, raw(base::ByteView{nonce}), nullptr) == 1 &&
         EVP_DecryptUpdate(context_->evp, nullptr, &size, raw(header), static_cast<int>(header.size())) == 1 &&
         EVP_DecryptUpdate(context_->evp, raw(text), &size, raw(base::ByteView{text}), static_cast<int>(text.size())) == 1 &&
         EVP_CIPHER_CTX_ctrl(context_->evp, EVP_CTRL_AEAD_SET_TAG, kSealTagSize, raw(sealed.last(kSealTagSize))) == 1 &&
         EVP_DecryptFinal_ex(context_->evp, raw(text.last(0)), &size) == 1;
}

}  // namespace runnel::crypto
