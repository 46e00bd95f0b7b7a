#include "crypto/sign.hpp"

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <vector>

#include "base/check.hpp"
#include "crypto/openssl_key.hpp"

namespace runnel::crypto {
namespace {

using PkeyContext = std::unique_ptr<EVP_PKEY_CTX, Freed<EVP_PKEY_CTX_free>>;
using MdContext = std::unique_ptr<EVP_MD_CTX, Freed<EVP_MD_CTX_free>>;
using Bio = std::unique_ptr<BIO, Freed<BIO_free_all>>;
using Bignum = std::unique_ptr<BIGNUM, Freed<BN_free>>;
using EcdsaSignature = std::unique_ptr<ECDSA_SIG, Freed<ECDSA_SIG_free>>;
using ParamBuilder = std::unique_ptr<OSSL_PARAM_BLD, Freed<OSSL_PARAM_BLD_free>>;
using Params = std::unique_ptr<OSSL_PARAM, Freed<OSSL_PARAM_free>>;

const unsigned char* raw(base::ByteView view) { return reinterpret_cast<const unsigned char*>(view.data()); }
unsigned char* raw(base::Bytes& bytes) { return reinterpret_cast<unsigned char*>(bytes.data()); }

// RSA moduli outside these are refused: shorter ones are broken, longer ones are a way to burn our time.
constexpr int kMinRsaBits = 1024;
constexpr int kMaxRsaBits = 4096;
constexpr int kMinSigningRsaBits = 2048;   // of keys for new streams

const EVP_MD* message_digest(SignatureAlgorithm algorithm) {
  switch (algorithm) {
    case SignatureAlgorithm::rsa_sha1: return EVP_sha1();
    case SignatureAlgorithm::rsa_sha256:
    case SignatureAlgorithm::ecdsa_p256_sha256: return EVP_sha256();
    case SignatureAlgorithm::ecdsa_p384_sha384: return EVP_sha384();
    case SignatureAlgorithm::ed25519: return nullptr;
  }
  return nullptr;
}

// Bytes of one coordinate; 0 for algorithms that are not ECDSA.
std::size_t coordinate_size(SignatureAlgorithm algorithm) {
  switch (algorithm) {
    case SignatureAlgorithm::ecdsa_p256_sha256: return 32;
    case SignatureAlgorithm::ecdsa_p384_sha384: return 48;
    case SignatureAlgorithm::rsa_sha1:
    case SignatureAlgorithm::rsa_sha256:
    case SignatureAlgorithm::ed25519: return 0;
  }
  return 0;
}

Pkey build_key(const char* type, const Params& parameters) {
  const PkeyContext context{EVP_PKEY_CTX_new_from_name(nullptr, type, nullptr)};
  EVP_PKEY* key = nullptr;
  if (!parameters || EVP_PKEY_fromdata_init(context.get()) != 1 ||
      EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_PUBLIC_KEY, parameters.get()) != 1) {
    return nullptr;
  }
  return Pkey{key};
}

// `point`: SEC 1 form, 04 x y or 02/03 x. OpenSSL checks that it lies on the curve.
Pkey ec_key(SignatureAlgorithm algorithm, base::ByteView point) {
  const ParamBuilder builder{OSSL_PARAM_BLD_new()};
  const char* group = algorithm == SignatureAlgorithm::ecdsa_p256_sha256 ? "prime256v1" : "secp384r1";
  OSSL_PARAM_BLD_push_utf8_string(builder.get(), OSSL_PKEY_PARAM_GROUP_NAME, group, 0);
  OSSL_PARAM_BLD_push_octet_string(builder.get(), OSSL_PKEY_PARAM_PUB_KEY, point.data(), point.size());
  return build_key("EC", Params{OSSL_PARAM_BLD_to_param(builder.get())});
}

// RFC 3110 2: exponent length (1 byte, or 0 and 2 bytes), exponent, modulus.
Pkey rsa_key(base::ByteView key) {
  base::Reader reader{key};
  const auto first = reader.read<std::uint8_t>();
  if (!first) return nullptr;
  std::size_t exponent_size = *first;
  if (exponent_size == 0) {
    const auto wide = reader.read<std::uint16_t>();
    if (!wide) return nullptr;
    exponent_size = *wide;
  }
  // A public exponent of more than 8 bytes has no use but to burn our time.
  const auto exponent = exponent_size <= 8 ? reader.read_view(exponent_size) : std::nullopt;
  if (!exponent || exponent->empty() || reader.empty() || reader.remaining() > kMaxRsaBits / 8) return nullptr;
  const Bignum e{BN_bin2bn(raw(*exponent), static_cast<int>(exponent->size()), nullptr)};
  const Bignum n{BN_bin2bn(raw(reader.rest()), static_cast<int>(reader.remaining()), nullptr)};
  if (BN_num_bits(n.get()) < kMinRsaBits) return nullptr;
  const ParamBuilder builder{OSSL_PARAM_BLD_new()};
  OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, n.get());
  OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_E, e.get());
  return build_key("RSA", Params{OSSL_PARAM_BLD_to_param(builder.get())});
}

