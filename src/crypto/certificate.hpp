// Membership certificates (RFC 7574 3.10.1, 8.13): X.509v3 in DER, by which the holder of a live swarm's key says that it heard from a
// peer.
#pragma once
#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>
#include <string>

#include "base/bytes.hpp"
#include "base/time.hpp"
#include "crypto/sign.hpp"

namespace runnel::crypto {

constexpr std::size_t kMaxCertificateSize = 2048;   // bytes; one that is sent fits a datagram
// Bytes: the id of a swarm of an RSA key of 4096 bits, with a peer's address before it, has 1100.
constexpr std::size_t kMaxMembershipUri = 1200;

// At `begins` its issuer heard from the peer that the URI names. Certificates count whole seconds.
struct Membership {
  std::string uri;   // file://HOST:PORT/SWARM, printable ASCII, at most kMaxMembershipUri bytes
  base::WallTime begins;
  base::WallTime ends;
};

enum class CertificateError : std::uint8_t {
  malformed,    // no DER of X.509v3, too long, or with bytes behind it
  wrong_form,   // not one URI in one critical subjectAltName, or something else that is critical
  weak,         // signed by another algorithm than ECDSA, RSA or Ed25519 with SHA-256 or better
  not_signed,   // by this key
};
std::string message(CertificateError error);

// One owner, not thread-safe; the same holds for CertificateChecker.
class CertificateIssuer {
 public:
  virtual ~CertificateIssuer() = default;
  // Equal memberships have equal serial numbers.
  [[nodiscard]] virtual base::Bytes issue(const Membership& membership) = 0;
};

class CertificateChecker {
 public:
  virtual ~CertificateChecker() = default;
  // What a certificate says that the key signed. Whether that is true now, and of which swarm, is left to the caller.
  [[nodiscard]] virtual std::expected<Membership, CertificateError> check(base::ByteView der) = 0;
};

// For keys that make_verifier(), generate_signer() or parse_signer() made. RSA keys of either kind sign certificates with SHA-256.
std::unique_ptr<CertificateIssuer> make_certificate_issuer(const Signer& signer);
std::unique_ptr<CertificateChecker> make_certificate_checker(const Verifier& verifier);

}  // namespace runnel::crypto
