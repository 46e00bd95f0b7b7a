#include "net/interfaces.hpp"

#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>

#include <algorithm>
#include <cstring>
#include <memory>

namespace runnel::net {
namespace {

std::optional<base::IpAddress> address_of(const sockaddr* address) {
  if (address == nullptr) return std::nullopt;
  if (address->sa_family == AF_INET) {
    sockaddr_in v4{};
    std::memcpy(&v4, address, sizeof v4);
    std::array<std::uint8_t, 4> octets{};
    std::memcpy(octets.data(), &v4.sin_addr, octets.size());
    return base::IpAddress::v4(octets);
  }
  if (address->sa_family == AF_INET6) {
    sockaddr_in6 v6{};
    std::memcpy(&v6, address, sizeof v6);
    if (IN6_IS_ADDR_LINKLOCAL(&v6.sin6_addr)) return std::nullopt;
    std::array<std::uint8_t, 16> octets{};
    std::memcpy(octets.data(), &v6.sin6_addr, octets.size());
    return base::IpAddress::v6(octets);
  }
  return std::nullopt;
}

int rank(const base::IpAddress& address) { return address.is_loopback() ? 2 : address.is_private() ? 1 : 0; }

}  // namespace

std::vector<base::IpAddress> own_addresses() {
  ifaddrs* list = nullptr;
  if (getifaddrs(&list) != 0) return {};
  const std::unique_ptr<ifaddrs, decltype(&freeifaddrs)> owned{list, freeifaddrs};
  std::vector<base::IpAddress> addresses;
  for (const ifaddrs* entry = list; entry != nullptr; entry = entry->ifa_next) {
    if ((entry->ifa_flags & IFF_UP) == 0) continue;
    const auto address = address_of(entry->ifa_addr);
    if (address && !(address->is_v4() && address->v4_octets()[0] == 169)) addresses.push_back(*address);
  }
  std::ranges::stable_sort(addresses, {}, rank);
  const auto repeated = std::ranges::unique(addresses);
  addresses.erase(repeated.begin(), repeated.end());
  return addresses;
}

std::vector<base::Endpoint> reachable_endpoints(const base::Endpoint& bound) {
  if (!bound.address.is_unspecified()) return {bound};
  std::vector<base::Endpoint> endpoints;
  for (const base::IpAddress& address : own_addresses()) {
    if (bound.address.is_v4() && !address.is_v4()) continue;
    endpoints.push_back({address, bound.port});
  }
  return endpoints;
}

}  // namespace runnel::net
