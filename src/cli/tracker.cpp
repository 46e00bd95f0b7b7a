// runnel tracker
#include <CLI/CLI.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <csignal>
#include <memory>

#include "cli/options.hpp"
#include "cli/report.hpp"
#include "cli/verbs.hpp"
#include "tracker/tracker_server.hpp"

namespace runnel::cli {
namespace {

struct TrackerOptions {
  std::string http;
  std::string udp;
  std::string store = "memory";
  bool json = false;
};

int run_tracker(const TrackerOptions& options) {
  Report report{options.json};
  tracker::TrackerServer::Config config;
  config.store = options.store;
  crypto::SecretRng secrets{crypto::os_random_seed()};
  config.rng_seed = secrets.next();
  config.secret = crypto::os_random_seed();
  const bool both = options.http.empty() && options.udp.empty();
  const auto read = [&](const char* name, const std::string& text, std::optional<base::Endpoint>& into) -> bool {
    const std::string value = text.empty() && both ? "[::]:6969" : text;
    if (value.empty()) return true;
    const auto parsed = parse_endpoint(name, value);
    if (!parsed) {
      report.error(parsed.error());
      return false;
    }
    into = *parsed;
    return true;
  };
  if (!read("--http", options.http, config.http) || !read("--udp", options.udp, config.udp)) return kWrongUsage;

  boost::asio::io_context io{1};
  auto server = tracker::TrackerServer::start(io, config);
  if (!server) {
    report.error(server.error());
    return kFailed;
  }
  boost::asio::signal_set signals{io, SIGINT, SIGTERM};
  signals.async_wait([&](const boost::system::error_code&, int) { io.stop(); });
  report.ready_tracker((*server)->http_url(), (*server)->udp_url());
  io.run();
  return kDone;
}

}  // namespace

Run add_tracker(CLI::App& app) {
  auto options = std::make_shared<TrackerOptions>();
  CLI::App& tracker = *app.add_subcommand("tracker", "Tell peers of each other: a BitTorrent tracker over HTTP and UDP");
  tracker.add_option("--http", options->http, "Address and TCP port (default, with --udp: [::]:6969)")->type_name("ADDR:PORT");
  tracker.add_option("--udp", options->udp, "Address and UDP port")->type_name("ADDR:PORT");
  tracker.add_option("--store", options->store, "Where it keeps the peers: memory, or sqlite:FILE, which survives a restart")
      ->type_name("STORE");
  tracker.add_flag("--json", options->json, "One JSON object on stdout with the announce URLs");
  tracker.footer(
      "Any BitTorrent client can use it. Statistics are at /stats of the HTTP address.\n"
      "Example:\n"
      "  runnel tracker --http 0.0.0.0:6969 --udp 0.0.0.0:6969 --store sqlite:/var/lib/runnel/tracker.db");
  return [options] { return run_tracker(*options); };
}

}  // namespace runnel::cli
