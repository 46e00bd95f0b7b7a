#include "cli/options.hpp"

#include <CLI/CLI.hpp>
#include <charconv>

#include "base/log.hpp"
#include "crypto/hash.hpp"
#include "node/xdg.hpp"

namespace runnel::cli {

void add_node_options(CLI::App& app, NodeOptions& options) {
  app.add_option("--listen", options.listen, "Address and UDP port for peers (default: all addresses, any port)")->type_name("ADDR:PORT");
  app.add_option("--http", options.http, "Address and port of the page, the streams and the API (default: this machine only, any port)")
      ->type_name("ADDR:PORT");
  app.add_flag("--lan", options.lan, "Open the page to the local network, read-only: any phone there can watch");
  app.add_option("--tracker", options.trackers, "A tracker's announce URL, http:// or udp://; may be repeated")->type_name("URL");
  app.add_flag("--no-dht", options.no_dht, "Do not use the distributed hash table (this version has none; accepted for scripts)");
  app.add_option("--max-upload", options.max_upload, "Give at most so many bytes a second (500k, 2M)")->type_name("RATE");
  app.add_option("--window", options.window_s,
                 "Live: keep so many seconds, to go back to and to pass on (default 60): twice what comes\n"
                 "in them is held in memory. Of an older peer's swarm a fixed number of chunks is kept")
      ->check(CLI::Range(node::kShortestWindow.count(), node::kLongestWindow.count()))
      ->type_name("SECONDS");
  app.add_flag("--sealed-only", options.sealed_only, "Speak only to peers that encrypt (default: encrypt whenever the other side can)");
  app.add_flag("--plain", options.plain, "Encrypt nothing, to look at what goes over the wire (private links stay encrypted)")
      ->excludes("--sealed-only");
  app.add_flag("--json", options.json, "One JSON object per line on stdout: ready, playable, stats, complete, error");
  app.add_flag("--verbose", options.verbose, "Say more on stderr");
}

void add_hash_option(CLI::App& app, std::string& hash, const std::string& text) {
  std::vector<std::string> names;
  for (const crypto::HashAlgorithm algorithm : crypto::kHashAlgorithms) names.emplace_back(crypto::name(algorithm));
  app.add_option("--hash", hash, text)->check(CLI::IsMember(names))->type_name("NAME");
}

void add_later(CLI::App& app, const std::string& name) {
  const auto refuse = [name](const std::string&) { throw CLI::ValidationError(name, "is not part of this version"); };
  app.add_option_function<std::string>(name, refuse)->expected(0, 1)->trigger_on_parse()->group("");
}

std::expected<base::Endpoint, std::string> parse_endpoint(const std::string& option, const std::string& text) {
  if (const auto endpoint = base::Endpoint::parse(text)) return *endpoint;
  return std::unexpected(
      option +
      " wants a numeric address and a port of 0 to 65535, like 127.0.0.1:7000, [::1]:7000 or 0.0.0.0:0 (0: any free port), not \"" + text +
      "\"");
}

std::expected<std::uint64_t, std::string> parse_rate(const std::string& option, const std::string& text) {
  if (text.empty()) return 0;
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  std::string_view unit{end, static_cast<std::size_t>(text.data() + text.size() - end)};
  double factor = 1;
  if (unit == "k" || unit == "K")
    factor = 1e3;
  else if (unit == "M" || unit == "m")
    factor = 1e6;
  else if (unit == "G" || unit == "g")
    factor = 1e9;
  else if (!unit.empty())
    factor = 0;
  constexpr double kLeast = 1000;   // below it not even handshakes get through
  constexpr double kMost = 1e12;
  if (error != std::errc{} || value * factor < kLeast || value * factor > kMost) {
    return std::unexpected(option + " wants bytes per second, at least 1k, like 500000, 500k or 2.5M, not \"" + text + "\"");
  }
  return static_cast<std::uint64_t>(value * factor);
}

std::expected<node::NodeConfig, std::string> node_config(const NodeOptions& options, const NodeDefaults& defaults) {
  node::NodeConfig config;
  config.listen = base::Endpoint{base::IpAddress{}, defaults.listen_port};
  config.http = base::Endpoint{base::IpAddress::v4({127, 0, 0, 1}), defaults.http_port};
  if (!options.listen.empty()) {
    const auto parsed = parse_endpoint("--listen", options.listen);
    if (!parsed) return std::unexpected(parsed.error());
    config.listen = *parsed;
    if (config.listen.port == 0) config.listen.port = defaults.listen_port;
  }
  if (!options.http.empty()) {
    const auto parsed = parse_endpoint("--http", options.http);
    if (!parsed) return std::unexpected(parsed.error());
    config.http = *parsed;
    if (config.http.port == 0) config.http.port = defaults.http_port;
  }
  const auto upload = parse_rate("--max-upload", options.max_upload);
  if (!upload) return std::unexpected(upload.error());
  config.max_upload = *upload;
  config.live_window = std::chrono::seconds{options.window_s};
  config.lan = options.lan;
  config.sealed_only = options.sealed_only;
  config.plain = options.plain;
  config.trackers = options.trackers;
  config.helper = node::helper_program();
  config.cache_folder = node::cache_folder();
  if (options.verbose) base::set_log_level(base::LogLevel::debug);
  return config;
}

}  // namespace runnel::cli
