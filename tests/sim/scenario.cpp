#include "sim/scenario.hpp"

#include <filesystem>
#include <set>
#include <string_view>

#include <toml++/toml.h>

namespace runnel::sim {
namespace {

struct ScenarioError {
  std::string what;
};

// One table: every key is asked for by name, and what nobody asked for is an error.
class Fields {
 public:
  Fields(const toml::table& table, std::string name) : table_(table), name_(std::move(name)) {}

  template <class T>
  void read(std::string_view key, T& value) {
    const toml::node* node = find(key);
    if (node == nullptr) return;
    const auto found = node->value<T>();
    if (!found) throw ScenarioError{name_ + "." + std::string{key} + ": wrong type"};
    value = *found;
  }
  void read_count(std::string_view key, auto& value) {
    auto number = static_cast<std::int64_t>(value);
    read(key, number);
    if (number < 0) throw ScenarioError{name_ + "." + std::string{key} + ": negative"};
    value = static_cast<std::remove_reference_t<decltype(value)>>(number);
  }
  void read_seconds(std::string_view key, base::Duration& value) { read_time(key, value, 1e6); }
  void read_ms(std::string_view key, base::Duration& value) { read_time(key, value, 1e3); }
  // Megabits per second to bytes per second.
  void read_mbps(std::string_view key, std::uint64_t& value) {
    double mbps = static_cast<double>(value) * 8 / 1e6;
    read(key, mbps);
    value = static_cast<std::uint64_t>(mbps * 1e6 / 8);
  }
  // One value, or [low, high].
  void read_ms_range(std::string_view key, base::Duration& low, base::Duration& high) {
    const toml::node* node = find(key);
    if (node == nullptr) return;
    const auto* pair = node->as_array();
    const auto first = pair && pair->size() == 2 ? pair->get(0)->value<double>() : node->value<double>();
    const auto last = pair && pair->size() == 2 ? pair->get(1)->value<double>() : first;
    if (!first || !last || *last < *first) throw ScenarioError{name_ + "." + std::string{key} + ": a number or [low, high]"};
    low = base::Duration{static_cast<std::int64_t>(*first * 1e3)};
    high = base::Duration{static_cast<std::int64_t>(*last * 1e3)};
  }
  [[nodiscard]] const toml::node* find(std::string_view key) {
    asked_.emplace(key);
    return table_.get(key);
  }
  [[nodiscard]] std::optional<Fields> section(std::string_view key) {
    const toml::node* node = find(key);
    if (node == nullptr) return std::nullopt;
    if (!node->is_table()) throw ScenarioError{name_ + "." + std::string{key} + ": not a table"};
    return Fields{*node->as_table(), std::string{key}};
  }
  void done() const {
    for (const auto& [key, node] : table_) {
      if (!asked_.contains(std::string{key.str()})) throw ScenarioError{name_ + "." + std::string{key.str()} + ": no such key"};
    }
  }
  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] const toml::table& table() const { return table_; }

 private:
  void read_time(std::string_view key, base::Duration& value, double unit) {
    double number = static_cast<double>(value.count()) / unit;
    read(key, number);
    value = base::Duration{static_cast<std::int64_t>(number * unit)};
  }

