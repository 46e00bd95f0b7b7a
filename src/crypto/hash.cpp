#include "crypto/hash.hpp"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/kdf.h>
#include <openssl/params.h>

#include <algorithm>

#include "base/check.hpp"
#include "crypto/openssl.hpp"

namespace runnel::crypto {
namespace {

const EVP_MD* evp_md(HashAlgorithm algorithm) {
  switch (algorithm) {
    case HashAlgorithm::sha1: return EVP_sha1();
    case HashAlgorithm::sha224: return EVP_sha224();
    case HashAlgorithm::sha256: return EVP_sha256();
    case HashAlgorithm::sha384: return EVP_sha384();
    case HashAlgorithm::sha512: return EVP_sha512();
  }
  return nullptr;
}

unsigned char* raw(base::MutableByteView view) { return reinterpret_cast<unsigned char*>(view.data()); }
const unsigned char* raw(base::ByteView view) { return reinterpret_cast<const unsigned char*>(view.data()); }

struct FreeContext {
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};
using DigestContext = std::unique_ptr<EVP_MD_CTX, FreeContext>;

// Keeps one context and initialises it again for each hash: fetching the algorithm each time costs more than hashing a chunk.
class OpensslHasher final : public Hasher {
 public:
  explicit OpensslHasher(HashAlgorithm algorithm) : algorithm_(algorithm), context_(EVP_MD_CTX_new()) {
    base::check(context_ && EVP_DigestInit_ex2(context_.get(), evp_md(algorithm), nullptr) == 1, "hash context");
  }

  HashAlgorithm algorithm() const override { return algorithm_; }

  Digest hash(base::ByteView data) override {
    begin();
    EVP_DigestUpdate(context_.get(), data.data(), data.size());
    return finish();
  }

  Digest hash_pair(const Digest& left, const Digest& right) override {
    std::array<std::byte, 2 * kMaxDigestSize> joined;
    std::memcpy(joined.data(), left.view().data(), left.size());
    std::memcpy(joined.data() + left.size(), right.view().data(), right.size());
    begin();
    EVP_DigestUpdate(context_.get(), joined.data(), left.size() + right.size());
    return finish();
  }

 private:
  void begin() { EVP_DigestInit_ex2(context_.get(), nullptr, nullptr); }
  Digest finish() {
    Digest digest{digest_size(algorithm_)};
    EVP_DigestFinal_ex(context_.get(), raw(digest.mutable_view()), nullptr);
    return digest;
  }

  HashAlgorithm algorithm_;
  DigestContext context_;
};

}  // namespace

std::optional<HashAlgorithm> hash_algorithm(std::uint8_t number) {
  return number <= 4 ? std::optional{static_cast<HashAlgorithm>(number)} : std::nullopt;
}

std::optional<HashAlgorithm> hash_algorithm(std::string_view wanted) {
  const auto* const found = std::ranges::find(kHashAlgorithms, wanted, name);
  return found != kHashAlgorithms.end() ? std::optional{*found} : std::nullopt;
}

std::string_view name(HashAlgorithm algorithm) {
  switch (algorithm) {
    case HashAlgorithm::sha1: return "sha1";
    case HashAlgorithm::sha224: return "sha224";
    case HashAlgorithm::sha256: return "sha256";
    case HashAlgorithm::sha384: return "sha384";
    case HashAlgorithm::sha512: return "sha512";
  }
  return {};
}

std::unique_ptr<Hasher> make_hasher(HashAlgorithm algorithm) { return std::make_unique<OpensslHasher>(algorithm); }

Digest hash(HashAlgorithm algorithm, base::ByteView data) { return OpensslHasher{algorithm}.hash(data); }

struct RunningHash::State {
  HashAlgorithm algorithm;
  DigestContext context;
};

RunningHash::RunningHash(HashAlgorithm algorithm) : state_(std::make_unique<State>(State{algorithm, DigestContext{EVP_MD_CTX_new()}})) {
  base::check(EVP_DigestInit_ex2(state_->context.get(), evp_md(algorithm), nullptr) == 1, "hash context");
}

RunningHash::~RunningHash() = default;

void RunningHash::add(base::ByteView data) { EVP_DigestUpdate(state_->context.get(), data.data(), data.size()); }

Digest RunningHash::finish() {
  Digest digest{digest_size(state_->algorithm)};
  EVP_DigestFinal_ex(state_->context.get(), raw(digest.mutable_view()), nullptr);
  return digest;
}

Digest hmac_sha256(base::ByteView key, base::ByteView data) {
  Digest digest{32};
  unsigned int size = 0;
  const unsigned char* made =
      HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), raw(data), data.size(), raw(digest.mutable_view()), &size);
  base::check(made != nullptr && size == 32, "hmac");
  return digest;
}

base::Bytes hkdf_sha256(base::ByteView secret, base::ByteView salt, base::ByteView info, std::size_t size) {
  const std::unique_ptr<EVP_KDF, decltype(&EVP_KDF_free)> kdf{EVP_KDF_fetch(nullptr, "HKDF", nullptr), EVP_KDF_free};
  const std::unique_ptr<EVP_KDF_CTX, decltype(&EVP_KDF_CTX_free)> context{EVP_KDF_CTX_new(kdf.get()), EVP_KDF_CTX_free};
  const auto octets = [](const char* name, base::ByteView view) {
    return OSSL_PARAM_construct_octet_string(name, const_cast<std::byte*>(view.data()), view.size());
  };
  char digest_name[] = "SHA256";
  // No salt is as many zeros as a hash has bytes (RFC 5869 2.2); OpenSSL takes an empty one for a mistake.
  constexpr std::array<std::byte, 32> kNoSalt{};
  const OSSL_PARAM parameters[] = {
      OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest_name, 0),
      octets(OSSL_KDF_PARAM_KEY, secret),
      octets(OSSL_KDF_PARAM_SALT, salt.empty() ? base::ByteView{kNoSalt} : salt),
      octets(OSSL_KDF_PARAM_INFO, info),
      OSSL_PARAM_construct_end(),
  };
  base::Bytes out(size);
  base::check(EVP_KDF_derive(context.get(), raw(base::MutableByteView{out}), size, parameters) == 1, "hkdf");
  return out;
}

bool equal_in_constant_time(base::ByteView a, base::ByteView b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace runnel::crypto
