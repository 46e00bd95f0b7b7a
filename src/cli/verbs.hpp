// The verbs: each fills a subcommand with its options and returns what runs when it was chosen. CLI11 stays in the .cpp files.
#pragma once
#include <functional>

namespace CLI {
class App;
}

namespace runnel::cli {

// Exit status of the process (design, "The command line").
constexpr int kDone = 0;
constexpr int kFailed = 1;
constexpr int kWrongUsage = 2;

using Run = std::function<int()>;

Run add_cast(CLI::App& app);
Run add_watch(CLI::App& app);
Run add_tracker(CLI::App& app);
Run add_inspect(CLI::App& app);

}  // namespace runnel::cli
