#include "media/helper_process.hpp"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <cstring>
#include <deque>
#include <expected>
#include <optional>
#include <utility>

#include "base/log.hpp"

extern char** environ;

namespace runnel::media {
namespace {

namespace asio = boost::asio;
using asio::local::stream_protocol;
using ErrorCode = boost::system::error_code;

constexpr int kTicksOfSilence = 10;        // the silence allowed, in ticks of the watchdog
constexpr std::size_t kMaxLogLine = 1024;  // bytes of one line of the helper's stderr
constexpr int kLogLinesPerTick = 20;       // more are counted, not shown
constexpr int kFirstSafeDescriptor = 10;   // above every descriptor number that the helper gets
constexpr std::chrono::milliseconds kReapPoll{10};
constexpr int kPollsBeforeKill = 200;  // 2 s between closing the socket and having ended

// A descriptor that closes itself.
class Descriptor {
 public:
  explicit Descriptor(int fd = -1) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  [[nodiscard]] int get() const { return fd_; }
  int release() { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

std::string system_error() { return std::strerror(errno); }

// Moved out of the range that the helper's own descriptors have, so that no dup2 below overwrites one still needed.
Descriptor lifted(int fd) { return Descriptor{::fcntl(fd, F_DUPFD_CLOEXEC, kFirstSafeDescriptor)}; }

struct Child {
  int pid = -1;
  Descriptor socket;
  Descriptor log;
};

std::expected<Child, std::string> spawn(const HelperProcess::Config& config) {
  std::array<int, 2> pair{};
  std::array<int, 2> pipe{};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair.data()) != 0) return std::unexpected{system_error()};
  Descriptor ours{pair[0]}, theirs{pair[1]};
  if (::pipe2(pipe.data(), O_CLOEXEC) != 0) return std::unexpected{system_error()};
  Descriptor log_ours{pipe[0]}, log_theirs{pipe[1]};
  const Descriptor nothing{::open("/dev/null", O_RDWR | O_CLOEXEC)};
  const Descriptor socket_end = lifted(theirs.get()), log_end = lifted(log_theirs.get()), null_end = lifted(nothing.get());
  const Descriptor input_end = lifted(config.input >= 0 ? config.input : nothing.get());
  if (socket_end.get() < 0 || log_end.get() < 0 || null_end.get() < 0 || input_end.get() < 0) return std::unexpected{system_error()};

  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, input_end.get(), STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, null_end.get(), STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, log_end.get(), STDERR_FILENO);
  posix_spawn_file_actions_adddup2(&actions, socket_end.get(), helper::kSocketDescriptor);
  posix_spawn_file_actions_addclosefrom_np(&actions, helper::kSocketDescriptor + 1);

  // A process group of its own: Ctrl-C is for the node, which then ends the helper.
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t none, all;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &all);
  posix_spawnattr_setpgroup(&attributes, 0);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);

  std::string program = config.program, mode = config.mode;
  std::array<char*, 3> arguments{program.data(), mode.data(), nullptr};
  Child child{-1, std::move(ours), std::move(log_ours)};
  const int failed = ::posix_spawnp(&child.pid, program.c_str(), &actions, &attributes, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  if (failed != 0) return std::unexpected{std::string{std::strerror(failed)}};
  return child;
}

std::string describe(std::optional<int> status) {
  if (status && WIFEXITED(*status)) return "the media helper ended with status " + std::to_string(WEXITSTATUS(*status));
  if (status && WIFSIGNALED(*status)) return std::string{"the media helper was ended by a signal: "} + ::strsignal(WTERMSIG(*status));
  return "the media helper ended";
}

}  // namespace

struct HelperProcess::State : std::enable_shared_from_this<State> {
  State(asio::io_context& io, Config c, Events e)
      : config(std::move(c)), events(std::move(e)), executor(io.get_executor()), socket(io), log(io), tick(io), reaper(io) {}
  ~State() { end_child(); }

