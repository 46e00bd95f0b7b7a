// BEP 15 as the tracker speaks it: a datagram in, at most one out, never a longer one before the sender's address is proved.
#pragma once
#include <optional>

#include "base/bytes.hpp"
#include "base/endpoint.hpp"
#include "base/time.hpp"
#include "core/discovery/udp_announce.hpp"
#include "tracker/service.hpp"

namespace runnel::tracker {

constexpr base::Duration kConnectionSlot =
    std::chrono::seconds{60};  // an id holds for this and the next: BEP 15 asks for two minutes at most
constexpr std::size_t kMaxUdpPeersV4 = 200;  // 1,220 bytes
constexpr std::size_t kMaxUdpPeersV6 = 66;   // 1,208 bytes

// Connection ids are HMAC(secret, address, minute): they prove that the sender gets what is sent to its address, and nothing
// is kept for them.
class UdpHandler {
 public:
  UdpHandler(TrackerService& service, base::ByteView secret) : service_(service), secret_(base::to_bytes(secret)) {}
  // nullopt: no answer.
  [[nodiscard]] std::optional<base::Bytes> handle(base::ByteView datagram, const base::Endpoint& from, base::Time now);

 private:
  [[nodiscard]] std::uint64_t connection_id(const base::IpAddress& address, std::int64_t slot) const;
  [[nodiscard]] bool proved(std::uint64_t id, const base::IpAddress& address, base::Time now) const;
  std::optional<base::Bytes> answer(const discovery::UdpConnect& request, const base::Endpoint& from, base::Time now);
  std::optional<base::Bytes> answer(const discovery::UdpAnnounce& request, const base::Endpoint& from, base::Time now);
  std::optional<base::Bytes> answer(const discovery::UdpScrape& request, const base::Endpoint& from, base::Time now);

  TrackerService& service_;
  base::Bytes secret_;
};

}  // namespace runnel::tracker
