// Starts ffmpeg and ffprobe for tests and ends what it started.
#pragma once
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>
#include <utility>
#include <vector>

extern char** environ;

namespace runnel::media_helper::test {

// One process, killed with the object. Its stderr is the test's, so that a failure shows why.
class TestProcess {
 public:
  // Found on PATH. `output_file`: where stdout goes; empty: nowhere.
  explicit TestProcess(std::vector<std::string> arguments, const std::string& output_file = {}) {
    std::vector<char*> argv;
    for (std::string& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    ::posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, output_file.empty() ? "/dev/null" : output_file.c_str(),
                                       O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (::posix_spawnp(&pid_, argv[0], &actions, nullptr, argv.data(), environ) != 0) pid_ = -1;
    ::posix_spawn_file_actions_destroy(&actions);
  }
  TestProcess(const TestProcess&) = delete;
  TestProcess& operator=(const TestProcess&) = delete;
  ~TestProcess() {
    if (pid_ > 0) {
      ::kill(pid_, SIGKILL);
      wait();
    }
  }
  void kill_hard() const {
    if (pid_ > 0) ::kill(pid_, SIGKILL);
  }
  // SIGSTOP: the process is there and says nothing any more.
  void freeze() const {
    if (pid_ > 0) ::kill(pid_, SIGSTOP);
  }
  // Its exit status; 128 + signal when one ended it; -1 when it could not be started.
  int wait() {
    if (pid_ <= 0) return -1;
    int status = 0;
    ::waitpid(std::exchange(pid_, -1), &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }

 private:
  pid_t pid_ = -1;
};

// What OBS sends, by ffmpeg: H.264 zerolatency with a key frame every 2 s, and AAC. Small pictures: the bytes are what is tested.
inline std::vector<std::string> encoder_command(const std::string& seconds, const std::string& format, const std::string& url) {
  return {"ffmpeg",
          "-nostdin",
          "-hide_banner",
          "-loglevel",
          "error",
          "-re",
          "-f",
          "lavfi",
          "-i",
          "testsrc2=size=320x180:rate=30",
          "-f",
          "lavfi",
          "-i",
          "sine=440:sample_rate=48000",
          "-c:v",
          "libx264",
          "-preset",
          "veryfast",
          "-tune",
          "zerolatency",
          "-pix_fmt",
          "yuv420p",
          "-g",
          "60",
          "-b:v",
          "500k",
          "-c:a",
          "aac",
          "-b:a",
          "128k",
          "-t",
          seconds,
          "-f",
          format,
          url};
}

}  // namespace runnel::media_helper::test