base::Bytes uncompressed_point(base::ByteView xy) {
  base::Bytes point{std::byte{4}};
  point.insert(point.end(), xy.begin(), xy.end());
  return point;
}

std::expected<Pkey, KeyError> parse_public_key(SignatureAlgorithm algorithm, base::ByteView key) {
  Pkey parsed;
  switch (algorithm) {
    case SignatureAlgorithm::rsa_sha1:
    case SignatureAlgorithm::rsa_sha256: parsed = rsa_key(key); break;
    case SignatureAlgorithm::ecdsa_p256_sha256:
    case SignatureAlgorithm::ecdsa_p384_sha384:
      if (key.size() != 2 * coordinate_size(algorithm)) return std::unexpected(KeyError::malformed);
      parsed = ec_key(algorithm, uncompressed_point(key));
      if (!parsed) return std::unexpected(KeyError::not_on_curve);
      break;
    case SignatureAlgorithm::ed25519:
      if (key.size() != 32) return std::unexpected(KeyError::malformed);
      parsed.reset(EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, raw(key), key.size()));
      break;
  }
  if (!parsed) return std::unexpected(KeyError::malformed);
  return parsed;
}

// ECDSA signatures travel as r ++ s (RFC 7574 8.9); OpenSSL wants DER.
std::optional<base::Bytes> der_from_raw(base::ByteView signature, std::size_t coordinate) {
  const EcdsaSignature parts{ECDSA_SIG_new()};
  const auto number = [&](std::size_t at) {
    return BN_bin2bn(raw(signature.subspan(at, coordinate)), static_cast<int>(coordinate), nullptr);
  };
  ECDSA_SIG_set0(parts.get(), number(0), number(coordinate));
  unsigned char* der = nullptr;
  const int size = i2d_ECDSA_SIG(parts.get(), &der);
  if (size <= 0) return std::nullopt;
  base::Bytes out = base::to_bytes(std::as_bytes(std::span{der, static_cast<std::size_t>(size)}));
  OPENSSL_free(der);
  return out;
}

base::Bytes raw_from_der(base::ByteView der, std::size_t coordinate) {
  const unsigned char* at = raw(der);
  const EcdsaSignature parts{d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(der.size()))};
  base::check(parts != nullptr, "own signature");
  base::Bytes out(2 * coordinate);
  BN_bn2binpad(ECDSA_SIG_get0_r(parts.get()), raw(out), static_cast<int>(coordinate));
  BN_bn2binpad(ECDSA_SIG_get0_s(parts.get()), raw(out) + coordinate, static_cast<int>(coordinate));
  return out;
}

class OpensslVerifier final : public Verifier, public OpensslKey {
 public:
  OpensslVerifier(SignatureAlgorithm algorithm, Pkey key) : algorithm_(algorithm), key_(std::move(key)), context_(EVP_MD_CTX_new()) {}

  bool verify(base::ByteView message, base::ByteView signature) override {
    if (signature.size() != signature_size()) return false;
    base::Bytes der;
    if (const std::size_t coordinate = coordinate_size(algorithm_)) {
      auto made = der_from_raw(signature, coordinate);
      if (!made) return false;
      der = std::move(*made);
      signature = der;
    }
    EVP_MD_CTX_reset(context_.get());
    return EVP_DigestVerifyInit(context_.get(), nullptr, message_digest(algorithm_), nullptr, key_.get()) == 1 &&
           EVP_DigestVerify(context_.get(), raw(signature), signature.size(), raw(message), message.size()) == 1;
  }

