// Options that verbs share, and how their values are read.
#pragma once
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <vector>

#include "base/endpoint.hpp"
#include "node/config.hpp"

namespace CLI {
class App;
}

namespace runnel::cli {

struct NodeOptions {
  std::string listen;
  std::string http;
  bool lan = false;
  std::vector<std::string> trackers;
  bool no_dht = false;
  bool json = false;
  bool verbose = false;
  std::string max_upload;
  unsigned window_s = 60;
  bool sealed_only = false;
  bool plain = false;
};

void add_node_options(CLI::App& app, NodeOptions& options);
// A hash function of RFC 7574 7.6 by its name.
void add_hash_option(CLI::App& app, std::string& hash, const std::string& text);
// An option of the contract that does not work yet: a usage error that says so. Not in --help.
void add_later(CLI::App& app, const std::string& name);

// "ADDR:PORT" with a numeric address. The error names the option and says what is expected.
std::expected<base::Endpoint, std::string> parse_endpoint(const std::string& option, const std::string& text);
// Bytes per second: a number, or one with k, M or G (powers of 1000). Empty: 0, no limit.
std::expected<std::uint64_t, std::string> parse_rate(const std::string& option, const std::string& text);
// Everything of a NodeConfig that these options decide. `defaults` serve where no option names a port.
struct NodeDefaults {
  std::uint16_t listen_port = 0;
  std::uint16_t http_port = 0;
};
std::expected<node::NodeConfig, std::string> node_config(const NodeOptions& options, const NodeDefaults& defaults);

}  // namespace runnel::cli
