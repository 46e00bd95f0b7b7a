// Authenticated encryption of datagrams (AEAD, RFC 5116), behind one small synchronous interface.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

#include "base/bytes.hpp"

namespace runnel::crypto {

enum class SealAlgorithm : std::uint8_t {
  chacha20_poly1305,   // RFC 8439: as fast everywhere
  aes_128_gcm,         // faster where the processor has AES
};

constexpr std::size_t kSealTagSize = 16;      // bytes that sealing adds
constexpr std::size_t kSealNonceSize = 12;
using SealNonce = std::array<std::byte, kSealNonceSize>;

constexpr std::size_t seal_key_size(SealAlgorithm algorithm) { return algorithm == SealAlgorithm::aes_128_gcm ? 16 : 32; }

class SealContext;

// One key for one direction. One owner, not thread-safe.
class Seal {
 public:
  enum class Use : std::uint8_t { sealing, opening };
  // `key` has seal_key_size(algorithm) bytes.
  Seal(SealAlgorithm algorithm, Use use, base::ByteView key);
  ~Seal();
  Seal(Seal&&) noexcept;
  Seal& operator=(Seal&&) noexcept;

  // `header` is authenticated and stays readable. `out` has plain.size() + kSealTagSize bytes and does not overlap `plain`.
  // A nonce serves once.
  void seal(const SealNonce& nonce, base::ByteView header, base::ByteView plain, base::MutableByteView out);
  // Opens in place: the first sealed.size() - kSealTagSize bytes then hold what was sealed. False: forged or damaged, and
  // `sealed` holds nothing of use.
  [[nodiscard]] bool open(const SealNonce& nonce, base::ByteView header, base::MutableByteView sealed);

 private:
  std::unique_ptr<SealContext> context_;
};

}  // namespace runnel::crypto
