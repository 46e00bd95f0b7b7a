#include "tracker/udp_handler.hpp"

#include "crypto/hash.hpp"

namespace runnel::tracker {
namespace {

using base::Bytes;
using base::Endpoint;
using base::Time;

constexpr std::uint32_t kDefaultNumWant = 0xffff'ffff;  // -1 (BEP 15)

std::int64_t slot_of(Time now) { return now.time_since_epoch() / kConnectionSlot; }

}  // namespace

std::optional<Bytes> UdpHandler::handle(base::ByteView datagram, const Endpoint& from, Time now) {
  const auto request = discovery::decode_udp_request(datagram);
  if (!request) return std::nullopt;
  return std::visit([&](const auto& r) { return answer(r, from, now); }, *request);
}

std::uint64_t UdpHandler::connection_id(const base::IpAddress& address, std::int64_t slot) const {
  Bytes message;
  base::Writer writer(message);
  writer.write_view(std::as_bytes(std::span{address.v6_octets()}));
  writer.write(static_cast<std::uint64_t>(slot));
  return base::load_big_endian<std::uint64_t>(crypto::hmac_sha256(secret_, message).view().data());
}

bool UdpHandler::proved(std::uint64_t id, const base::IpAddress& address, Time now) const {
  return id == connection_id(address, slot_of(now)) || id == connection_id(address, slot_of(now) - 1);
}

std::optional<Bytes> UdpHandler::answer(const discovery::UdpConnect& request, const Endpoint& from, Time now) {
  return encode(discovery::UdpConnected{request.transaction, connection_id(from.address, slot_of(now))});
}

std::optional<Bytes> UdpHandler::answer(const discovery::UdpAnnounce& request, const Endpoint& from, Time now) {
  if (!proved(request.connection, from.address, now)) {
    return encode(discovery::UdpError{request.transaction, "connection id expired"});  // shorter than the request
  }
  if (!service_.admit(from.address, now)) return std::nullopt;
  const bool v4 = from.address.is_v4();
  Announcement announcement{.parameters = request.parameters,
                            .source = from.address,
                            .claimed = request.parameters.ipv4,
                            .families = v4 ? Announcement::Families::v4 : Announcement::Families::v6};
  if (request.parameters.num_want != kDefaultNumWant) announcement.num_want = request.parameters.num_want;
  auto result = service_.announce(announcement, now);
  if (!result) return encode(discovery::UdpError{request.transaction, result.error()});
  const std::size_t most = v4 ? kMaxUdpPeersV4 : kMaxUdpPeersV6;
  if (result->peers.size() > most) result->peers.resize(most);
  const auto interval_s = std::chrono::duration_cast<std::chrono::seconds>(result->interval).count();
  return encode(discovery::UdpAnnounced{request.transaction, static_cast<std::uint32_t>(interval_s), result->leechers, result->seeders,
                                        std::move(result->peers)},
                v4);
}

std::optional<Bytes> UdpHandler::answer(const discovery::UdpScrape& request, const Endpoint& from, Time now) {
  if (!proved(request.connection, from.address, now)) {
    return encode(discovery::UdpError{request.transaction, "connection id"});  // not longer than the shortest request
  }
  if (!service_.admit(from.address, now)) return std::nullopt;
  discovery::UdpScraped scraped{.transaction = request.transaction};
  for (const discovery::InfoHash& swarm : request.info_hashes) scraped.counts.push_back(service_.scrape(swarm));
  return encode(scraped);
}

}  // namespace runnel::tracker
