// runnel-media: all of FFmpeg, in a process of its own (design decision 16). A node starts it; see modes.hpp.
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <string_view>

#include "media_helper/ffmpeg.hpp"
#include "media_helper/modes.hpp"

namespace {

using namespace runnel::media_helper;

constexpr int kExitUsage = 2;

struct Mode {
  std::string_view name;
  int (*run)(HelperLink&);
};
constexpr std::array kModes{
    Mode{"ingest", run_ingest}, Mode{"ts", run_ts}, Mode{"demand", run_demand}, Mode{"scan", run_scan}, Mode{"follow", run_follow},
};

int usage() {
  std::fputs("runnel-media is started by runnel, which hands it a socket; it does nothing by itself.\n", stderr);
  return kExitUsage;
}

bool has_socket() {
  int type = 0;
  socklen_t size = sizeof type;
  return ::getsockopt(messages::kSocketDescriptor, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_STREAM;
}

}  // namespace

int main(int argc, char** argv) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // a node that is killed takes its helpers with it
  ::signal(SIGPIPE, SIG_IGN);
  if (argc != 2 || !has_socket()) return usage();
  set_up_ffmpeg();
  for (const Mode& mode : kModes) {
    if (mode.name != argv[1]) continue;
    HelperLink link{messages::kSocketDescriptor, [] { ::_exit(0); }};
    const int status = mode.run(link);
    // No destructors: a library's thread that hangs must not keep the process.
    ::_exit(status);
  }
  return usage();
}
