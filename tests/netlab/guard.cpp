#include "netlab/guard.hpp"

#include <algorithm>
#include <charconv>
#include <csignal>
#include <cstring>
#include <string_view>
#include <thread>
#include <vector>

#include <dirent.h>
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "netlab/host.hpp"

namespace runnel::netlab {
namespace {

// A killed process is gone within milliseconds unless it hangs in the kernel; then waiting longer would not help.
constexpr int kMaxRounds = 500;
constexpr std::chrono::milliseconds kRoundPause{4};

// True: one was found.
bool kill_round(std::span<const struct stat> namespaces) {
  DIR* proc = ::opendir("/proc");
  if (proc == nullptr) return false;
  bool found = false;
  while (const dirent* entry = ::readdir(proc)) {
    const std::string_view name{entry->d_name};
    pid_t pid = 0;
    const auto parsed = std::from_chars(name.data(), name.data() + name.size(), pid);
    if (parsed.ec != std::errc{} || parsed.ptr != name.data() + name.size() || pid == ::getpid()) continue;
    struct stat seen{};
    if (::stat(("/proc/" + std::string{name} + "/ns/net").c_str(), &seen) != 0) continue;
    const auto is_here = [&](const struct stat& one) { return one.st_ino == seen.st_ino && one.st_dev == seen.st_dev; };
    if (std::ranges::none_of(namespaces, is_here)) continue;
    found = true;
    ::kill(pid, SIGKILL);
  }
  ::closedir(proc);
  return found;
}

// Every file but these; `keep` is sorted and begins with 0, 1 and 2 or later ones.
void close_all_but(std::vector<int> keep) {
  std::ranges::sort(keep);
  unsigned first = 0;
  for (const int fd : keep) {
    if (static_cast<unsigned>(fd) > first) ::close_range(first, static_cast<unsigned>(fd) - 1, 0);
    first = static_cast<unsigned>(fd) + 1;
  }
  ::close_range(first, ~0U, 0);
}

[[noreturn]] void keep_guard(int lifeline, std::span<const int> namespaces, const std::string& control_path) {
  ::setsid();
  ::prctl(PR_SET_NAME, "netlab-guard");
  for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE}) std::signal(number, SIG_IGN);
  std::vector<int> keep{namespaces.begin(), namespaces.end()};
  keep.push_back(lifeline);
  close_all_but(keep);
  char byte = 0;
  while (::read(lifeline, &byte, 1) < 0 && errno == EINTR) {
  }
  kill_inhabitants(namespaces);
  ::unlink(control_path.c_str());
  ::_exit(0);
}

}  // namespace

void kill_inhabitants(std::span<const int> namespaces) {
  std::vector<struct stat> identities;
  for (const int fd : namespaces) {
    struct stat identity{};
    if (::fstat(fd, &identity) == 0) identities.push_back(identity);
  }
  for (int round = 0; round < kMaxRounds && kill_round(identities); ++round) std::this_thread::sleep_for(kRoundPause);
}

Guard::Guard(std::span<const int> namespaces, const std::string& control_path) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) throw LabError{std::string{"a pipe: "} + std::strerror(errno)};
  const FileDescriptor watched{ends[0]};
  lifeline_ = FileDescriptor{ends[1]};
  pid_ = ::fork();
  if (pid_ < 0) throw LabError{std::string{"a second process: "} + std::strerror(errno)};
  if (pid_ == 0) keep_guard(watched.get(), namespaces, control_path);
}

Guard::~Guard() {
  lifeline_ = FileDescriptor{};
  ::waitpid(pid_, nullptr, 0);
}

}  // namespace runnel::netlab
