// A blocking HTTP client for tests. Every read gives up after ten seconds, so that a test fails rather than hangs.
#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace runnel::player::test {

struct Reply {
  unsigned status = 0;
  std::map<std::string, std::string> headers;   // names in lower case
  std::string body;
  bool keep_alive = false;
};
using Headers = std::vector<std::pair<std::string, std::string>>;

class HttpClient {
 public:
  explicit HttpClient(std::uint16_t port);
  ~HttpClient();
  HttpClient(HttpClient&&) noexcept;
  HttpClient& operator=(HttpClient&&) = delete;

  // Throws std::runtime_error if the connection breaks or nothing comes. "Host: 127.0.0.1" is sent unless `headers` has one.
  Reply get(const std::string& target, const Headers& headers = {});
  Reply request(const std::string& method, const std::string& target, const Headers& headers = {});

  void send(const std::string& bytes);
  std::string read_some(std::size_t max = 65536);   // empty at the end
  std::string read_all();
  Reply read_reply(bool head = false);
  void close();
  void close_at_end_of_sending();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

Reply get(std::uint16_t port, const std::string& target, const Headers& headers = {});

}  // namespace runnel::player::test
