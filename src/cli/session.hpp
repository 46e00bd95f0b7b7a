// One run of a node in the foreground: signals, statistics each second, a clean end.
#pragma once
#include <functional>
#include <memory>
#include <string>

#include "cli/report.hpp"
#include "node/node.hpp"

namespace runnel::cli {

class Session {
 public:
  explicit Session(Report& report);
  ~Session();

  struct Hooks {
    std::function<void(player::Stream&)> on_ready;
    std::function<void(player::Stream&, const std::string& url)> on_playable;
    std::function<void(player::Stream&)> on_complete;
  };
  // The error is a text for the user.
  std::expected<node::Node*, std::string> start(node::NodeConfig config, Hooks hooks);
  // Until a signal, finish() or fail(). The exit status.
  int run();
  void finish(int status);
  void fail(const std::string& message);
  // A signal came while something blocks (hashing).
  [[nodiscard]] bool interrupted();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace runnel::cli
