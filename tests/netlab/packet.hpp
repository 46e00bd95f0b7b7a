// The little that a router wants to know of an IP packet.
#pragma once
#include <optional>

#include "base/bytes.hpp"
#include "base/endpoint.hpp"

namespace runnel::netlab {

// nullopt: neither IPv4 (RFC 791 3.1) nor IPv6 (RFC 8200 3), or cut short.
std::optional<base::IpAddress> destination_of(base::ByteView packet);

}  // namespace runnel::netlab
