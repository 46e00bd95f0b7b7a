// One runnel-media process: started, spoken to in messages, watched, and killed with its owner.
#pragma once
#include <boost/asio/io_context.hpp>
#include <functional>
#include <memory>
#include <string>

#include "base/time.hpp"
#include "media/helper_messages.hpp"

namespace runnel::media {

// All calls and callbacks on the service thread (the io_context given). No callback comes from inside a call, and none after
// the object was destroyed; destroying it (inside a callback too) kills the process at once and reaps it without blocking.
class HelperProcess {
 public:
  struct Config {
    std::string program;  // path, or a name looked for on PATH
    std::string mode;     // "ingest", "ts", "demand", "scan", "follow"
    int input = -1;       // descriptor that becomes the helper's standard input; -1: none (end of file at once)
    // A helper that says nothing for so long (it beats each second) is killed. Measured: a busy machine delays a beat by under 2 s.
    base::Duration silence = std::chrono::seconds{10};
  };
  struct Events {
    std::function<void(helper::Message)> on_message;  // never a Heartbeat
    // Once, last: the process has ended, was killed for silence, sent what cannot be read, or could not be started; in words for a user.
    std::function<void(std::string why)> on_exit;
  };

  HelperProcess(boost::asio::io_context& io, Config config, Events events);
  ~HelperProcess();
  HelperProcess(const HelperProcess&) = delete;
  HelperProcess& operator=(const HelperProcess&) = delete;

  // Queued and written in order. The queue has no limit of its own: look at queued_bytes() before sending what can wait.
  void send(const helper::Message& message);
  [[nodiscard]] std::size_t queued_bytes() const;
  // While paused nothing is read, so the helper blocks once the socket is full: back-pressure. Its silence is not counted meanwhile.
  void pause_reading(bool paused);
  [[nodiscard]] int pid() const;  // -1 once it has ended

 private:
  struct State;
  std::shared_ptr<State> state_;  // shared with the asynchronous operations under way
};

}  // namespace runnel::media
