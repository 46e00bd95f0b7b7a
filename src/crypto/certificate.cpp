#include "crypto/certificate.hpp"

#include <openssl/bn.h>
#include <openssl/objects.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "base/check.hpp"
#include "crypto/hash.hpp"
#include "crypto/openssl_key.hpp"

namespace runnel::crypto {
namespace {

using Certificate = std::unique_ptr<X509, Freed<X509_free>>;
using Names = std::unique_ptr<GENERAL_NAMES, Freed<GENERAL_NAMES_free>>;
using Name = std::unique_ptr<X509_NAME, Freed<X509_NAME_free>>;
using Number = std::unique_ptr<BIGNUM, Freed<BN_free>>;
using Asn1Time = std::unique_ptr<ASN1_TIME, Freed<ASN1_TIME_free>>;

constexpr const char* kIssuerName = "PPSPP";   // RFC 5280 4.1.2.4 wants one; the key that checks is known otherwise

// RFC 5280 4.1.2.2: positive, of at most 20 bytes, and another for each certificate.
constexpr std::size_t kSerialSize = 16;

Pkey another_owner(EVP_PKEY* key) {
  EVP_PKEY_up_ref(key);
  return Pkey{key};
}

std::int64_t seconds_of(base::WallTime at) { return std::chrono::floor<std::chrono::seconds>(at.time_since_epoch()).count(); }

// Peers of PPSPP have no keys, and a certificate must have one: for X25519, so that it can not sign, and all zeros, so that no agreement
// by it succeeds (RFC 7748 6.1). Its 32 bytes are also the shortest there are.
Pkey nobodys_key() {
  constexpr std::array<unsigned char, 32> kZeros{};
  return Pkey{EVP_PKEY_new_raw_public_key(EVP_PKEY_X25519, nullptr, kZeros.data(), kZeros.size())};
}

class OpensslIssuer final : public CertificateIssuer {
 public:
  OpensslIssuer(SignatureAlgorithm algorithm, Pkey key) : algorithm_(algorithm), key_(std::move(key)), subject_key_(nobodys_key()) {}

  base::Bytes issue(const Membership& membership) override {
    base::check(membership.uri.size() <= kMaxMembershipUri, "membership URI");
    const Certificate certificate{X509_new()};
    X509* const x = certificate.get();
    // The subject stands in subjectAltName alone: then its name is empty, and that is critical (RFC 5280 4.1.2.6).
    const bool made = X509_set_version(x, X509_VERSION_3) == 1 && set_serial(x, membership) && set_issuer(x) &&
                      ASN1_TIME_set(X509_getm_notBefore(x), seconds_of(membership.begins)) != nullptr &&
                      ASN1_TIME_set(X509_getm_notAfter(x), seconds_of(membership.ends)) != nullptr &&
                      X509_set_pubkey(x, subject_key_.get()) == 1 && add_uri(x, membership.uri) && X509_sign(x, key_.get(), digest()) > 0;
    base::check(made, "certificate");
    base::Bytes der(static_cast<std::size_t>(i2d_X509(x, nullptr)));
    auto* to = reinterpret_cast<unsigned char*>(der.data());
    base::check(i2d_X509(x, &to) == static_cast<int>(der.size()), "certificate");
    return der;
  }

 private:
  [[nodiscard]] const EVP_MD* digest() const {
    switch (algorithm_) {
      case SignatureAlgorithm::rsa_sha1:
      case SignatureAlgorithm::rsa_sha256:
      case SignatureAlgorithm::ecdsa_p256_sha256: return EVP_sha256();
      case SignatureAlgorithm::ecdsa_p384_sha384: return EVP_sha384();
      case SignatureAlgorithm::ed25519: return nullptr;
    }
    return nullptr;
  }

  static bool set_serial(X509* x, const Membership& membership) {
    base::Bytes about(sizeof(std::uint64_t));
    base::store_big_endian(about.data(), static_cast<std::uint64_t>(seconds_of(membership.begins)));
    base::Writer{about}.write_view(base::as_bytes(membership.uri));
    base::Bytes serial = base::to_bytes(hash(HashAlgorithm::sha256, about).view().first(kSerialSize));
    serial[0] = (serial[0] & std::byte{0x3f}) | std::byte{0x40};
    const Number number{BN_bin2bn(reinterpret_cast<const unsigned char*>(serial.data()), kSerialSize, nullptr)};
    return BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(x)) != nullptr;
  }

  static bool set_issuer(X509* x) {
    const Name name{X509_NAME_new()};
    const auto* text = reinterpret_cast<const unsigned char*>(kIssuerName);
    return X509_NAME_add_entry_by_NID(name.get(), NID_commonName, MBSTRING_ASC, text, -1, -1, 0) == 1 &&
           X509_set_issuer_name(x, name.get()) == 1;
  }

