#include "netlab/lab_file.hpp"

#include <set>

#include "netlab/toml_fields.hpp"

namespace runnel::netlab {
namespace {

constexpr double kMaxTimeMs = 60'000;
constexpr double kMinRateMbps = 0.001;
constexpr double kMaxRateMbps = 100'000;
constexpr std::int64_t kMinMtuBytes = 1280;  // IPv6 asks for it (RFC 8200 5)
constexpr std::int64_t kMaxMtuBytes = 9000;

void read_share(Fields& fields, std::string_view key, double& share) {
  if (const auto found = fields.number(key, 0, 1)) share = *found;
}

void read_ms(Fields& fields, std::string_view key, Duration& time) {
  if (const auto found = fields.number(key, 0, kMaxTimeMs)) time = from_ms(*found);
}

// One value, or [low, high].
void read_delay(Fields& fields, LinkSettings& link) {
  const toml::node* node = fields.find("delay_ms");
  if (node == nullptr) return;
  const toml::array* pair = node->as_array();
  const auto low = pair && pair->size() == 2 ? pair->get(0)->value<double>() : node->value<double>();
  const auto high = pair && pair->size() == 2 ? pair->get(1)->value<double>() : low;
  if (!low || !high || *low < 0 || *high < *low || *high > kMaxTimeMs) fields.refuse("delay_ms", "must be a number of ms, or [low, high]");
  link.min_delay = from_ms(*low);
  link.max_delay = from_ms(*high);
}

void read_link(Fields fields, LinkSettings& link) {
  if (const auto mbps = fields.number("rate_mbps", 0, kMaxRateMbps)) {
    if (*mbps > 0 && *mbps < kMinRateMbps) fields.refuse("rate_mbps", "less than 0.001; 0 means no limit");
    link.rate_bits_per_s = *mbps * 1e6;
  }
  const auto bytes = fields.integer("queue_bytes", 1, 1LL << 32);
  const auto ms = fields.number("queue_ms", 0, kMaxTimeMs);
  if (bytes && ms) fields.refuse("queue_ms", "one of queue_ms and queue_bytes, not both");
  if (bytes || ms) link.queue_bytes = static_cast<std::uint64_t>(bytes.value_or(0));
  if (ms) link.queue_time = from_ms(*ms);
  read_delay(fields, link);
  read_ms(fields, "jitter_ms", link.jitter);
  read_share(fields, "loss", link.loss);
  read_share(fields, "burst_enter", link.burst.enter);
  read_share(fields, "burst_leave", link.burst.leave);
  read_share(fields, "burst_loss", link.burst.loss);
  read_share(fields, "duplicate", link.duplicate);
  read_share(fields, "reorder", link.reorder);
  read_ms(fields, "reorder_ms", link.reorder_delay);
  fields.done();
}

using Hosts = std::vector<HostSettings>;

// Which hosts a name means: one, or all of a group.
std::vector<HostIndex> named(const Hosts& hosts, std::string_view name) {
  std::vector<HostIndex> of_group;
  for (HostIndex i = 0; i < hosts.size(); ++i) {
    if (hosts[i].name == name) return {i};
    if (hosts[i].group == name) of_group.push_back(i);
  }
  return of_group;
}

std::vector<HostIndex> named(const Hosts& hosts, const Fields& fields, std::string_view key, const toml::node* node) {
  const auto name = node == nullptr ? std::nullopt : node->value<std::string>();
  if (!name) fields.refuse(key, "must name a host");
  auto found = named(hosts, *name);
  if (found.empty()) fields.refuse(key, "there is no host '" + *name + "'");
  return found;
}

// 198.18.0.0/15 and 2001:2::/48 are set aside for tests of networks (RFC 2544 C.2.2, RFC 5180 8): nobody's, but not private, so that
// programs treat each other as they would on the Internet.
void add_host(Hosts& hosts, const std::string& name, const std::string& group) {
  if (hosts.size() >= kMaxHosts) throw FileError{"more than " + std::to_string(kMaxHosts) + " hosts"};
  const auto number = static_cast<std::uint8_t>(hosts.size() + 1);
  hosts.push_back({.name = name,
                   .group = group,
                   .address = base::IpAddress::v4({198, 18, 0, number}),
                   .address6 = base::IpAddress::v6({0x20, 0x01, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, number})});
}

void declare_hosts(Fields& root, Hosts& hosts) {
  const auto section = root.section("host");
  if (!section || section->table().empty()) throw FileError{"no hosts: write [host.NAME]"};
  for (const auto& [key, node] : section->table()) {
    const std::string name{key.str()};
    if (!named(hosts, name).empty()) continue;  // one out of a group
    const toml::table* table = node.as_table();
    const toml::node* count = table == nullptr ? nullptr : table->get("count");
    if (count == nullptr) {
      add_host(hosts, name, name);
      continue;
    }
    const auto number = count->value<std::int64_t>();
    if (!number || *number < 1 || *number > static_cast<std::int64_t>(kMaxHosts))
      throw FileError{"host." + name + ".count: 1 to " + std::to_string(kMaxHosts) + " is possible"};
    for (std::int64_t i = 1; i <= *number; ++i) add_host(hosts, name + "-" + std::to_string(i), name);
  }
}

void read_address(Fields& fields, std::string_view key, std::span<const HostIndex> which, bool v4, base::IpAddress& address) {
  const auto text = fields.value<std::string>(key, "an address");
  if (!text) return;
  const auto parsed = base::IpAddress::parse(*text);
  if (!parsed || parsed->is_v4() != v4) fields.refuse(key, v4 ? "must be an IPv4 address" : "must be an IPv6 address");
  if (which.size() != 1) fields.refuse(key, "is for a single host");
  address = *parsed;
}

// `is_new`: while the lab does not run yet.
void read_host(Fields fields, Hosts& hosts, const std::vector<HostIndex>& which, bool is_new) {
  if (is_new) {
    static_cast<void>(fields.find("count"));
    read_address(fields, "address", which, true, hosts[which.front()].address);
    read_address(fields, "address6", which, false, hosts[which.front()].address6);
  }
  const auto connected = fields.value<bool>("connected", "true or false");
  for (const HostIndex i : which) {
    if (auto up = fields.section("up")) read_link(*up, hosts[i].up);
    if (auto down = fields.section("down")) read_link(*down, hosts[i].down);
    if (connected) hosts[i].connected = *connected;
  }
  fields.done();
}

void read_hosts(Fields& root, Hosts& hosts, bool is_new) {
  std::vector<HostIndex> all(hosts.size());
  for (HostIndex i = 0; i < all.size(); ++i) all[i] = i;
  if (const auto every = root.section("every")) {
    for (const char* key : {"count", "address", "address6"}) {
      if (every->table().contains(key)) every->refuse(key, "no such key");
    }
    read_host(*every, hosts, all, is_new);
  }
  auto section = root.section("host");
  if (!section) return;
  for (const auto& [key, node] : section->table()) {  // by name: a group comes before one host out of it
    const auto which = named(hosts, key.str());
    if (which.empty()) section->refuse(key.str(), "there is no such host");
    auto fields = section->section(key.str());
    read_host(*fields, hosts, which, is_new);
  }
}

void read_pairs(Fields& root, LabSettings& lab) {
  const toml::array* list = root.array("pair");
  if (list == nullptr) return;
  for (const toml::node& entry : *list) {
    if (!entry.is_table()) root.refuse("pair", "write [[pair]]");
    toml::table table = *entry.as_table();
    Fields fields{*entry.as_table(), "pair"};
    const toml::array* both = fields.array("between");
    if (both != nullptr && (both->size() != 2 || table.contains("from") || table.contains("to")))
      fields.refuse("between", "two hosts, or 'from' and 'to' for one direction");
    const auto from = named(lab.hosts, fields, both ? "between" : "from", both ? both->get(0) : fields.find("from"));
    const auto to = named(lab.hosts, fields, both ? "between" : "to", both ? both->get(1) : fields.find("to"));
    for (const char* key : {"between", "from", "to"}) table.erase(key);
    const auto put = [&](HostIndex a, HostIndex b) {
      const auto place = lab.pairs.try_emplace({a, b}, lab.path).first;
      read_link(Fields{table, "pair"}, place->second);
    };
    for (const HostIndex a : from) {
      for (const HostIndex b : to) {
        put(a, b);
        if (both != nullptr && a != b) put(b, a);
      }
    }
  }
}

// Hosts that no group names make one more group.
void read_partition(Fields& root, Hosts& hosts) {
  const toml::array* groups = root.array("partition");
  if (groups == nullptr) return;
  for (HostSettings& host : hosts) host.island = 0;
  std::uint32_t island = 0;
  for (const toml::node& group : *groups) {
    if (!group.is_array()) root.refuse("partition", "must be groups of hosts, as [[\"a\", \"b\"], [\"c\"]]; [] heals");
    ++island;
    for (const toml::node& name : *group.as_array()) {
      for (const HostIndex i : named(hosts, root, "partition", &name)) {
        if (hosts[i].island != 0) root.refuse("partition", "'" + hosts[i].name + "' is in two groups");
        hosts[i].island = island;
      }
    }
  }
}

void check_addresses(const Hosts& hosts) {
  std::set<base::IpAddress> seen;
  for (const HostSettings& host : hosts) {
    if (!seen.insert(host.address).second || !seen.insert(host.address6).second)
      throw FileError{"host." + host.name + ": its address is another host's too"};
  }
}

void read_links(Fields& root, LabSettings& lab, bool is_new) {
  read_hosts(root, lab.hosts, is_new);
  if (auto path = root.section("path")) read_link(*path, lab.path);
  read_pairs(root, lab);
  read_partition(root, lab.hosts);
  root.done();
}

LabSettings read_new(const toml::table& table) {
  LabSettings lab;
  Fields root{table, ""};
  if (const auto seed = root.integer("seed", 0, INT64_MAX)) {
    lab.seed = static_cast<std::uint64_t>(*seed);
    lab.seed_given = true;
  }
  if (const auto mtu = root.integer("mtu_bytes", kMinMtuBytes, kMaxMtuBytes)) lab.mtu_bytes = static_cast<std::uint32_t>(*mtu);
  declare_hosts(root, lab.hosts);
  read_links(root, lab, true);
  check_addresses(lab.hosts);
  return lab;
}

template <class Parse, class Read>
std::expected<LabSettings, std::string> guarded(const std::string& name, Parse parse, Read read) {
  try {
    const toml::table table = parse();
    return read(table);
  } catch (const toml::parse_error& error) {
    return std::unexpected(name + ": line " + std::to_string(error.source().begin.line) + ": " + std::string{error.description()});
  } catch (const FileError& error) {
    return std::unexpected(name + ": " + error.what);
  }
}

}  // namespace

std::expected<LabSettings, std::string> load_lab(const std::string& path) {
  return guarded(path, [&] { return toml::parse_file(path); }, read_new);
}

std::expected<LabSettings, std::string> read_lab(std::string_view toml, const std::string& name) {
  return guarded(name, [&] { return toml::parse(toml); }, read_new);
}

std::expected<LabSettings, std::string> changed(LabSettings settings, std::string_view toml) {
  return guarded(
      "change", [&] { return toml::parse(toml); },
      [&](const toml::table& table) {
        Fields root{table, ""};
        read_links(root, settings, false);
        return settings;
      });
}

}  // namespace runnel::netlab
