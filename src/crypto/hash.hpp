// Hashes, HMAC and HKDF behind one small synchronous interface.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <string_view>

#include "base/bytes.hpp"

namespace runnel::crypto {

// The numbers are those of RFC 7574 7.6 (Merkle Hash Tree Function).
enum class HashAlgorithm : std::uint8_t { sha1 = 0, sha224 = 1, sha256 = 2, sha384 = 3, sha512 = 4 };

constexpr std::size_t kMaxDigestSize = 64;
constexpr std::size_t digest_size(HashAlgorithm algorithm) {
  switch (algorithm) {
    case HashAlgorithm::sha1: return 20;
    case HashAlgorithm::sha224: return 28;
    case HashAlgorithm::sha256: return 32;
    case HashAlgorithm::sha384: return 48;
    case HashAlgorithm::sha512: return 64;
  }
  return 0;
}
inline constexpr std::array kHashAlgorithms{HashAlgorithm::sha1, HashAlgorithm::sha224, HashAlgorithm::sha256, HashAlgorithm::sha384,
                                            HashAlgorithm::sha512};
std::optional<HashAlgorithm> hash_algorithm(std::uint8_t number);
// By what command lines and texts call them: "sha1", "sha224", "sha256", "sha384", "sha512".
std::optional<HashAlgorithm> hash_algorithm(std::string_view name);
std::string_view name(HashAlgorithm algorithm);

// A hash value of 20 to 64 bytes; unused bytes stay zero, so values compare whole.
class Digest {
 public:
  constexpr Digest() = default;
  // A zero hash of `size` bytes: what RFC 7574 5.1 puts at leaves that do not exist.
  explicit constexpr Digest(std::size_t size) : size_(static_cast<std::uint8_t>(size)) {}
  // At most kMaxDigestSize bytes are taken.
  explicit Digest(base::ByteView bytes) : size_(static_cast<std::uint8_t>(std::min(bytes.size(), kMaxDigestSize))) {
    if (size_ == 32)   // SHA-256: a copy of known length is two instructions, and this is done for every node of a tree
      std::memcpy(bytes_.data(), bytes.data(), 32);
    else if (size_ > 0)   // a view of nothing points nowhere
      std::memcpy(bytes_.data(), bytes.data(), size_);
  }
  [[nodiscard]] base::ByteView view() const { return {bytes_.data(), size_}; }
  [[nodiscard]] base::MutableByteView mutable_view() { return {bytes_.data(), size_}; }
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] bool is_zero() const {
    static constexpr std::array<std::byte, kMaxDigestSize> kZero{};
    return std::memcmp(bytes_.data(), kZero.data(), kMaxDigestSize) == 0;   // unused ones are zero
  }
  friend bool operator==(const Digest& a, const Digest& b) {
    if (a.size_ == 32 && b.size_ == 32) return std::memcmp(a.bytes_.data(), b.bytes_.data(), 32) == 0;
    return a.size_ == b.size_ && std::memcmp(a.bytes_.data(), b.bytes_.data(), a.size_) == 0;
  }

 private:
  std::array<std::byte, kMaxDigestSize> bytes_{};
  std::uint8_t size_ = 0;
};

// Hashes of one algorithm. One owner, not thread-safe. The simulator puts a cheap stand-in here.
class Hasher {
 public:
  virtual ~Hasher() = default;
  [[nodiscard]] virtual HashAlgorithm algorithm() const = 0;
  [[nodiscard]] virtual Digest hash(base::ByteView data) = 0;
  // hash(left ++ right), the parent of two tree nodes (RFC 7574 5.1).
  [[nodiscard]] virtual Digest hash_pair(const Digest& left, const Digest& right) = 0;
};

// One-off uses, outside the hot path.
Digest hash(HashAlgorithm algorithm, base::ByteView data);

// A hash of bytes that come piece by piece.
class RunningHash {
 public:
  explicit RunningHash(HashAlgorithm algorithm);
  ~RunningHash();
  void add(base::ByteView data);
  // Once, last.
  [[nodiscard]] Digest finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};
Digest hmac_sha256(base::ByteView key, base::ByteView data);
// RFC 5869 with SHA-256.
base::Bytes hkdf_sha256(base::ByteView secret, base::ByteView salt, base::ByteView info, std::size_t size);

// Compares without telling by its time where they differ.
bool equal_in_constant_time(base::ByteView a, base::ByteView b);

}  // namespace runnel::crypto
