// Signatures of live swarms (RFC 7574 6.1, 7.7) and the public keys that name them.
#pragma once
#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.hpp"

namespace runnel::crypto {

// DNSSEC algorithm numbers, as option 5 carries them (RFC 7574 7.7; Ed25519: RFC 8080).
enum class SignatureAlgorithm : std::uint8_t { rsa_sha1 = 5, rsa_sha256 = 8, ecdsa_p256_sha256 = 13, ecdsa_p384_sha384 = 14, ed25519 = 15 };

std::optional<SignatureAlgorithm> signature_algorithm(std::uint8_t number);

enum class KeyError {
  malformed,
  unsupported_algorithm,
  not_on_curve,
  no_private_key,    // a key file that is something else
  encrypted,         // a key file with a pass phrase
  other_algorithm,   // the algorithm that a key file names is not one of its key's
  rsa_size,          // of a key that is to sign
};
std::string message(KeyError error);

// Checks signatures of one key. One owner, not thread-safe.
class Verifier {
 public:
  virtual ~Verifier() = default;
  [[nodiscard]] virtual bool verify(base::ByteView message, base::ByteView signature) = 0;
  // Length of a raw signature (RFC 7574 8.9): P-256 64, P-384 96, Ed25519 64, RSA the modulus.
  [[nodiscard]] virtual std::size_t signature_size() const = 0;
};

class Signer {
 public:
  virtual ~Signer() = default;
  // Raw form: r ++ s for ECDSA.
  [[nodiscard]] virtual base::Bytes sign(base::ByteView message) = 0;
  // The live swarm id in wire form: u8 algorithm ++ key (RFC 7574 6.1). P-256: 65 bytes.
  [[nodiscard]] virtual const base::Bytes& public_key() const = 0;
};

// `public_key` in wire form: u8 algorithm ++ key, as in a live swarm id.
std::expected<std::unique_ptr<Verifier>, KeyError> make_verifier(base::ByteView public_key);

// A new key; RSA keys have 2048 bits.
std::unique_ptr<Signer> generate_signer(SignatureAlgorithm algorithm);
// A key file is PKCS #8 in PEM, not encrypted, mode 0600 (docs/KEYS.md). An RSA key signs with SHA-256, unless a line before the PEM
// block says "Algorithm: 5", as in the key files of DNSSEC.
std::expected<std::unique_ptr<Signer>, KeyError> parse_signer(std::string_view pem);
std::string to_pem(const Signer& signer);

// P-256 keys print compressed (33-byte point, 68 hex digits with the algorithm byte); these convert (SEC 1 2.3).
// Input and output include the algorithm byte. Other algorithms pass unchanged; a compressed P-384 key is expanded as well.
std::expected<base::Bytes, KeyError> compress_key(base::ByteView wire_form);
std::expected<base::Bytes, KeyError> expand_key(base::ByteView printed_form);

}  // namespace runnel::crypto