  static bool add_uri(X509* x, const std::string& uri) {
    const Names names{GENERAL_NAMES_new()};
    GENERAL_NAME* const name = GENERAL_NAME_new();
    if (sk_GENERAL_NAME_push(names.get(), name) <= 0) return false;   // it owns the name now
    ASN1_IA5STRING* const text = ASN1_IA5STRING_new();
    if (ASN1_STRING_set(text, uri.data(), static_cast<int>(uri.size())) != 1) return false;
    GENERAL_NAME_set0_value(name, GEN_URI, text);
    constexpr int kCritical = 1;
    return X509_add1_ext_i2d(x, NID_subject_alt_name, names.get(), kCritical, X509V3_ADD_DEFAULT) == 1;
  }

  SignatureAlgorithm algorithm_;
  Pkey key_;
  Pkey subject_key_;
};

// Extensions that may be critical: the one we need, and two that say nothing about where a peer is.
bool may_be_critical(int extension) {
  return extension == NID_subject_alt_name || extension == NID_basic_constraints || extension == NID_key_usage;
}

bool has_strange_critical(const X509* x) {
  for (int i = 0; i < X509_get_ext_count(x); ++i) {
    X509_EXTENSION* const extension = X509_get_ext(x, i);
    if (X509_EXTENSION_get_critical(extension) != 0 && !may_be_critical(OBJ_obj2nid(X509_EXTENSION_get_object(extension)))) return true;
  }
  return false;
}

// Of the only name in the only, and critical, subjectAltName.
std::optional<std::string> uri_of(const X509* x) {
  int critical = 0;
  const Names names{static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(x, NID_subject_alt_name, &critical, nullptr))};
  if (!names || critical != 1 || sk_GENERAL_NAME_num(names.get()) != 1) return std::nullopt;
  int kind = 0;
  const auto* text = static_cast<const ASN1_IA5STRING*>(GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(names.get(), 0), &kind));
  if (kind != GEN_URI) return std::nullopt;
  std::string uri{reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)), static_cast<std::size_t>(ASN1_STRING_length(text))};
  const bool printable = std::ranges::all_of(uri, [](char c) { return c > ' ' && c <= '~'; });
  return printable && uri.size() <= kMaxMembershipUri ? std::optional{std::move(uri)} : std::nullopt;
}

bool strong(const X509* x) {
  int hash = NID_undef;
  int key = NID_undef;
  const int signature = X509_get_signature_nid(x);
  if (signature == NID_ED25519) return true;
  return OBJ_find_sigid_algs(signature, &hash, &key) == 1 && (hash == NID_sha256 || hash == NID_sha384 || hash == NID_sha512);
}

class OpensslChecker final : public CertificateChecker {
 public:
  explicit OpensslChecker(Pkey key) : key_(std::move(key)), epoch_(ASN1_TIME_set(nullptr, 0)) {}

  std::expected<Membership, CertificateError> check(base::ByteView der) override {
    if (der.size() > kMaxCertificateSize) return std::unexpected(CertificateError::malformed);
    const auto* at = reinterpret_cast<const unsigned char*>(der.data());
    const auto* const end = at + der.size();
    const Certificate certificate{d2i_X509(nullptr, &at, static_cast<long>(der.size()))};
    X509* const x = certificate.get();
    if (x == nullptr || at != end || X509_get_version(x) != X509_VERSION_3) return std::unexpected(CertificateError::malformed);
    const auto begins = time_of(X509_get0_notBefore(x));
    const auto ends = time_of(X509_get0_notAfter(x));
    if (!begins || !ends) return std::unexpected(CertificateError::malformed);
    auto uri = uri_of(x);
    if (!uri || has_strange_critical(x)) return std::unexpected(CertificateError::wrong_form);
    if (!strong(x)) return std::unexpected(CertificateError::weak);
    if (X509_verify(x, key_.get()) != 1) return std::unexpected(CertificateError::not_signed);   // the dear part comes last
    return Membership{std::move(*uri), *begins, *ends};
  }

 private:
  [[nodiscard]] std::optional<base::WallTime> time_of(const ASN1_TIME* time) const {
    int days = 0;
    int seconds = 0;
    if (ASN1_TIME_diff(&days, &seconds, epoch_.get(), time) != 1) return std::nullopt;
    return base::WallTime{std::chrono::hours{24} * std::int64_t{days} + std::chrono::seconds{seconds}};
  }

  Pkey key_;
  Asn1Time epoch_;   // 1970
};

}  // namespace

std::string message(CertificateError error) {
  switch (error) {
    case CertificateError::malformed: return "it is no X.509v3 certificate in DER";
    case CertificateError::wrong_form: return "it does not name one peer in a critical subjectAltName";
    case CertificateError::weak: return "it is signed by an algorithm that is too weak or not known";
    case CertificateError::not_signed: return "the swarm's key did not sign it";
  }
  return {};
}

std::unique_ptr<CertificateIssuer> make_certificate_issuer(const Signer& signer) {
  const auto& own = dynamic_cast<const OpensslKey&>(signer);
  return std::make_unique<OpensslIssuer>(own.algorithm(), another_owner(own.key()));
}

std::unique_ptr<CertificateChecker> make_certificate_checker(const Verifier& verifier) {
  return std::make_unique<OpensslChecker>(another_owner(dynamic_cast<const OpensslKey&>(verifier).key()));
}

}  // namespace runnel::crypto
