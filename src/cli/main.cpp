// The program: verbs, help, exit status.
#include <malloc.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <exception>
#include <map>
#include <string>
#include <string_view>

#include "cli/verbs.hpp"

namespace runnel::cli {
namespace {

// Verbs of the contract that do not exist yet: a usage error that says so.
constexpr std::string_view kLater[] = {"relay", "doctor", "sim", "node"};

int run(int argc, char** argv) {
  CLI::App app{"Runnel streams video from peer to peer: everyone who watches also serves."};
  app.name("runnel");
  app.set_version_flag("--version", "runnel " RUNNEL_VERSION);
  app.require_subcommand(1);
  app.get_formatter()->column_width(34);
  app.failure_message(
      [](const CLI::App*, const CLI::Error& error) { return std::string{"runnel: "} + error.what() + " (--help tells what there is)\n"; });
  app.footer("`runnel VERB --help` tells more of each. A first try: runnel cast test:");
  std::map<std::string, Run> verbs{
      {"cast", add_cast(app)}, {"watch", add_watch(app)}, {"tracker", add_tracker(app)}, {"inspect", add_inspect(app)}};
  if (argc > 1) {
    const std::string verb = argv[1];
    const bool later = std::ranges::find(kLater, verb) != std::end(kLater);
    if (later || (!verb.empty() && verb.front() != '-' && !verbs.contains(verb))) {
      std::fprintf(stderr, "runnel: the verb \"%s\" %s; there are cast, watch, tracker and inspect\n", verb.c_str(),
                   later ? "is not part of this version" : "is unknown");
      return kWrongUsage;
    }
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const bool asked = error.get_exit_code() == 0;   // --help, --version
    app.exit(error);
    return asked ? kDone : kWrongUsage;
  }
  return verbs.at(app.get_subcommands().front()->get_name())();
}

// Records of a stream come and go, some of them larger than what malloc keeps by itself: to get the pages of each anew from the kernel,
// zeroed, took a tenth of a viewer's time.
void keep_freed_memory() {
  constexpr int kKept = 4 << 20;
  ::mallopt(M_MMAP_THRESHOLD, kKept);
  ::mallopt(M_TRIM_THRESHOLD, kKept);
}

}  // namespace
}  // namespace runnel::cli

int main(int argc, char** argv) {
  runnel::cli::keep_freed_memory();
  try {
    return runnel::cli::run(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "runnel: can not start: %s\n", error.what());
    return runnel::cli::kFailed;
  }
}
