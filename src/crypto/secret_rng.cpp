#include "crypto/secret_rng.hpp"

#include <openssl/rand.h>

#include <stdexcept>

#include "crypto/hash.hpp"

namespace runnel::crypto {

void SecretRng::refill() {
  base::Bytes input{seed_.begin(), seed_.end()};
  base::Writer{input}.write(counter_++);
  std::memcpy(block_.data(), hash(HashAlgorithm::sha256, input).view().data(), block_.size());
  used_ = 0;
}

std::uint64_t SecretRng::next() {
  if (used_ + sizeof(std::uint64_t) > block_.size()) refill();
  const auto value = base::load_big_endian<std::uint64_t>(block_.data() + used_);
  used_ += sizeof value;
  return value;
}

SecretRng::Seed os_random_seed() {
  SecretRng::Seed seed;
  if (RAND_bytes(reinterpret_cast<unsigned char*>(seed.data()), static_cast<int>(seed.size())) != 1) {
    throw std::runtime_error("the operating system gave no random bytes");
  }
  return seed;
}

}  // namespace runnel::crypto
