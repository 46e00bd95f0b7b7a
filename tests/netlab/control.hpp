// The control socket: a Unix stream socket, a JSON object a line, each answered by one line.
//   {"do": "set", "toml": "host.a.up.rate_mbps = 1"}   {"do": "stats"}   {"do": "hosts"}   {"do": "stop"}
#pragma once
#include <functional>
#include <map>
#include <string>

#include "netlab/file_descriptor.hpp"

namespace runnel::netlab {

constexpr std::size_t kMaxControlClients = 16;
constexpr std::size_t kMaxRequestBytes = 256 * 1024;

struct Request {
  std::string what;  // "set", "stats", "hosts" or "stop"
  std::string toml;  // of "set"
};

class ControlServer {
 public:
  using Answer = std::function<std::string(const Request&)>;  // a line

  // Adds its descriptors to that epoll, each with its own number as the data. Throws LabError.
  ControlServer(const std::string& path, int epoll, Answer answer);

  [[nodiscard]] bool owns(int fd) const { return fd == listener_.get() || clients_.contains(fd); }
  // Something happened at one of its descriptors.
  void on_ready(int fd);

 private:
  struct Client {
    FileDescriptor socket;
    std::string received;
  };
  void accept_client();
  // False: the client is to be let go.
  bool read_from(Client& client);
  bool answer_lines(Client& client);

  int epoll_;
  Answer answer_;
  FileDescriptor listener_;
  std::map<int, Client> clients_;
};

// Sends one request and gives the answer's line. Throws LabError, also when the answer is an error.
std::string ask(const std::string& control_path, const std::string& request_line);
std::string request_line(const Request& request);

}  // namespace runnel::netlab
