// The secret of a private link (k=): whoever has it may join, nobody else finds out that there is something to join.
#pragma once
#include <expected>
#include <filesystem>
#include <string>

#include "base/bytes.hpp"
#include "crypto/secret_rng.hpp"

namespace runnel::node {

// What `file` holds, or a new one that is put there (mode 0600), so that a link stays good when it is cast again. The error is a
// text for the user.
std::expected<base::Bytes, std::string> private_secret(const std::filesystem::path& file, crypto::SecretRng& random);
// For a swarm that nobody can cast again.
base::Bytes new_private_secret(crypto::SecretRng& random);

}  // namespace runnel::node