  const toml::table& table_;
  std::string name_;
  std::set<std::string> asked_;
};

void read_access(Fields& fields, AccessModel& access) {
  fields.read_mbps("up_mbps", access.up_rate);
  fields.read_mbps("down_mbps", access.down_rate);
  fields.read_count("up_queue", access.up_queue);
  fields.read_count("down_queue", access.down_queue);
  fields.read_ms("delay_ms", access.delay);
}

FileContent read_file(Fields fields) {
  FileContent file;
  fields.read_count("bytes", file.bytes);
  fields.read_count("chunk_size", file.chunk_size);
  fields.read("size_in_link", file.size_in_link);
  fields.done();
  return file;
}

LiveContentModel read_live(Fields fields) {
  LiveContentModel live;
  double kbps = static_cast<double>(live.bits_per_second) / 1e3;
  fields.read("kbps", kbps);
  live.bits_per_second = static_cast<std::uint64_t>(kbps * 1e3);
  fields.read_ms("record_ms", live.record);
  fields.read_seconds("keyframe_s", live.keyframe_interval);
  fields.read("keyframe_factor", live.keyframe_factor);
  fields.read_count("chunk_size", live.chunk_size);
  fields.read_seconds("window_s", live.window);
  fields.read("push", live.push);
  fields.read_seconds("measure_from_s", live.measure_from);
  fields.done();
  return live;
}

void read_path(Fields fields, PathModel& path) {
  fields.read_ms_range("delay_ms", path.min_delay, path.max_delay);
  if (path.min_delay <= base::Duration{} || path.max_delay < path.min_delay)
    throw ScenarioError{"path.delay_ms: above 0, and the low one first"};
  fields.read_ms("jitter_ms", path.jitter);
  fields.read("loss", path.loss);
  fields.read("burst_enter", path.burst.enter);
  fields.read("burst_leave", path.burst.leave);
  fields.read("burst_loss", path.burst.loss);
  fields.read("duplicate", path.duplicate);
  fields.read("reorder", path.reorder);
  fields.read_ms("reorder_ms", path.reorder_delay);
  fields.done();
}

void read_faults(Fields fields, Faults& faults) {
  fields.read("polluters", faults.polluters);
  std::string where = "payload";
  fields.read("pollute", where);
  if (where != "payload" && where != "anywhere") throw ScenarioError{"faults.pollute: payload or anywhere"};
  faults.mangling.where = where == "payload" ? Mangling::Where::payload : Mangling::Where::anywhere;
  fields.read("polluted_share", faults.mangling.share);
  fields.read("takers", faults.takers);
  fields.read("boasters", faults.boasters);
  fields.read("boast", faults.boast.factor);
  fields.read("boasters_give", faults.boast.gives);
  fields.read("load_failures", faults.load_failures);
  fields.read_ms("load_delay_ms", faults.load_delay);
  fields.done();
}

EnemyModel read_enemy(Fields fields) {
  static const std::map<std::string, EnemyModel::Kind, std::less<>> kNames{
      {"flooder", EnemyModel::Kind::flooder},        {"forger", EnemyModel::Kind::forger}, {"thief", EnemyModel::Kind::thief},
      {"replayer", EnemyModel::Kind::replayer},      {"liar", EnemyModel::Kind::liar},     {"dripper", EnemyModel::Kind::dripper},
      {"root_forger", EnemyModel::Kind::root_forger}};
  EnemyModel enemy;
  std::string kind;
  fields.read("kind", kind);
  const auto found = kNames.find(kind);
  if (found == kNames.end()) throw ScenarioError{"enemy.kind: no such enemy: " + kind};
  enemy.kind = found->second;
  fields.read_count("count", enemy.count);
  fields.read("per_second", enemy.per_second);
  fields.done();
  return enemy;
}

ScenarioEvent read_event(Fields fields) {
  static const std::map<std::string, ScenarioEvent::What, std::less<>> kNames{
      {"partition", ScenarioEvent::What::partition}, {"heal", ScenarioEvent::What::heal},
      {"vanish", ScenarioEvent::What::vanish},       {"leave", ScenarioEvent::What::leave},
      {"wall_jump", ScenarioEvent::What::wall_jump}, {"restart_source", ScenarioEvent::What::restart_source}};
  ScenarioEvent event;
  std::string what;
  fields.read("do", what);
  const auto found = kNames.find(what);
  if (found == kNames.end()) throw ScenarioError{"event.do: no such event: " + what};
  event.what = found->second;
  fields.read_seconds("at_s", event.at);
  fields.read("share", event.share);
  fields.read("source", event.source);
  fields.read_seconds("by_s", event.by);
  fields.read("same_address", event.same_address);
  fields.done();
  return event;
}

void read_expectations(Fields fields, std::map<std::string, Expectation>& expectations) {
  for (const auto& [key, node] : fields.table()) {
    const std::string name{key.str()};
    auto bounds = fields.section(name);
    if (!bounds) continue;
    Expectation expected;
    const auto bound = [&](std::string_view which, std::optional<double>& value) {
      if (const toml::node* given = bounds->find(which)) value = given->value<double>();
    };
    bound("min", expected.min);
    bound("max", expected.max);
    bounds->done();
    expectations.emplace(name, expected);
  }
}

// Array tables ([[viewers]], [[event]]).
template <class Fn>
void each(Fields& root, std::string_view key, Fn fn) {
  const toml::node* node = root.find(key);
  if (node == nullptr) return;
  const toml::array* list = node->as_array();
  if (list == nullptr) throw ScenarioError{std::string{key} + ": write [[" + std::string{key} + "]]"};
  for (const toml::node& entry : *list) {
    if (!entry.is_table()) throw ScenarioError{std::string{key} + ": not a table"};
    fn(Fields{*entry.as_table(), std::string{key}});
  }
}

Scenario read_scenario(const toml::table& table, std::string name) {
  Scenario scenario;
  scenario.name = std::move(name);
  Fields root{table, "scenario"};
  root.read("title", scenario.title);
  root.read_count("peers", scenario.peers);
  root.read_seconds("duration_s", scenario.duration);
  std::string crypto = "stand-in";
  root.read("crypto", crypto);
  if (crypto != "stand-in" && crypto != "real") throw ScenarioError{"crypto: stand-in or real"};
  scenario.crypto = crypto == "real" ? CryptoKind::real : CryptoKind::stand_in;
  root.read("mixed_faults", scenario.mixed_faults);
  if (auto section = root.section("file")) scenario.file = read_file(*section);
  if (auto section = root.section("live")) scenario.live = read_live(*section);
  if (scenario.file.has_value() == scenario.live.has_value()) throw ScenarioError{"one of [file] and [live] is needed"};
  if (auto section = root.section("path")) read_path(*section, scenario.path);
  if (auto section = root.section("faults")) read_faults(*section, scenario.faults);
  if (auto section = root.section("expect")) read_expectations(*section, scenario.expectations);
  if (auto section = root.section("goals")) read_expectations(*section, scenario.goals);
  if (auto section = root.section("source")) {
    read_access(*section, scenario.source);
    section->done();
  }
  if (auto section = root.section("joins")) {
    section->read_seconds("at_s", scenario.joins.at);
    section->read_seconds("over_s", scenario.joins.over);
    section->read("tracker", scenario.joins.tracker);
    section->done();
  }
  if (auto section = root.section("wave")) {
    section->read_count("peers", scenario.wave.peers);
    section->read_seconds("at_s", scenario.wave.at);
    section->read_seconds("over_s", scenario.wave.over);
    section->done();
  }
  if (auto section = root.section("clocks")) {
    section->read("max_drift_ppm", scenario.clocks.max_drift_ppm);
    section->read_seconds("max_wall_error_s", scenario.clocks.max_wall_error);
    section->done();
  }
  if (auto section = root.section("churn")) {
    section->read_seconds("median_stay_s", scenario.churn.median_stay);
    section->read("sigma", scenario.churn.sigma);
    section->read("silent", scenario.churn.silent);
    section->done();
  }
  each(root, "viewers", [&](Fields fields) {
    LineClass line;
    fields.read("share", line.share);
    fields.read("gives", line.gives);
    read_access(fields, line.access);
    fields.done();
    scenario.lines.push_back(line);
  });
  each(root, "enemy", [&](Fields fields) { scenario.enemies.push_back(read_enemy(std::move(fields))); });
  each(root, "event", [&](Fields fields) { scenario.events.push_back(read_event(std::move(fields))); });
  root.done();
  const auto needs_file = [](const EnemyModel& enemy) { return enemy.kind == EnemyModel::Kind::root_forger; };
  if (!scenario.file && std::ranges::any_of(scenario.enemies, needs_file)) throw ScenarioError{"enemy.kind: a root_forger needs a [file]"};
  return scenario;
}

// Settings go over the file's, table by table.
void merge(toml::table& into, const toml::table& from) {
  for (const auto& [key, node] : from) {
    toml::node* old = into.get(key);
    if (old != nullptr && old->is_table() && node.is_table())
      merge(*old->as_table(), *node.as_table());
    else
      into.insert_or_assign(key, node);
  }
}

// A file may name another of its folder as its `base`, and says only what is different.
toml::table read_file(const std::filesystem::path& path) {
  toml::table table = toml::parse_file(path.string());
  const toml::node* named = table.get("base");
  if (named == nullptr) return table;
  const auto name = named->value<std::string>();
  if (!name || name->find('/') != std::string::npos) throw ScenarioError{"base: the name of a scenario"};
  table.erase("base");
  toml::table base = toml::parse_file((path.parent_path() / (*name + ".toml")).string());
  if (base.contains("base")) throw ScenarioError{"base: " + *name + " has a base itself"};
  base.erase("goals");   // they are for that one alone
  merge(base, table);
  return base;
}

}  // namespace

std::expected<Scenario, std::string> load_scenario(const std::string& path, const std::vector<std::string>& settings) {
  try {
    toml::table table = read_file(path);
    for (const std::string& setting : settings) merge(table, toml::parse(setting));
    return read_scenario(table, std::filesystem::path{path}.stem().string());
  } catch (const toml::parse_error& error) {
    return std::unexpected(path + ":" + std::to_string(error.source().begin.line) + ": " + std::string{error.description()});
  } catch (const ScenarioError& error) {
    return std::unexpected(path + ": " + error.what);
  }
}

}  // namespace runnel::sim
