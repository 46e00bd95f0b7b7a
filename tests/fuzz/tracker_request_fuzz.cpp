// A tracker's HTTP side under a list of request targets, one a line: each gets an answer, an announce's is bencoded, and the table keeps
// its limits.
#include <array>

#include "base/check.hpp"
#include "core/discovery/bencode.hpp"
#include "fuzz/input.hpp"
#include "tracker/http_handler.hpp"
#include "tracker/memory_store.hpp"

using namespace runnel;
using namespace runnel::tracker;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr StoreLimits kLimits{.max_swarms = 4, .max_peers = 16, .max_peers_per_swarm = 8, .max_peers_per_address = 2};
  fuzz::Input input{data, size};
  TrackerService service{std::make_unique<MemoryStore>(kLimits), Policy{}, RateLimit{}, 1};
  base::Time now{std::chrono::seconds{1000}};
  HttpHandler handler{service, now};
  for (int requests = 0; requests < 32 && !input.empty(); ++requests) {
    const std::uint8_t from = input.octet();
    const base::IpAddress source = from % 4 == 0 ? base::IpAddress::v4({127, 0, 0, 1}) : base::IpAddress::v4({11, 0, 0, from});
    const std::string_view target = input.line();
    const HttpReply reply = handler.handle(target, source, now);
    base::check(reply.status == 200 || reply.status == 400 || reply.status == 404 || reply.status == 429, "a status that is meant");
    base::check(reply.body.size() < 64 * 1024 && !reply.content_type.empty(), "an answer of a size that is meant");
    if (target.starts_with("/announce?") && reply.status == 200)
      base::check(discovery::decode_bencode(base::as_bytes(reply.body)).has_value(), "an announce is answered in bencoding");
    now += std::chrono::seconds{from};
    base::check(service.tick(now, base::WallTime{now.time_since_epoch()}).has_value(), "memory does not fail");
    const StoreTotals totals = service.stats().totals;
    base::check(totals.swarms <= kLimits.max_swarms && totals.peers <= kLimits.max_peers && totals.seeds <= totals.peers, "limits hold");
  }
  return 0;
}