  std::size_t signature_size() const override {
    if (const std::size_t coordinate = coordinate_size(algorithm_)) return 2 * coordinate;
    return static_cast<std::size_t>(EVP_PKEY_get_size(key_.get()));
  }

  EVP_PKEY* key() const override { return key_.get(); }
  SignatureAlgorithm algorithm() const override { return algorithm_; }

 private:
  SignatureAlgorithm algorithm_;
  Pkey key_;
  MdContext context_;
};

// A number of the key, in `size` bytes or, without one, as few as it takes.
base::Bytes number_of(const EVP_PKEY* key, const char* name, std::optional<int> size = std::nullopt) {
  BIGNUM* number = nullptr;
  base::check(EVP_PKEY_get_bn_param(key, name, &number) == 1, "public key");
  const Bignum owned{number};
  base::Bytes bytes(static_cast<std::size_t>(size.value_or(BN_num_bytes(number))));
  base::check(BN_bn2binpad(number, raw(bytes), static_cast<int>(bytes.size())) >= 0, "public key");
  return bytes;
}

base::Bytes wire_form(SignatureAlgorithm algorithm, EVP_PKEY* key) {
  base::Bytes out{static_cast<std::byte>(algorithm)};
  if (algorithm == SignatureAlgorithm::ed25519) {
    std::array<unsigned char, 32> bytes{};
    std::size_t size = bytes.size();
    base::check(EVP_PKEY_get_raw_public_key(key, bytes.data(), &size) == 1, "public key");
    base::Writer{out}.write_view(std::as_bytes(std::span{bytes}));
    return out;
  }
  const int coordinate = static_cast<int>(coordinate_size(algorithm));
  if (coordinate != 0) {
    base::Writer{out}.write_view(number_of(key, OSSL_PKEY_PARAM_EC_PUB_X, coordinate));
    base::Writer{out}.write_view(number_of(key, OSSL_PKEY_PARAM_EC_PUB_Y, coordinate));
    return out;
  }
  const base::Bytes exponent = number_of(key, OSSL_PKEY_PARAM_RSA_E);   // RFC 3110 2
  base::Writer writer{out};
  if (exponent.size() < 256) {
    writer.write(static_cast<std::uint8_t>(exponent.size()));
  } else {
    writer.write(std::uint8_t{0});
    writer.write(static_cast<std::uint16_t>(exponent.size()));
  }
  writer.write_view(exponent);
  writer.write_view(number_of(key, OSSL_PKEY_PARAM_RSA_N));
  return out;
}

class OpensslSigner final : public Signer, public OpensslKey {
 public:
  OpensslSigner(SignatureAlgorithm algorithm, Pkey key)
      : algorithm_(algorithm), key_(std::move(key)), context_(EVP_MD_CTX_new()), public_key_(wire_form(algorithm, key_.get())) {}

  base::Bytes sign(base::ByteView message) override {
    auto signature = try_sign(message);
    base::check(signature.has_value(), "sign");
    return std::move(*signature);
  }

  // nullopt: a key whose parts do not fit each other.
  std::optional<base::Bytes> try_sign(base::ByteView message) {
    std::size_t size = 0;
    EVP_MD_CTX_reset(context_.get());
    if (EVP_DigestSignInit(context_.get(), nullptr, message_digest(algorithm_), nullptr, key_.get()) != 1) return std::nullopt;
    if (EVP_DigestSign(context_.get(), nullptr, &size, raw(message), message.size()) != 1) return std::nullopt;
    base::Bytes out(size);
    if (EVP_DigestSign(context_.get(), raw(out), &size, raw(message), message.size()) != 1) return std::nullopt;
    out.resize(size);
    const std::size_t coordinate = coordinate_size(algorithm_);
    return coordinate != 0 ? raw_from_der(out, coordinate) : out;
  }

  const base::Bytes& public_key() const override { return public_key_; }
  EVP_PKEY* key() const override { return key_.get(); }
  SignatureAlgorithm algorithm() const override { return algorithm_; }

 private:
  SignatureAlgorithm algorithm_;
  Pkey key_;
  MdContext context_;
  base::Bytes public_key_;
};

bool is_of(SignatureAlgorithm algorithm, base::ByteView key) { return !key.empty() && key[0] == static_cast<std::byte>(algorithm); }

// ---- key files ------------------------------------------------------------------------------------------------------

