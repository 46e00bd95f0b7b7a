#include "netlab/control.hpp"

#include <array>
#include <cerrno>
#include <cstring>
#include <string_view>

#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <boost/json.hpp>

#include "netlab/host.hpp"
#include "netlab/report.hpp"

namespace runnel::netlab {
namespace {

namespace json = boost::json;

// A client that asks and does not read its answer is let go after this; the hosts' packets wait meanwhile.
constexpr timeval kAnswerPatience{.tv_sec = 1, .tv_usec = 0};

LabError broken(const std::string& what) { return LabError{what + ": " + std::strerror(errno)}; }

sockaddr_un address_of(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) throw LabError{path + ": too long for a socket"};
  path.copy(address.sun_path, path.size());
  return address;
}

bool send_all(int socket, std::string_view text) {
  while (!text.empty()) {
    const ssize_t size = ::send(socket, text.data(), text.size(), MSG_NOSIGNAL);
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) return false;
    text.remove_prefix(static_cast<std::size_t>(size));
  }
  return true;
}

std::optional<Request> parse(const std::string& text) {
  boost::system::error_code error;
  const json::value value = json::parse(text, error);
  const json::object* object = error ? nullptr : value.if_object();
  const json::value* what = object == nullptr ? nullptr : object->if_contains("do");
  if (what == nullptr || !what->is_string()) return std::nullopt;
  Request request{.what = std::string{what->get_string()}};
  const json::value* toml = object->if_contains("toml");
  if (toml != nullptr && toml->is_string()) request.toml = std::string{toml->get_string()};
  return request;
}

void watch(int epoll, int fd) {
  epoll_event event{.events = EPOLLIN, .data = {.fd = fd}};
  if (::epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0) throw broken("epoll");
}

}  // namespace

ControlServer::ControlServer(const std::string& path, int epoll, Answer answer) : epoll_(epoll), answer_(std::move(answer)) {
  listener_ = FileDescriptor{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
  if (!listener_) throw broken("a socket");
  const sockaddr_un address = address_of(path);
  if (::bind(listener_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) throw broken(path);
  if (::listen(listener_.get(), static_cast<int>(kMaxControlClients)) != 0) throw broken(path);
  watch(epoll_, listener_.get());
}

void ControlServer::on_ready(int fd) {
  if (fd == listener_.get()) return accept_client();
  const auto client = clients_.find(fd);
  if (client != clients_.end() && !read_from(client->second)) clients_.erase(client);
}

void ControlServer::accept_client() {
  FileDescriptor socket{::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC)};
  if (!socket || clients_.size() >= kMaxControlClients) return;
  ::setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &kAnswerPatience, sizeof kAnswerPatience);
  watch(epoll_, socket.get());
  const int fd = socket.get();
  clients_.emplace(fd, Client{std::move(socket), {}});
}

bool ControlServer::read_from(Client& client) {
  std::array<char, 16384> piece{};
  const ssize_t size = ::recv(client.socket.get(), piece.data(), piece.size(), MSG_DONTWAIT);
  if (size < 0) return errno == EAGAIN || errno == EINTR;
  if (size == 0) return false;
  client.received.append(piece.data(), static_cast<std::size_t>(size));
  return answer_lines(client);
}

bool ControlServer::answer_lines(Client& client) {
  std::size_t end = 0;
  while ((end = client.received.find('\n')) != std::string::npos) {
    const auto request = parse(client.received.substr(0, end));
    client.received.erase(0, end + 1);
    const std::string answer = request ? answer_(*request) : error_line("a request is a JSON object with \"do\"");
    if (!send_all(client.socket.get(), answer)) return false;
  }
  return client.received.size() <= kMaxRequestBytes;
}

std::string ask(const std::string& control_path, const std::string& request_line) {
  const FileDescriptor socket{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  const sockaddr_un address = address_of(control_path);
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) throw broken(control_path);
  if (!send_all(socket.get(), request_line)) throw broken(control_path);
  std::string answer;
  std::array<char, 65536> piece{};
  while (!answer.ends_with('\n')) {
    const ssize_t size = ::recv(socket.get(), piece.data(), piece.size(), 0);
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) throw LabError{control_path + ": the lab ended"};
    answer.append(piece.data(), static_cast<std::size_t>(size));
  }
  const json::value value = json::parse(answer);
  if (const json::value* error = value.as_object().if_contains("error")) throw LabError{std::string{error->as_string()}};
  return answer;
}

std::string request_line(const Request& request) {
  json::object object{{"do", request.what}};
  if (!request.toml.empty()) object["toml"] = request.toml;
  return json::serialize(object) + "\n";
}

}  // namespace runnel::netlab
