// Nothing outlives a lab. Processes inside its hosts are found by their network namespace, whoever started them, and killed; a
// second process does it when the lab itself was killed.
#pragma once
#include <span>
#include <string>

#include <sys/types.h>

#include "netlab/file_descriptor.hpp"

namespace runnel::netlab {

// SIGKILL to every process in one of these namespaces but the caller's own, until there is none (or none but such as do not die, after
// some tries). To be called from outside them.
void kill_inhabitants(std::span<const int> namespaces);

class Guard {
 public:
  // Starts the second process. It ignores the signals of a terminal, holds the namespaces and nothing else of the lab, and ends after
  // it. `control_path` is removed then too.
  Guard(std::span<const int> namespaces, const std::string& control_path);
  Guard(const Guard&) = delete;
  Guard& operator=(const Guard&) = delete;
  // Has it do its work now, and waits for that.
  ~Guard();

 private:
  FileDescriptor lifeline_;  // its other end sees the lab's end
  pid_t pid_ = -1;
};

}  // namespace runnel::netlab
