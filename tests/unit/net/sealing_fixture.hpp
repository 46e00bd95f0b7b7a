// What the tests of sealing share.
#pragma once
#include <optional>
#include <string>
#include <utility>

#include "base/endpoint.hpp"
#include "core/swarm/sealing_key.hpp"
#include "net/dtls.hpp"

namespace runnel::net::test {

inline base::Endpoint place(std::uint8_t last) { return {base::IpAddress::v4({192, 0, 2, last}), 7000}; }

inline swarm::SealingKey key_of(std::string_view swarm, std::string_view secret = {}) {
  return swarm::sealing_key(base::as_bytes(swarm), base::as_bytes(secret));
}

// A node's keys, as a DtlsContext asks for them.
struct Keys {
  std::vector<swarm::SealingKey> known;
  const swarm::SealingKey* find(std::string_view identity) const {
    for (const auto& key : known) {
      if (key.identity == identity) return &key;
    }
    return nullptr;
  }
};

inline base::Bytes secret_of(std::uint8_t seed) { return base::Bytes(32, static_cast<std::byte>(seed)); }

}  // namespace runnel::net::test
