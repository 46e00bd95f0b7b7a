// runnel-sim SCENARIO: runs the real engine on a virtual network.
#include <csignal>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <thread>

#include <CLI/CLI.hpp>

#include "sim/run.hpp"
#include "sim/trace_text.hpp"

namespace runnel::sim {
namespace {

// From so many viewers on a run takes minutes, and all processors unless told otherwise.
constexpr std::uint32_t kCrowd = 200;

// For the last words of a run that a check() ends.
volatile std::sig_atomic_t current_seed = 0;

void tell_seed(int) {
  std::array<char, 64> text{};
  const int size = std::snprintf(text.data(), text.size(), "runnel-sim: died in seed %ld\n", static_cast<long>(current_seed));
  std::fwrite(text.data(), 1, static_cast<std::size_t>(size), stderr);
}

struct Arguments {
  std::string scenario;
  std::vector<std::string> settings;
  std::optional<std::uint32_t> peers;
  std::uint64_t first_seed = 1;
  std::uint64_t last_seed = 1;
  std::string trace;
  std::string timeline;
  bool json = false;
  unsigned threads = 0;   // 0: as many as help
};

// "7" or "1..200".
bool parse_seeds(const std::string& text, Arguments& arguments) {
  try {
    const std::size_t dots = text.find("..");
    arguments.first_seed = std::stoull(text.substr(0, dots));
    arguments.last_seed = dots == std::string::npos ? arguments.first_seed : std::stoull(text.substr(dots + 2));
  } catch (const std::exception&) {
    return false;
  }
  return arguments.first_seed <= arguments.last_seed;
}

int run(const Arguments& arguments) {
  auto scenario = load_scenario(arguments.scenario, arguments.settings);
  if (!scenario) {
    std::cerr << scenario.error() << "\n";
    return 2;
  }
  if (arguments.peers) scenario->peers = *arguments.peers;
  std::ofstream trace;
  if (!arguments.trace.empty()) {
    trace.open(arguments.trace);
    if (!trace) {
      std::cerr << arguments.trace << ": can not be written\n";
      return 1;
    }
  }
  std::ofstream timeline;
  if (!arguments.timeline.empty()) {
    timeline.open(arguments.timeline);
    if (!timeline) {
      std::cerr << arguments.timeline << ": can not be written\n";
      return 1;
    }
  }
  const std::uint32_t all = scenario->peers + scenario->wave.peers;
  const unsigned threads = arguments.threads > 0 ? arguments.threads
                           : all >= kCrowd       ? std::max(1U, std::thread::hardware_concurrency())
                                                 : 1;
  std::vector<Report> reports;
  bool broken = false;
  for (std::uint64_t seed = arguments.first_seed; seed <= arguments.last_seed; ++seed) {
    current_seed = static_cast<std::sig_atomic_t>(seed);
    Run one{*scenario, seed, threads};
    if (trace.is_open()) one.simulation().add_tap(text_tap(trace, one.truth().format()));
    if (timeline.is_open()) one.tell_timeline(timeline);
    reports.push_back(one.go());
    broken |= !reports.back().broken.empty();
    if (arguments.json) print_json(std::cout, {reports.back()});
  }
  if (!arguments.json) print_table(std::cout, reports);
  return broken ? 1 : 0;
}

}  // namespace
}  // namespace runnel::sim

int main(int argc, char** argv) {
  using namespace runnel::sim;
  Arguments arguments;
  std::string seeds = "1";
  CLI::App app{"Runs swarms of real engines on a virtual network in virtual time. The same seed gives the same trace.", "runnel-sim"};
  app.add_option("SCENARIO", arguments.scenario, "a TOML file; see tests/sim/README.md")->required();
  app.add_option("--peers", arguments.peers, "how many watchers, beside the source");
  app.add_option("--seed,--seeds", seeds, "one seed, or a range A..B")->capture_default_str();
  app.add_option("--set", arguments.settings, "section.key=value over what the scenario says; may be repeated");
  app.add_option("--trace", arguments.trace, "a file for every datagram as text");
  app.add_option("--timeline", arguments.timeline, "a file for how push goes, second by second");
  app.add_option("--threads", arguments.threads,
                 "how many work on a run; the trace is the same (default: all processors for 200 viewers or more, else 1)")
      ->check(CLI::Range(1, 256));
  app.add_flag("--json", arguments.json, "one JSON object per run instead of a table");
  CLI11_PARSE(app, argc, argv);
  if (!parse_seeds(seeds, arguments)) {
    std::cerr << "--seeds: a number, or two with '..' between them\n";
    return 2;
  }
  std::signal(SIGABRT, tell_seed);
  return run(arguments);
}
