#include "sim/crypto_kit.hpp"

#include <string>

#include "base/check.hpp"
#include "crypto/openssl.hpp"
#include "sim/mix.hpp"

namespace runnel::sim {
namespace {

constexpr std::size_t kSignatureSize = 64;   // as P-256 (RFC 7574 8.9)
constexpr std::size_t kKeySize = 64;

void expand(std::uint64_t value, base::MutableByteView to) {
  for (std::size_t at = 0; at + sizeof value <= to.size(); at += sizeof value) {
    value = base::mix64(value);
    base::store_big_endian(to.data() + at, value);
  }
}

class StandInHasher final : public crypto::Hasher {
 public:
  [[nodiscard]] crypto::HashAlgorithm algorithm() const override { return crypto::HashAlgorithm::sha256; }
  [[nodiscard]] crypto::Digest hash(base::ByteView data) override { return digest(mix_bytes(1, data)); }
  [[nodiscard]] crypto::Digest hash_pair(const crypto::Digest& left, const crypto::Digest& right) override {
    return digest(mix_two(mix_bytes(1, left.view()), mix_bytes(1, right.view())));
  }

 private:
  static crypto::Digest digest(std::uint64_t value) {
    crypto::Digest result{crypto::digest_size(crypto::HashAlgorithm::sha256)};
    expand(value, result.mutable_view());
    return result;
  }
};

base::Bytes stand_in_signature(std::uint64_t secret, base::ByteView message) {
  base::Bytes signature(kSignatureSize);
  expand(mix_bytes(secret, message), signature);
  return signature;
}

class StandInSigner final : public crypto::Signer {
 public:
  explicit StandInSigner(std::uint64_t secret) : secret_(secret), key_(1 + kKeySize) {
    key_[0] = static_cast<std::byte>(crypto::SignatureAlgorithm::ecdsa_p256_sha256);
    expand(base::mix64(secret), base::MutableByteView{key_}.subspan(1));
  }
  [[nodiscard]] base::Bytes sign(base::ByteView message) override { return stand_in_signature(secret_, message); }
  [[nodiscard]] const base::Bytes& public_key() const override { return key_; }

 private:
  std::uint64_t secret_;
  base::Bytes key_;
};

// Knows the secret, as no real verifier does: the simulated enemies play by rules of their own.
class StandInVerifier final : public crypto::Verifier {
 public:
  explicit StandInVerifier(std::uint64_t secret) : secret_(secret) {}
  [[nodiscard]] bool verify(base::ByteView message, base::ByteView signature) override {
    return base::equal(stand_in_signature(secret_, message), signature);
  }
  [[nodiscard]] std::size_t signature_size() const override { return kSignatureSize; }

 private:
  std::uint64_t secret_;
};

std::string base64(base::ByteView bytes) {
  constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (std::size_t at = 0; at < bytes.size(); at += 3) {   // the caller's size is a multiple of 3
    const unsigned group = std::to_integer<unsigned>(bytes[at]) << 16 | std::to_integer<unsigned>(bytes[at + 1]) << 8 |
                           std::to_integer<unsigned>(bytes[at + 2]);
    for (int shift = 18; shift >= 0; shift -= 6) text += kDigits[group >> shift & 63];
  }
  return text;
}

// An Ed25519 key in PKCS #8 (RFC 8410 7): a fixed head of 16 bytes and the 32 secret ones.
std::unique_ptr<crypto::Signer> real_signer(std::uint64_t seed) {
  constexpr std::string_view kHead = "302e020100300506032b657004220420";
  base::Bytes der = base::from_hex(kHead).value();
  der.resize(der.size() + 32);
  expand(seed, base::MutableByteView{der}.last(32));
  auto signer = crypto::parse_signer("-----BEGIN PRIVATE KEY-----\n" + base64(der) + "\n-----END PRIVATE KEY-----\n");
  base::check(signer.has_value(), "an Ed25519 key from a seed");
  return std::move(*signer);
}

}  // namespace

std::unique_ptr<crypto::Hasher> CryptoKit::hasher() const {
  if (kind_ == CryptoKind::real) return crypto::make_hasher(crypto::HashAlgorithm::sha256);
  return std::make_unique<StandInHasher>();
}

std::unique_ptr<crypto::Signer> CryptoKit::signer() const {
  if (kind_ == CryptoKind::real) return real_signer(seed_);
  return std::make_unique<StandInSigner>(seed_);
}

std::unique_ptr<crypto::Verifier> CryptoKit::verifier() const {
  if (kind_ == CryptoKind::real) return crypto::make_verifier(real_signer(seed_)->public_key()).value();
  return std::make_unique<StandInVerifier>(seed_);
}

}  // namespace runnel::sim
