// The OpenSSL side of the crypto interfaces. Only node, the tests and the benchmarks name it.
#pragma once
#include <memory>

#include "crypto/hash.hpp"

namespace runnel::crypto {

std::unique_ptr<Hasher> make_hasher(HashAlgorithm algorithm);

}  // namespace runnel::crypto
