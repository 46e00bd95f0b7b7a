// A lab that runs: the hosts, the fabric between them and the control socket in one thread's event loop. One owner, one thread.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include <sys/types.h>

#include "netlab/control.hpp"
#include "netlab/fabric.hpp"
#include "netlab/guard.hpp"
#include "netlab/host.hpp"
#include "netlab/report.hpp"

namespace runnel::netlab {

// A program that runs in a host for as long as the lab, or the lab for as long as it.
struct Command {
  std::string host;
  std::vector<std::string> words;
};

class Lab {
 public:
  // Makes every host. Throws LabError.
  Lab(const LabSettings& settings, const std::string& control_path);

  // Until SIGINT, SIGTERM, SIGHUP or a request to stop (0), or until the command ends (its exit status, as a shell tells it).
  // Prints the ready line to stdout when there is no command. Throws LabError.
  [[nodiscard]] int run(const std::optional<Command>& command);

 private:
  [[nodiscard]] std::string answer(const Request& request);
  void start(const Command& command);
  void wait();
  void on_event(int fd);
  void on_signal();
  void fetch(HostIndex host);
  void deliver();
  void hand_over(HostIndex host);

  FileDescriptor epoll_;
  FileDescriptor signals_;
  std::vector<Host> hosts_;
  base::Bytes frame_;             // what a host just sent
  std::uint64_t next_frame_ = 1;
  std::vector<Joiner> joiners_;   // by host; empty between deliveries
  std::vector<HostIndex> waiting_;  // whose joiner is not
  std::vector<int> host_by_fd_;  // index by TUN descriptor, or -1
  Fabric fabric_;
  std::string control_path_;
  ControlServer control_;
  Guard guard_;  // after the socket that it removes
  Lateness lateness_;
  Time last_pass_;
  pid_t command_pid_ = -1;
  bool stopping_ = false;
  int exit_status_ = 0;
};

}  // namespace runnel::netlab
