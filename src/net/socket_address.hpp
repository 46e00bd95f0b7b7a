// base::Endpoint to and from the kernel's socket addresses.
#pragma once
#include <netinet/in.h>
#include <sys/socket.h>

#include <cstring>

#include "base/endpoint.hpp"

namespace runnel::net {

// For an AF_INET6 socket every endpoint becomes a sockaddr_in6 (IPv4 as a mapped address, RFC 4291 2.5.5.2); for an AF_INET
// socket only IPv4 ones can be written. Returns the length.
inline socklen_t write_address(const base::Endpoint& endpoint, bool v6, sockaddr_storage& into) {
  std::memset(&into, 0, sizeof into);
  if (v6) {
    sockaddr_in6 address{};
    address.sin6_family = AF_INET6;
    address.sin6_port = htons(endpoint.port);
    std::memcpy(&address.sin6_addr, endpoint.address.v6_octets().data(), 16);
    std::memcpy(&into, &address, sizeof address);
    return sizeof address;
  }
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(endpoint.port);
  const auto octets = endpoint.address.v4_octets();
  std::memcpy(&address.sin_addr, octets.data(), octets.size());
  std::memcpy(&into, &address, sizeof address);
  return sizeof address;
}

// The unspecified endpoint for any other family.
inline base::Endpoint read_address(const sockaddr_storage& from) {
  if (from.ss_family == AF_INET6) {
    sockaddr_in6 address{};
    std::memcpy(&address, &from, sizeof address);
    std::array<std::uint8_t, 16> octets{};
    std::memcpy(octets.data(), &address.sin6_addr, octets.size());
    return {base::IpAddress::v6(octets), ntohs(address.sin6_port)};
  }
  if (from.ss_family == AF_INET) {
    sockaddr_in address{};
    std::memcpy(&address, &from, sizeof address);
    std::array<std::uint8_t, 4> octets{};
    std::memcpy(octets.data(), &address.sin_addr, octets.size());
    return {base::IpAddress::v4(octets), ntohs(address.sin_port)};
  }
  return {};
}

}  // namespace runnel::net
