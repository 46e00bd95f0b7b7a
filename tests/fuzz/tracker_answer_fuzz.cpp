// What an HTTP tracker may answer: refused with printable words, or peers within limits that survive being written and read. The first
// byte chooses what is asked.
#include <algorithm>

#include "base/check.hpp"
#include "core/discovery/http_announce.hpp"
#include "core/discovery/tracker_url.hpp"
#include "fuzz/input.hpp"

using namespace runnel;
using namespace runnel::discovery;

namespace {

bool is_printable(std::string_view text) {
  return text.size() <= kMaxTrackerTextBytes && std::ranges::all_of(text, [](char c) { return c >= ' ' && c <= '~'; });
}

void announce(base::ByteView body) {
  const auto answer = parse_announce_answer(body, PeerId{});
  if (!answer) {
    base::check(is_printable(answer.error().reason), "a reason is printable");
    return;
  }
  base::check(answer->peers.size() <= kMaxPeersPerAnswer && answer->tracker_id.size() <= kMaxTrackerIdBytes, "limits hold");
  base::check(is_printable(answer->warning), "a warning is printable");
  base::check(std::ranges::all_of(answer->peers, usable_endpoint), "peers are at addresses where somebody can be");
  const std::string written = encode_announce_answer(*answer);
  const auto again = parse_announce_answer(base::as_bytes(written), PeerId{});
  base::check(again.has_value(), "what was written can be read");
  const auto sorted = [](std::vector<base::Endpoint> peers) {
    std::ranges::sort(peers);
    return peers;
  };
  base::check(sorted(again->peers) == sorted(answer->peers), "no peer is lost or made up");
}

void scrape(base::ByteView body) {
  const auto entries = parse_scrape_answer(body);
  if (!entries) return;
  base::check(entries->size() <= kMaxScrapeHashes, "limits hold");
  const std::string written = encode_scrape_answer(*entries, base::Duration{});
  base::check(parse_scrape_answer(base::as_bytes(written)).has_value(), "what was written can be read");
}

void url(std::string_view text) {
  const auto parsed = TrackerUrl::parse(text);
  if (!parsed) {
    base::check(!message(parsed.error()).empty(), "every error has a text");
    return;
  }
  const auto again = TrackerUrl::parse(parsed->to_string());
  base::check(again && again->host == parsed->host && again->port == parsed->port && again->target == parsed->target,
              "it reads back the same");
  const std::string asked = announce_url(*parsed, {});
  base::check(std::ranges::none_of(asked, [](char c) { return c <= ' ' || c == '\x7f'; }), "nothing breaks the request line");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input{data, size};
  switch (input.below(3)) {
    case 0: announce(input.all()); break;
    case 1: scrape(input.all()); break;
    case 2: url(base::as_text(input.all())); break;
  }
  return 0;
}
