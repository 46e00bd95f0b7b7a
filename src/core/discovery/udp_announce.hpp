// UDP trackers (BEP 15; options after the announce: BEP 41): packets of both sides. No state.
#pragma once
#include <expected>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/endpoint.hpp"
#include "core/discovery/http_announce.hpp"
#include "core/discovery/types.hpp"

namespace runnel::discovery {

constexpr std::uint64_t kUdpProtocolId = 0x417'2710'1980;  // BEP 15: begins each connect request
constexpr std::size_t kUdpAnnounceSize = 98;               // without options
constexpr std::size_t kMaxUdpTrackerDatagram = 1472;       // an IPv4 packet of 1500 bytes
constexpr std::size_t kUdpAnnounceAnswerHeader = 20;

// --- requests
struct UdpConnect {
  std::uint32_t transaction = 0;
};
struct UdpAnnounce {
  std::uint64_t connection = 0;
  std::uint32_t transaction = 0;
  AnnounceParameters parameters;  // num_want above 2^31 means "the tracker's default"; ipv4 is the packet's address field
  std::string path;               // URLData (BEP 41): the URL's path and query; at most 255 bytes are sent per option
};
struct UdpScrape {
  std::uint64_t connection = 0;
  std::uint32_t transaction = 0;
  std::vector<InfoHash> info_hashes;  // 1..kMaxScrapeHashes
};
using UdpRequest = std::variant<UdpConnect, UdpAnnounce, UdpScrape>;

base::Bytes encode(const UdpConnect& request);
base::Bytes encode(const UdpAnnounce& request);
base::Bytes encode(const UdpScrape& request);
// nullopt for what is no request of BEP 15: it deserves no answer. More than kMaxScrapeHashes hashes are left unread.
std::optional<UdpRequest> decode_udp_request(base::ByteView datagram);

// --- answers
struct UdpConnected {
  std::uint32_t transaction = 0;
  std::uint64_t connection = 0;
};
struct UdpAnnounced {
  std::uint32_t transaction = 0;
  std::uint32_t interval_s = 0;
  std::uint32_t leechers = 0;
  std::uint32_t seeders = 0;
  std::vector<base::Endpoint> peers;
};
struct UdpScraped {
  std::uint32_t transaction = 0;
  std::vector<SwarmCounts> counts;  // in the order of the request
};
struct UdpError {
  std::uint32_t transaction = 0;
  std::string reason;
};
using UdpAnswer = std::variant<UdpConnected, UdpAnnounced, UdpScraped, UdpError>;

base::Bytes encode(const UdpConnected& answer);
// Peers of one family only: the packet does not say which, both sides take that of the addresses they talk over.
base::Bytes encode(const UdpAnnounced& answer, bool v4);
base::Bytes encode(const UdpScraped& answer);
base::Bytes encode(const UdpError& answer);
// `v4`: the family that the datagram came over. Reasons are made printable.
std::optional<UdpAnswer> decode_udp_answer(base::ByteView datagram, bool v4);

std::uint32_t transaction_of(const UdpAnswer& answer);

}  // namespace runnel::discovery
