#include "netlab/lab.hpp"

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <fstream>

#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>

#include "netlab/lab_file.hpp"

namespace runnel::netlab {
namespace {

// Packets taken from one host before the others have their turn.
constexpr int kFetchBatch = 64;
constexpr int kEventBatch = 64;
// Packets handed over before the hosts are looked at again.
constexpr int kDeliveryBatch = 512;
// At 1 Gb/s a packet is due each 12 us. This is the exactness of the links when there is much to do; without that they are exacter.
constexpr std::chrono::microseconds kMinPause{100};
// As nice values go; the network is not to slow down because the hosts have much to do.
constexpr int kPriority = -15;
constexpr int kNotFound = 127;  // what a shell says of a command that is not there

FileDescriptor made(int fd, const char* what) {
  if (fd < 0) throw LabError{std::string{what} + ": " + std::strerror(errno)};
  return FileDescriptor{fd};
}

sigset_t watched_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGCHLD}) sigaddset(&set, number);
  return set;
}

FileDescriptor catch_signals() {
  const sigset_t set = watched_signals();
  ::sigprocmask(SIG_BLOCK, &set, nullptr);
  return made(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK), "signalfd");
}

std::vector<Host> make_hosts(const LabSettings& settings) {
  std::vector<Host> hosts;
  hosts.reserve(settings.hosts.size());
  for (const HostSettings& host : settings.hosts) hosts.emplace_back(host, settings.mtu_bytes);
  return hosts;
}

std::vector<int> namespaces_of(const std::vector<Host>& hosts) {
  std::vector<int> namespaces;
  namespaces.reserve(hosts.size());
  for (const Host& host : hosts) namespaces.push_back(host.network_namespace());
  return namespaces;
}

void watch(int epoll, int fd) {
  epoll_event event{.events = EPOLLIN, .data = {.fd = fd}};
  if (::epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0) throw LabError{std::string{"epoll: "} + std::strerror(errno)};
}

// The lab goes before the programs in its hosts, where it may. Linux weighs whole sessions against each other (autogroups, sched(7)),
// so one of its own is raised too.
void raise_priority(bool is_alone) {
  static_cast<void>(::setpriority(PRIO_PROCESS, 0, kPriority));
  if (is_alone && ::getsid(0) == ::getpid()) std::ofstream{"/proc/self/autogroup"} << kPriority;
}

timespec to_timespec(Duration d) {
  return {.tv_sec = static_cast<time_t>(d.count() / 1'000'000'000), .tv_nsec = static_cast<long>(d.count() % 1'000'000'000)};
}

}  // namespace

Lab::Lab(const LabSettings& settings, const std::string& control_path)
    : epoll_(made(::epoll_create1(EPOLL_CLOEXEC), "epoll")),
      signals_(catch_signals()),
      hosts_(make_hosts(settings)),
      frame_(kMaxFrameBytes),
      joiners_(settings.hosts.size()),
      fabric_(settings),
      control_path_(control_path),
      control_(control_path, epoll_.get(), [this](const Request& request) { return answer(request); }),
      guard_(namespaces_of(hosts_), control_path) {
  watch(epoll_.get(), signals_.get());
  for (HostIndex i = 0; i < hosts_.size(); ++i) {
    const auto fd = static_cast<std::size_t>(hosts_[i].tun());
    if (fd >= host_by_fd_.size()) host_by_fd_.resize(fd + 1, -1);
    host_by_fd_[fd] = static_cast<int>(i);
    watch(epoll_.get(), hosts_[i].tun());
  }
}

std::string Lab::answer(const Request& request) {
  if (request.what == "stats") return stats_line(fabric_, hosts_, lateness_);
  if (request.what == "hosts") return ready_line(fabric_.settings(), hosts_, control_path_);
  if (request.what == "stop") {
    stopping_ = true;
    return ok_line();
  }
  if (request.what != "set") return error_line("'" + request.what + "': set, stats, hosts or stop");
  auto settings = changed(fabric_.settings(), request.toml);
  if (!settings) return error_line(settings.error());
  fabric_.apply(*settings);
  return ok_line();
}

