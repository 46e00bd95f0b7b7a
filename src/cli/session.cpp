#include "cli/session.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <csignal>

#include "cli/verbs.hpp"

namespace runnel::cli {

struct Session::State {
  explicit State(Report& r) : report(r), signals(io, SIGINT, SIGTERM), second(io), last_resort(io) {}

  Report& report;
  boost::asio::io_context io{1};
  boost::asio::signal_set signals;
  boost::asio::steady_timer second;
  boost::asio::steady_timer last_resort;
  std::unique_ptr<node::Node> node;
  player::Stream* main = nullptr;      // the stream that statistics are about
  Hooks hooks;
  bool ending = false;
  bool signalled = false;
  int status = kDone;

  void end(int with) {
    if (ending) return;
    ending = true;
    status = with;
    second.cancel();
    signals.cancel();
    if (!node) {
      io.stop();
      return;
    }
    // Whoever does not answer must not keep us from ending.
    last_resort.expires_after(std::chrono::seconds{5});
    last_resort.async_wait([this](const boost::system::error_code& error) {
      if (!error) io.stop();
    });
    node->stop([this] { io.stop(); });
  }

  void tick() {
    second.expires_after(std::chrono::seconds{1});
    second.async_wait([this](const boost::system::error_code& error) {
      if (error || ending) return;
      if (main != nullptr) report.stats(*main);
      tick();
    });
  }
};

Session::Session(Report& report) : state_(std::make_unique<State>(report)) {
  // A player that closes its socket must not end us.
  std::signal(SIGPIPE, SIG_IGN);
  state_->signals.async_wait([state = state_.get()](const boost::system::error_code& error, int) {
    if (error) return;
    state->signalled = true;
    state->end(kDone);
  });
}

Session::~Session() = default;

std::expected<node::Node*, std::string> Session::start(node::NodeConfig config, Hooks hooks) {
  State* state = state_.get();
  state->hooks = std::move(hooks);
  node::NodeEvents events;
  events.on_ready = [state](player::Stream& stream) {
    if (state->main == nullptr) state->main = &stream;
    state->report.ready(stream, state->node->listen().to_string(), state->node->http_url(), state->node->lan_url());
    if (state->hooks.on_ready) state->hooks.on_ready(stream);
  };
  events.on_playable = [state](player::Stream& stream, const std::string& url) {
    state->report.playable(url);
    if (state->hooks.on_playable) state->hooks.on_playable(stream, url);
  };
  events.on_complete = [state](player::Stream& stream) {
    if (state->hooks.on_complete) state->hooks.on_complete(stream);
  };
  events.on_error = [this](const std::string& message) { fail(message); };
  events.on_notice = [state](const std::string& text) { state->report.notice(text); };
  auto node = node::Node::start(state->io, std::move(config), std::move(events));
  if (!node) return std::unexpected(node.error());
  state->node = std::move(*node);
  state->tick();
  return state->node.get();
}

int Session::run() {
  state_->io.run();
  return state_->status;
}

void Session::finish(int status) {
  boost::asio::post(state_->io, [state = state_.get(), status] { state->end(status); });
}

void Session::fail(const std::string& message) {
  if (state_->ending) return;
  state_->report.error(message);
  finish(kFailed);
}

bool Session::interrupted() {
  state_->io.poll();
  return state_->signalled;
}

}  // namespace runnel::cli
