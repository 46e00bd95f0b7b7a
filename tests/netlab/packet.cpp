#include "netlab/packet.hpp"

namespace runnel::netlab {
namespace {

constexpr std::size_t kIpv4HeaderBytes = 20;
constexpr std::size_t kIpv4DestinationAt = 16;
constexpr std::size_t kIpv6HeaderBytes = 40;
constexpr std::size_t kIpv6DestinationAt = 24;

template <std::size_t N>
std::array<std::uint8_t, N> octets_at(base::ByteView packet, std::size_t at) {
  std::array<std::uint8_t, N> octets{};
  for (std::size_t i = 0; i < N; ++i) octets[i] = std::to_integer<std::uint8_t>(packet[at + i]);
  return octets;
}

}  // namespace

std::optional<base::IpAddress> destination_of(base::ByteView packet) {
  if (packet.size() < kIpv4HeaderBytes) return std::nullopt;
  const unsigned version = std::to_integer<unsigned>(packet[0]) >> 4;
  if (version == 4) return base::IpAddress::v4(octets_at<4>(packet, kIpv4DestinationAt));
  if (version != 6 || packet.size() < kIpv6HeaderBytes) return std::nullopt;
  return base::IpAddress::v6(octets_at<16>(packet, kIpv6DestinationAt));
}

}  // namespace runnel::netlab
