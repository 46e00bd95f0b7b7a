#include "tracker/http_handler.hpp"

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <charconv>
#include <optional>

#include "core/discovery/tracker_url.hpp"

namespace runnel::tracker {
namespace {

using discovery::AnnounceEvent;
using discovery::InfoHash;

constexpr std::size_t kMaxQueryFields = 128;  // kMaxScrapeHashes and some

// Calls visit(name, raw value) for each field until it returns false.
template <class Visit>
void for_each_field(std::string_view query, Visit visit) {
  for (std::size_t fields = 0; !query.empty() && fields < kMaxQueryFields; ++fields) {
    const std::string_view field = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(query.size(), field.size() + 1));
    const std::size_t equals = std::min(field.find('='), field.size());
    if (!visit(field.substr(0, equals), field.substr(std::min(field.size(), equals + 1)))) return;
  }
}

template <class Int>
std::optional<Int> number(std::string_view text) {
  Int value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

template <class Id>
std::optional<Id> id(std::string_view raw) {
  const auto bytes = discovery::percent_decode(raw);
  return bytes ? Id::from(base::as_bytes(*bytes)) : std::nullopt;
}

std::optional<AnnounceEvent> event(std::string_view name) {
  if (name.empty() || name == "empty" || name == "paused") return AnnounceEvent::none;  // paused: BEP 21
  if (name == "started") return AnnounceEvent::started;
  if (name == "completed") return AnnounceEvent::completed;
  if (name == "stopped") return AnnounceEvent::stopped;
  return std::nullopt;
}

std::optional<base::IpAddress> address(std::string_view raw) {
  const auto text = discovery::percent_decode(raw);
  return text ? base::IpAddress::parse(*text) : std::nullopt;
}

HttpReply failure(std::string_view reason, unsigned status = 200) { return {.status = status, .body = discovery::encode_failure(reason)}; }

// Takes one field in; false when it cannot be read.
bool take_field(std::string_view name, std::string_view value, Announcement& announcement, bool& has_hash, bool& has_id) {
  discovery::AnnounceParameters& p = announcement.parameters;
  const auto store = [](auto& to, const auto& from) {
    if (from) to = *from;
    return from.has_value();
  };
  if (name == "info_hash") return has_hash = store(p.info_hash, id<InfoHash>(value));
  if (name == "peer_id") return has_id = store(p.peer_id, id<discovery::PeerId>(value));
  if (name == "port") return store(p.port, number<std::uint16_t>(value));
  if (name == "uploaded") return store(p.stats.uploaded, number<std::uint64_t>(value));
  if (name == "downloaded") return store(p.stats.downloaded, number<std::uint64_t>(value));
  if (name == "left") return store(p.stats.left, number<std::uint64_t>(value));
  if (name == "event") return store(p.event, event(value));
  if (name == "numwant") {
    const auto wanted = number<std::int64_t>(value);
    if (wanted && *wanted >= 0) announcement.num_want = static_cast<std::size_t>(*wanted);
    return wanted.has_value();
  }
  if (name == "ip" || name == "ipv4" || name == "ipv6") announcement.claimed = address(value);  // a name is not looked up
  return true;
}

}  // namespace

std::expected<Announcement, std::string> parse_announce_query(std::string_view query, const base::IpAddress& source) {
  Announcement announcement{.source = source};
  std::string broken;
  bool has_hash = false, has_id = false;
  for_each_field(query, [&](std::string_view name, std::string_view value) {
    if (!take_field(name, value, announcement, has_hash, has_id)) broken = discovery::printable(base::as_bytes(name));
    return broken.empty();
  });
  if (!broken.empty()) return std::unexpected("cannot read the field " + broken);
  if (!has_hash) return std::unexpected(std::string{"info_hash is missing"});
  if (!has_id) return std::unexpected(std::string{"peer_id is missing"});
  return announcement;
}

std::expected<std::vector<InfoHash>, std::string> parse_scrape_query(std::string_view query) {
  std::vector<InfoHash> swarms;
  bool broken = false;
  for_each_field(query, [&](std::string_view name, std::string_view value) {
    if (name != "info_hash") return true;
    const auto swarm = id<InfoHash>(value);
    broken = !swarm.has_value();
    if (swarm) swarms.push_back(*swarm);
    return !broken && swarms.size() < discovery::kMaxScrapeHashes;
  });
  if (broken) return std::unexpected(std::string{"cannot read the field info_hash"});
  if (swarms.empty()) return std::unexpected(std::string{"info_hash is missing: this tracker does not list its swarms"});
  return swarms;
}

HttpReply HttpHandler::handle(std::string_view target, const base::IpAddress& source, base::Time now) {
  const std::size_t path_end = std::min(target.find('?'), target.size());
  const std::string_view path = target.substr(0, path_end);
  const std::string_view query = target.substr(std::min(target.size(), path_end + 1));
  if (!service_.admit(source, now)) return failure("too many requests from your address, slow down", 429);
  if (path == "/announce") return announce(query, source, now);
  if (path == "/scrape") return scrape(query);
  if (path == "/stats") return stats(now);
  if (path == "/") return page(now);
  return {.status = 404, .body = "not here: /announce, /scrape, /stats and / are\n"};
}

HttpReply HttpHandler::announce(std::string_view query, const base::IpAddress& source, base::Time now) {
  const auto announcement = parse_announce_query(query, source);
  if (!announcement) return failure(announcement.error());
  const auto answer = service_.announce(*announcement, now);
  if (!answer) return failure(answer.error());
  return {.body = discovery::encode_announce_answer(*answer)};
}

HttpReply HttpHandler::scrape(std::string_view query) {
  const auto swarms = parse_scrape_query(query);
  if (!swarms) return failure(swarms.error());
  std::vector<discovery::ScrapeEntry> entries;
  for (const InfoHash& swarm : *swarms) entries.push_back({swarm, service_.scrape(swarm)});
  return {.body = discovery::encode_scrape_answer(entries, service_.policy().min_interval)};
}

HttpReply HttpHandler::stats(base::Time now) const {
  const ServiceStats s = service_.stats();
  const boost::json::object json{{"swarms", s.totals.swarms},
                                 {"peers", s.totals.peers},
                                 {"seeds", s.totals.seeds},
                                 {"announces", s.announces},
                                 {"scrapes", s.scrapes},
                                 {"refused_by_rate", s.refused_by_rate},
                                 {"refused_by_size", s.refused_by_size},
                                 {"uptime_s", std::chrono::duration_cast<std::chrono::seconds>(now - started_).count()}};
  return {.content_type = "application/json", .body = boost::json::serialize(json) + '\n'};
}

HttpReply HttpHandler::page(base::Time now) const {
  const ServiceStats s = service_.stats();
  const auto row = [](std::string_view name, std::uint64_t value) {
    return "<tr><th scope=\"row\">" + std::string{name} + "</th><td>" + std::to_string(value) + "</td></tr>\n";
  };
  std::string body =
      "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Runnel tracker</title>\n"
      "<meta name=\"viewport\" content=\"width=device-width\">\n"
      "<style>body{font:16px system-ui,sans-serif;margin:3em auto;max-width:34em;padding:0 1em}th{text-align:left;font-weight:normal;"
      "padding-right:2em}td{text-align:right;font-variant-numeric:tabular-nums}</style></head>\n<body><h1>Runnel tracker</h1>\n"
      "<p>Peers of a stream find each other here. Announce to <code>/announce</code>; counts by swarm are at <code>/scrape</code>, "
      "these figures as JSON at <a href=\"/stats\">/stats</a>.</p>\n<table>\n";
  body += row("Swarms", s.totals.swarms) + row("Peers", s.totals.peers) + row("of them complete", s.totals.seeds) +
          row("Announces", s.announces) + row("Refused (too often)", s.refused_by_rate) +
          row("Up for, minutes", static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::minutes>(now - started_).count()));
  body += "</table></body></html>\n";
  return {.content_type = "text/html; charset=utf-8", .body = std::move(body)};
}

}  // namespace runnel::tracker
