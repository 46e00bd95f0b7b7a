// The tracker's HTTP requests as text in and text out: announce and scrape (BEP 3, 7, 23, 48), /stats and a page.
#pragma once
#include <expected>
#include <string>
#include <string_view>

#include "base/endpoint.hpp"
#include "base/time.hpp"
#include "tracker/service.hpp"

namespace runnel::tracker {

struct HttpReply {
  unsigned status = 200;
  std::string content_type = "text/plain; charset=utf-8";
  std::string body;
};

// The query of an announce: what follows '?'. The error is the failure reason.
std::expected<Announcement, std::string> parse_announce_query(std::string_view query, const base::IpAddress& source);
std::expected<std::vector<discovery::InfoHash>, std::string> parse_scrape_query(std::string_view query);

class HttpHandler {
 public:
  HttpHandler(TrackerService& service, base::Time started) : service_(service), started_(started) {}
  // `target` is the request line's path and query.
  [[nodiscard]] HttpReply handle(std::string_view target, const base::IpAddress& source, base::Time now);

 private:
  HttpReply announce(std::string_view query, const base::IpAddress& source, base::Time now);
  HttpReply scrape(std::string_view query);
  [[nodiscard]] HttpReply stats(base::Time now) const;
  [[nodiscard]] HttpReply page(base::Time now) const;

  TrackerService& service_;
  base::Time started_;
};

}  // namespace runnel::tracker