  Config config;
  Events events;
  asio::io_context::executor_type executor;
  stream_protocol::socket socket;
  asio::posix::stream_descriptor log;
  asio::steady_timer tick;
  asio::steady_timer reaper;
  bool owned = true;     // false once the HelperProcess is gone: no more callbacks
  bool reading = false;  // a read is under way
  bool paused = false;
  bool closing = false;  // waiting for the process to end
  int pid = -1;
  int silent_ticks = 0;
  int polls = 0;
  std::string why;  // known before the exit status is
  std::array<std::byte, helper::kFrameHeaderBytes> header{};
  base::Bytes body;
  std::optional<helper::Message> held;  // read while paused
  std::deque<base::Bytes> queue;
  std::size_t queued = 0;
  std::array<char, 4096> log_buffer{};
  std::string log_line;
  std::string last_line;
  int log_budget = kLogLinesPerTick;
  int log_dropped = 0;

  void start();
  void read_next();
  void read_body(std::size_t size);
  void deliver();
  void write_next();
  void watch();
  void read_log();
  void take_log(std::size_t size);
  void drain_log();
  void show_line();
  void close(std::string reason);
  void reap();
  void finish(std::optional<int> status);
  void kill() const {
    if (pid > 0) ::kill(pid, SIGKILL);
  }
  // The last resort when the io_context itself goes: no zombie if the process ends fast enough, no blocking in any case.
  void end_child() {
    kill();
    if (pid > 0) ::waitpid(pid, nullptr, WNOHANG);
  }
};

void HelperProcess::State::start() {
  auto child = spawn(config);
  if (!child) {
    why =
        "cannot start the media helper " + config.program + ": " + child.error() + "; it belongs beside the runnel program or on the PATH";
    closing = true;
    asio::post(executor, [self = shared_from_this()] { self->finish(std::nullopt); });
    return;
  }
  pid = child->pid;
  socket.assign(stream_protocol{}, child->socket.release());
  log.assign(child->log.release());
  read_next();
  read_log();
  watch();
}

void HelperProcess::State::read_next() {
  if (reading || paused || held || closing) return;
  reading = true;
  asio::async_read(socket, asio::buffer(header), [self = shared_from_this()](ErrorCode failed, std::size_t) {
    self->reading = false;
    if (self->closing) return;
    if (failed) return self->close({});
    const auto size = helper::body_size(self->header);
    if (!size) return self->close("the media helper was stopped: " + std::string{helper::message(size.error())});
    self->read_body(*size);
  });
}

void HelperProcess::State::read_body(std::size_t size) {
  reading = true;
  body.resize(size);
  asio::async_read(socket, asio::buffer(body), [self = shared_from_this()](ErrorCode failed, std::size_t) {
    self->reading = false;
    if (self->closing) return;
    if (failed) return self->close({});
    auto decoded = helper::decode(self->body);
    if (!decoded) return self->close("the media helper was stopped: " + std::string{helper::message(decoded.error())});
    self->silent_ticks = 0;
    self->held = std::move(*decoded);
    self->deliver();
  });
}

void HelperProcess::State::deliver() {
  if (paused || closing || !held) return;
  helper::Message m = std::move(*held);
  held.reset();
  // The callback may destroy the owner, but not this state: the handler that runs it holds a share.
  if (!std::holds_alternative<helper::Heartbeat>(m) && owned && events.on_message) events.on_message(std::move(m));
  read_next();
}

void HelperProcess::State::write_next() {
  asio::async_write(socket, asio::buffer(queue.front()), [self = shared_from_this()](ErrorCode failed, std::size_t) {
    if (failed || self->closing) return;  // the reader sees the end as well, and tells
    self->queued -= self->queue.front().size();
    self->queue.pop_front();
    if (!self->queue.empty()) self->write_next();
  });
}

// Ticks are counted, not clocks compared: after the whole machine slept, one tick has passed, and the helper gets its time.
void HelperProcess::State::watch() {
  tick.expires_after(config.silence / kTicksOfSilence);
  tick.async_wait([self = shared_from_this()](ErrorCode failed) {
    if (failed || self->closing) return;
    if (self->log_dropped > 0) base::log_debug("media", std::to_string(self->log_dropped) + " more lines from the media helper");
    self->log_dropped = 0;
    self->log_budget = kLogLinesPerTick;
    if (!self->paused && !self->held && ++self->silent_ticks > kTicksOfSilence) {
      self->kill();
      return self->close("the media helper hung and was stopped");
    }
    self->watch();
  });
}

