// The tracker service alone, for tests that need it as a process of its own: [STORE]. Says where it listens as `runnel tracker
// --json` does, and ends on SIGTERM or SIGINT.
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <csignal>
#include <cstdio>
#include <string>

#include "tracker/tracker_server.hpp"

int main(int argc, char** argv) {
  boost::asio::io_context io;
  const auto any_port = runnel::base::Endpoint::parse("127.0.0.1:0");
  auto server = runnel::tracker::TrackerServer::start(
      io, {.http = any_port, .udp = any_port, .store = argc > 1 ? argv[1] : "memory", .secret = runnel::crypto::os_random_seed()});
  if (!server) {
    std::fprintf(stderr, "%s\n", server.error().c_str());
    return 1;
  }
  std::printf("{\"event\":\"ready\",\"http\":\"%s\",\"udp\":\"%s\"}\n", (*server)->http_url().c_str(), (*server)->udp_url().c_str());
  std::fflush(stdout);
  boost::asio::signal_set signals(io, SIGINT, SIGTERM);
  signals.async_wait([&](auto...) { io.stop(); });
  io.run();
  return 0;
}