void Lab::start(const Command& command) {
  const auto& hosts = fabric_.settings().hosts;
  HostIndex index = 0;
  while (index < hosts.size() && hosts[index].name != command.host) ++index;
  if (index == hosts.size()) throw LabError{"there is no host '" + command.host + "'"};
  const pid_t lab = ::getpid();
  command_pid_ = ::fork();
  if (command_pid_ < 0) throw LabError{std::string{"fork: "} + std::strerror(errno)};
  if (command_pid_ > 0) return;
  // In the new process. It is not to keep what the lab has set for itself.
  const sigset_t set = watched_signals();
  ::sigprocmask(SIG_UNBLOCK, &set, nullptr);
  ::prctl(PR_SET_TIMERSLACK, 0);
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != lab) ::_exit(kNotFound);
  if (::setns(hosts_[index].network_namespace(), CLONE_NEWNET) != 0) ::_exit(kNotFound);
  replace_process(command.words);
  std::fprintf(stderr, "netlab: %s: %s\n", command.words[0].c_str(), std::strerror(errno));
  ::_exit(kNotFound);
}

int Lab::run(const std::optional<Command>& command) {
  // A wait may end up to 50 us late by default, so that the kernel can wake several at once; here each packet counts.
  ::prctl(PR_SET_TIMERSLACK, 1);
  if (command) start(*command);
  raise_priority(!command);
  if (!command) std::fputs(ready_line(fabric_.settings(), hosts_, control_path_).c_str(), stdout);
  std::fflush(stdout);
  while (!stopping_) {
    wait();
    deliver();
  }
  return exit_status_;
}

void Lab::wait() {
  // What comes and what is due within a short time is handled at once: waking up costs as much as a packet does.
  if (const Duration rest = last_pass_ + kMinPause - Clock::now(); rest > Duration{}) {
    const timespec pause = to_timespec(rest);
    ::nanosleep(&pause, nullptr);
  }
  std::array<epoll_event, kEventBatch> events{};
  timespec timeout{};
  const auto due = fabric_.next_due();
  if (due) timeout = to_timespec(std::max(Duration{}, *due - Clock::now()));
  const int count = ::epoll_pwait2(epoll_.get(), events.data(), kEventBatch, due ? &timeout : nullptr, nullptr);
  last_pass_ = Clock::now();
  for (int i = 0; i < count; ++i) on_event(events[static_cast<std::size_t>(i)].data.fd);
}

void Lab::on_event(int fd) {
  const auto place = static_cast<std::size_t>(fd);
  if (place < host_by_fd_.size() && host_by_fd_[place] >= 0) return fetch(static_cast<HostIndex>(host_by_fd_[place]));
  if (fd == signals_.get()) return on_signal();
  if (control_.owns(fd)) control_.on_ready(fd);
}

void Lab::on_signal() {
  signalfd_siginfo signal{};
  while (::read(signals_.get(), &signal, sizeof signal) == sizeof signal) {
    if (signal.ssi_signo != SIGCHLD) {
      stopping_ = true;
      continue;
    }
    int status = 0;
    if (command_pid_ > 0 && ::waitpid(command_pid_, &status, WNOHANG) == command_pid_) {
      stopping_ = true;
      exit_status_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    }
  }
}

void Lab::fetch(HostIndex host) {
  for (int i = 0; i < kFetchBatch; ++i) {
    const base::ByteView frame = hosts_[host].read(frame_);
    if (frame.empty()) return;
    const Time now = Clock::now();
    Cutter cutter{frame, next_frame_++};
    while (const auto size = cutter.next(fabric_.buffer())) fabric_.sent(now, host, *size, cutter.segment());
  }
}

void Lab::deliver() {
  Time now = Clock::now();
  for (int i = 0; i < kDeliveryBatch; ++i) {
    const auto delivery = fabric_.next(now);
    if (!delivery) break;
    lateness_.add(now - delivery->due);
    Joiner& joiner = joiners_[delivery->host];
    if (!joiner.empty() && !joiner.continues(delivery->segment)) {
      hand_over(delivery->host);
      now = Clock::now();
    }
    if (joiner.empty()) waiting_.push_back(delivery->host);
    joiner.add(delivery->packet, delivery->segment);
  }
  for (const HostIndex host : waiting_) hand_over(host);
  waiting_.clear();
}

void Lab::hand_over(HostIndex host) {
  if (!joiners_[host].empty()) static_cast<void>(hosts_[host].write(joiners_[host].finish()));
}

}  // namespace runnel::netlab