void HelperProcess::State::read_log() {
  log.async_read_some(asio::buffer(log_buffer), [self = shared_from_this()](ErrorCode failed, std::size_t size) {
    if (failed) return self->show_line();
    self->take_log(size);
    self->read_log();
  });
}

void HelperProcess::State::take_log(std::size_t size) {
  for (const char c : std::string_view{log_buffer.data(), size}) {
    if (c == '\n') {
      show_line();
    } else if (log_line.size() < kMaxLogLine) {
      const bool control = static_cast<unsigned char>(c) < 0x20 || c == 0x7f;  // no escape sequences into a terminal
      log_line += control ? ' ' : c;
    }
  }
}

void HelperProcess::State::show_line() {
  if (log_line.empty()) return;
  if (log_budget > 0) {
    --log_budget;
    base::log_debug("media", log_line);
  } else {
    ++log_dropped;
  }
  last_line = std::exchange(log_line, {});
}

// What it said last, before the reader came to it.
void HelperProcess::State::drain_log() {
  ErrorCode failed;
  log.non_blocking(true, failed);
  for (int reads = 0; reads < kLogLinesPerTick && !failed; ++reads) {
    const std::size_t size = log.read_some(asio::buffer(log_buffer), failed);
    if (!failed) take_log(size);
  }
  show_line();
  log.close(failed);
}

// Stops talking; the process is told to go by the closed socket, and killed if it does not. An empty reason: its status tells.
void HelperProcess::State::close(std::string reason) {
  if (closing) return;
  closing = true;
  why = std::move(reason);
  if (!why.empty()) kill();
  ErrorCode ignored;
  socket.close(ignored);
  tick.cancel();
  reap();
}

void HelperProcess::State::reap() {
  int status = 0;
  const int got = ::waitpid(pid, &status, WNOHANG);
  if (got != 0) {  // ended; or ECHILD, where someone ignores SIGCHLD for the whole program
    const std::optional<int> known = got == pid ? std::optional{status} : std::nullopt;
    pid = -1;
    asio::post(executor, [self = shared_from_this(), known] { self->finish(known); });
    return;
  }
  if (++polls == kPollsBeforeKill) kill();
  reaper.expires_after(kReapPoll);
  reaper.async_wait([self = shared_from_this()](ErrorCode failed) {
    if (!failed) self->reap();
  });
}

void HelperProcess::State::finish(std::optional<int> status) {
  if (log.is_open()) drain_log();
  if (why.empty()) {
    why = describe(status);
    const bool clean = status && WIFEXITED(*status) && WEXITSTATUS(*status) == 0;
    if (!clean && !last_line.empty()) why += " (" + last_line + ")";
  }
  if (owned && events.on_exit) events.on_exit(why);
}

HelperProcess::HelperProcess(asio::io_context& io, Config config, Events events)
    : state_(std::make_shared<State>(io, std::move(config), std::move(events))) {
  state_->start();
}

HelperProcess::~HelperProcess() {
  state_->owned = false;
  state_->kill();
  if (!state_->closing) state_->close({});
}

void HelperProcess::send(const helper::Message& message) {
  State& s = *state_;
  if (s.closing) return;
  s.queue.push_back(helper::encode(message));
  s.queued += s.queue.back().size();
  if (s.queue.size() == 1) s.write_next();
}

std::size_t HelperProcess::queued_bytes() const { return state_->queued; }

void HelperProcess::pause_reading(bool paused) {
  State& s = *state_;
  if (s.paused == paused) return;
  s.paused = paused;
  s.silent_ticks = 0;
  if (paused) return;
  asio::post(s.executor, [self = state_] {
    if (self->held) {
      self->deliver();
    } else {
      self->read_next();
    }
  });
}

int HelperProcess::pid() const { return state_->pid; }

}  // namespace runnel::media
