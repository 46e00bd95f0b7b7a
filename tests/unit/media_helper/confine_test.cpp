#include "media_helper/confine.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <thread>
#include <vector>

namespace runnel::media_helper {
namespace {

// Runs `body` in a process of its own, since confinement lasts; gives what it returned.
template <class F>
int in_child(F&& body) {
  const pid_t pid = ::fork();
  if (pid == 0) ::_exit(body());
  int status = 0;
  ::waitpid(pid, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + status;
}

bool refused(long result) { return result < 0 && errno == EPERM; }

int works_with_threads_and_memory() {
  int sum = 0;
  std::vector<char> memory(32U << 20, 'x');
  std::thread{[&] { sum = memory[12345]; }}.join();
  return sum == 'x' ? 0 : 1;
}

TEST(Confine, a_closed_helper_still_has_threads_and_memory) {
  EXPECT_EQ(in_child([] {
              if (!confine(Confinement::closed)) return 100;
              return works_with_threads_and_memory();
            }),
            0);
}

TEST(Confine, a_closed_helper_opens_no_path_no_socket_and_no_program) {
  EXPECT_EQ(in_child([] {
              if (!confine(Confinement::closed)) return 100;
              if (!refused(::open("/etc/passwd", O_RDONLY))) return 1;
              if (!refused(::open("/tmp/never-made", O_WRONLY | O_CREAT, 0600))) return 2;
              if (!refused(::socket(AF_INET, SOCK_STREAM, 0))) return 3;
              char* const arguments[] = {nullptr};
              if (!refused(::execv("/bin/true", arguments))) return 4;
              if (!refused(::kill(::getppid(), 0))) return 5;
              if (::fork() >= 0) return 6;
              return 0;
            }),
            0);
}

TEST(Confine, a_thread_that_ran_before_is_confined_as_well) {
  EXPECT_EQ(in_child([] {
              int ready[2], answer = -1;
              if (::pipe(ready) != 0) return 101;
              std::thread early{[&] {
                char byte = 0;
                if (::read(ready[0], &byte, 1) == 1) answer = refused(::socket(AF_INET, SOCK_STREAM, 0)) ? 0 : 1;
              }};
              const bool confined = confine(Confinement::closed).has_value();
              if (::write(ready[1], "x", 1) != 1) return 102;
              early.join();
              return confined ? answer : 100;
            }),
            0);
}

TEST(Confine, a_network_helper_reads_files_and_has_sockets_but_writes_nothing_and_starts_nothing) {
  EXPECT_EQ(in_child([] {
              if (!confine(Confinement::network)) return 100;
              if (::open("/etc/passwd", O_RDONLY) < 0) return 1;
              if (::socket(AF_INET, SOCK_STREAM, 0) < 0) return 2;
              if (!refused(::open("/tmp/never-made", O_WRONLY | O_CREAT, 0600))) return 3;
              if (!refused(::open("/etc/passwd", O_RDWR))) return 4;
              if (!refused(::unlink("/tmp/never-made"))) return 5;
              char* const arguments[] = {nullptr};
              if (!refused(::execv("/bin/true", arguments))) return 6;
              if (::fork() >= 0) return 7;
              return works_with_threads_and_memory();
            }),
            0);
}

}  // namespace
}  // namespace runnel::media_helper