constexpr std::string_view kAlgorithmLine = "Algorithm:";

// What a private key can sign with, the usual first; nothing for keys of other kinds.
std::vector<SignatureAlgorithm> algorithms_of(const EVP_PKEY* key) {
  if (EVP_PKEY_is_a(key, "ED25519") == 1) return {SignatureAlgorithm::ed25519};
  if (EVP_PKEY_is_a(key, "RSA") == 1) return {SignatureAlgorithm::rsa_sha256, SignatureAlgorithm::rsa_sha1};
  std::array<char, 32> group{};
  std::size_t size = 0;
  if (EVP_PKEY_is_a(key, "EC") != 1 || EVP_PKEY_get_group_name(key, group.data(), group.size(), &size) != 1) return {};
  if (std::string_view{group.data()} == "prime256v1") return {SignatureAlgorithm::ecdsa_p256_sha256};
  if (std::string_view{group.data()} == "secp384r1") return {SignatureAlgorithm::ecdsa_p384_sha384};
  return {};
}

// The number that a line before the PEM block names, 0 if it is none; nullopt without such a line.
std::optional<unsigned> named_algorithm(std::string_view pem) {
  std::string_view head = pem.substr(0, pem.find("-----BEGIN"));
  while (!head.empty()) {
    std::string_view line = head.substr(0, head.find('\n'));
    head.remove_prefix(std::min(head.size(), line.size() + 1));
    if (!line.starts_with(kAlgorithmLine)) continue;
    line.remove_prefix(std::min(line.size(), line.find_first_not_of(' ', kAlgorithmLine.size())));
    unsigned number = 0;
    std::from_chars(line.data(), line.data() + line.size(), number);
    return number;
  }
  return std::nullopt;
}

std::expected<Pkey, KeyError> read_private_key(std::string_view pem) {
  if (!pem.contains("PRIVATE KEY-----")) return std::unexpected(KeyError::no_private_key);
  const Bio bio{BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size()))};
  // A callback that gives no pass phrase: an encrypted key must not stop us at a prompt.
  bool encrypted = false;
  const auto refuse = [](char*, int, int, void* asked) {
    *static_cast<bool*>(asked) = true;
    return -1;
  };
  Pkey key{PEM_read_bio_PrivateKey(bio.get(), nullptr, refuse, &encrypted)};
  if (!key) return std::unexpected(encrypted ? KeyError::encrypted : KeyError::malformed);
  return key;
}

}  // namespace

std::optional<SignatureAlgorithm> signature_algorithm(std::uint8_t number) {
  switch (number) {
    case 5: return SignatureAlgorithm::rsa_sha1;
    case 8: return SignatureAlgorithm::rsa_sha256;
    case 13: return SignatureAlgorithm::ecdsa_p256_sha256;
    case 14: return SignatureAlgorithm::ecdsa_p384_sha384;
    case 15: return SignatureAlgorithm::ed25519;
    default: return std::nullopt;
  }
}

std::string message(KeyError error) {
  switch (error) {
    case KeyError::malformed: return "the key is damaged or has the wrong length";
    case KeyError::unsupported_algorithm: return "the key's algorithm is not one of RSA, ECDSA P-256, ECDSA P-384 and Ed25519";
    case KeyError::not_on_curve: return "the key is not a point of its curve: it was mistyped or cut";
    case KeyError::no_private_key: return "it holds no private key in PEM form";
    case KeyError::encrypted: return "the key is encrypted: `openssl pkey -in OLD -out NEW` writes it without its pass phrase";
    case KeyError::other_algorithm: return "its line Algorithm: names an algorithm that its key is not for";
    case KeyError::rsa_size: return "an RSA key must have 2048 to 4096 bits, and a public exponent of at most 64";
  }
  return {};
}

std::expected<std::unique_ptr<Verifier>, KeyError> make_verifier(base::ByteView public_key) {
  if (public_key.empty()) return std::unexpected(KeyError::malformed);
  const auto algorithm = signature_algorithm(std::to_integer<std::uint8_t>(public_key[0]));
  if (!algorithm) return std::unexpected(KeyError::unsupported_algorithm);
  auto key = parse_public_key(*algorithm, public_key.subspan(1));
  if (!key) return std::unexpected(key.error());
  return std::make_unique<OpensslVerifier>(*algorithm, std::move(*key));
}

