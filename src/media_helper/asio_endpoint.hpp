// Between base::Endpoint and the endpoints of Asio, which also hold the system's sockaddr.
#pragma once
#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/address_v4.hpp>
#include <boost/asio/ip/address_v6.hpp>

#include "base/endpoint.hpp"

namespace runnel::media_helper {

template <class Protocol>
typename Protocol::endpoint to_asio(const base::Endpoint& endpoint) {
  if (endpoint.address.is_v4()) return {boost::asio::ip::address_v4{endpoint.address.v4_octets()}, endpoint.port};
  return {boost::asio::ip::address_v6{endpoint.address.v6_octets()}, endpoint.port};
}

template <class AsioEndpoint>
base::Endpoint to_base(const AsioEndpoint& endpoint) {
  const boost::asio::ip::address address = endpoint.address();
  return {address.is_v4() ? base::IpAddress::v4(address.to_v4().to_bytes()) : base::IpAddress::v6(address.to_v6().to_bytes()),
          endpoint.port()};
}

}  // namespace runnel::media_helper
