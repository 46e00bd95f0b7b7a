// A tracker's UDP side under a sequence of datagrams. Some carry the connection id that is theirs, as if their sender had been told; all
// others get no more bytes than they brought.
#include "base/check.hpp"
#include "core/discovery/udp_announce.hpp"
#include "fuzz/input.hpp"
#include "tracker/memory_store.hpp"
#include "tracker/udp_handler.hpp"

using namespace runnel;
using namespace runnel::tracker;

namespace {

std::uint64_t connection_of(UdpHandler& handler, const base::Endpoint& from, base::Time now) {
  const auto answer = handler.handle(discovery::encode(discovery::UdpConnect{7}), from, now);
  base::check(answer.has_value(), "a connect request is answered");
  const auto read = discovery::decode_udp_answer(*answer, from.address.is_v4());
  return std::get<discovery::UdpConnected>(read.value()).connection;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input{data, size};
  TrackerService service{std::make_unique<MemoryStore>(StoreLimits{.max_swarms = 4, .max_peers = 16}), Policy{}, RateLimit{}, 1};
  UdpHandler handler{service, base::Bytes(32, std::byte{3})};
  base::Time now{std::chrono::seconds{1000}};
  for (int datagrams = 0; datagrams < 32 && !input.empty(); ++datagrams) {
    const std::uint8_t choice = input.octet();
    const base::Endpoint from{base::IpAddress::v4({11, 0, 0, static_cast<std::uint8_t>(choice >> 4U)}), 7000};
    base::Bytes datagram = base::to_bytes(input.piece());
    const bool proved = (choice & 1U) != 0 && datagram.size() >= 8;
    if (proved) base::store_big_endian(datagram.data(), connection_of(handler, from, now));
    const auto answer = handler.handle(datagram, from, now);
    base::check(!answer || answer->size() <= discovery::kMaxUdpTrackerDatagram, "an answer fits a packet");
    if (!proved) base::check(!answer || answer->size() <= datagram.size(), "no more bytes go out than came, before the address is proved");
    now += std::chrono::seconds{(choice & 2U) != 0 ? 50 : 0};
  }
  return 0;
}
