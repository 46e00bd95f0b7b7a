// Our addresses as Asio's and back. An IPv4-mapped IPv6 address becomes the IPv4 one that it means.
#pragma once
#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/udp.hpp>

#include "base/endpoint.hpp"

namespace runnel::net {

inline boost::asio::ip::address to_asio(const base::IpAddress& address) {
  if (address.is_v4()) return boost::asio::ip::address_v4{address.v4_octets()};
  return boost::asio::ip::address_v6{address.v6_octets()};
}

template <class AsioEndpoint>
AsioEndpoint to_asio(const base::Endpoint& endpoint) {
  return {to_asio(endpoint.address), endpoint.port};
}

// For a socket that serves both families: IPv4 in its mapped form.
inline boost::asio::ip::udp::endpoint to_asio_mapped(const base::Endpoint& endpoint) {
  return {boost::asio::ip::address_v6{endpoint.address.v6_octets()}, endpoint.port};
}

inline base::IpAddress from_asio(const boost::asio::ip::address& address) {
  if (address.is_v4()) return base::IpAddress::v4(address.to_v4().to_bytes());
  return base::IpAddress::v6(address.to_v6().to_bytes());
}

template <class AsioEndpoint>
base::Endpoint from_asio_endpoint(const AsioEndpoint& endpoint) {
  return {from_asio(endpoint.address()), endpoint.port()};
}

}  // namespace runnel::net
