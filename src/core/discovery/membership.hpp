// The names that membership certificates give to peers (RFC 7574 8.13): file://HOST:PORT/SWARM, the swarm's id in hexadecimal.
#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.hpp"
#include "base/endpoint.hpp"

namespace runnel::discovery {

// `swarm_id`: as it goes on the wire. IPv6 addresses stand in brackets (RFC 3986 3.2.2).
std::string membership_uri(const base::Endpoint& peer, base::ByteView swarm_id);

// The peer that it names; nullopt: it is no such name, it names a place where nobody can be, or it is about another swarm.
std::optional<base::Endpoint> peer_of_membership(std::string_view uri, base::ByteView swarm_id);

}  // namespace runnel::discovery