std::unique_ptr<Signer> generate_signer(SignatureAlgorithm algorithm) {
  Pkey key;
  switch (algorithm) {
    case SignatureAlgorithm::rsa_sha1:
    case SignatureAlgorithm::rsa_sha256:
      key.reset(EVP_PKEY_Q_keygen(nullptr, nullptr, "RSA", static_cast<std::size_t>(kMinSigningRsaBits)));
      break;
    case SignatureAlgorithm::ecdsa_p256_sha256: key.reset(EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256")); break;
    case SignatureAlgorithm::ecdsa_p384_sha384: key.reset(EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-384")); break;
    case SignatureAlgorithm::ed25519: key.reset(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519")); break;
  }
  base::check(key != nullptr, "key generation");
  return std::make_unique<OpensslSigner>(algorithm, std::move(key));
}

std::expected<std::unique_ptr<Signer>, KeyError> parse_signer(std::string_view pem) {
  auto key = read_private_key(pem);
  if (!key) return std::unexpected(key.error());
  const auto algorithms = algorithms_of(key->get());
  if (algorithms.empty()) return std::unexpected(KeyError::unsupported_algorithm);
  SignatureAlgorithm algorithm = algorithms[0];
  if (const auto named = named_algorithm(pem)) {
    const auto found = std::ranges::find(algorithms, *named, [](SignatureAlgorithm a) { return static_cast<unsigned>(a); });
    if (found == algorithms.end()) return std::unexpected(KeyError::other_algorithm);
    algorithm = *found;
  }
  const bool is_rsa = algorithms.size() > 1;
  const int bits = EVP_PKEY_get_bits(key->get());
  if (is_rsa && (bits < kMinSigningRsaBits || bits > kMaxRsaBits)) return std::unexpected(KeyError::rsa_size);
  auto signer = std::make_unique<OpensslSigner>(algorithm, std::move(*key));
  // A file may hold parts that do not fit each other, or a public key that no viewer takes: better told now than by silence.
  const auto verifier = make_verifier(signer->public_key());
  if (!verifier) return std::unexpected(is_rsa ? KeyError::rsa_size : verifier.error());
  const auto probe = base::as_bytes("probe");
  const auto signature = signer->try_sign(probe);
  if (!signature || !(*verifier)->verify(probe, *signature)) return std::unexpected(KeyError::malformed);
  return signer;
}

std::string to_pem(const Signer& signer) {
  const auto& own = dynamic_cast<const OpensslSigner&>(signer);
  const Bio bio{BIO_new(BIO_s_mem())};
  base::check(PEM_write_bio_PKCS8PrivateKey(bio.get(), own.key(), nullptr, nullptr, 0, nullptr, nullptr) == 1, "key to PEM");
  char* text = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &text);
  std::string pem{text, static_cast<std::size_t>(size)};
  return own.algorithm() == SignatureAlgorithm::rsa_sha1 ? std::string{kAlgorithmLine} + " 5 (RSASHA1)\n" + pem : pem;
}

std::expected<base::Bytes, KeyError> compress_key(base::ByteView wire_form) {
  if (!is_of(SignatureAlgorithm::ecdsa_p256_sha256, wire_form)) return base::to_bytes(wire_form);
  if (wire_form.size() != 65) return std::unexpected(KeyError::malformed);
  base::Bytes out{wire_form[0], (wire_form[64] & std::byte{1}) == std::byte{0} ? std::byte{2} : std::byte{3}};
  base::Writer{out}.write_view(wire_form.subspan(1, 32));
  return out;
}

std::expected<base::Bytes, KeyError> expand_key(base::ByteView printed_form) {
  for (const auto algorithm : {SignatureAlgorithm::ecdsa_p256_sha256, SignatureAlgorithm::ecdsa_p384_sha384}) {
    // The point behind the algorithm byte: one byte more than a coordinate.
    if (!is_of(algorithm, printed_form) || printed_form.size() != 2 + coordinate_size(algorithm)) continue;
    const Pkey key = ec_key(algorithm, printed_form.subspan(1));
    if (!key) return std::unexpected(KeyError::not_on_curve);
    return crypto::wire_form(algorithm, key.get());
  }
  const auto known = make_verifier(printed_form);
  if (!known) return std::unexpected(known.error());
  return base::to_bytes(printed_form);
}

}  // namespace runnel::crypto
