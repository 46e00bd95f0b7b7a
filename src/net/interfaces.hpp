// The addresses of this machine, as others may reach it.
#pragma once
#include <vector>

#include "base/endpoint.hpp"

namespace runnel::net {

// Of interfaces that are up: global first, then private ones, loopback last; no link-local addresses (they need a zone).
std::vector<base::IpAddress> own_addresses();

// Where a socket bound to `bound` is reached from elsewhere: itself, or, when it is bound to all addresses, each own one.
std::vector<base::Endpoint> reachable_endpoints(const base::Endpoint& bound);

}  // namespace runnel::net
