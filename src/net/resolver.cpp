#include "net/resolver.hpp"

#include <netdb.h>
#include <sys/socket.h>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <mutex>
#include <system_error>
#include <thread>

#include "net/asio_endpoint.hpp"

namespace runnel::net {
namespace {

namespace asio = boost::asio;

Resolver::Result look_up(const std::string& host, std::uint16_t port) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_DGRAM;  // one entry for each address
  addrinfo* found = nullptr;
  const int error = getaddrinfo(host.c_str(), nullptr, &hints, &found);
  if (error != 0) return std::unexpected("cannot find " + host + " (" + gai_strerror(error) + ')');
  std::vector<base::Endpoint> endpoints;
  for (const addrinfo* i = found; i != nullptr; i = i->ai_next) {
    asio::ip::udp::endpoint endpoint;
    if (i->ai_addrlen > endpoint.capacity()) continue;
    std::memcpy(endpoint.data(), i->ai_addr, i->ai_addrlen);
    endpoint.resize(i->ai_addrlen);
    endpoints.push_back({from_asio(endpoint.address()), port});
  }
  freeaddrinfo(found);
  if (endpoints.empty()) return std::unexpected("no address for " + host);
  return endpoints;
}

}  // namespace

struct Resolver::Pending {
  std::string host;
  std::uint16_t port;
  Callback callback;
  asio::executor_work_guard<asio::io_context::executor_type> work;  // the io_context waits for the lookup thread
};

struct Resolver::Shared {
  std::mutex mutex;
  Resolver* owner = nullptr;  // cleared when the resolver goes; written and followed on its thread only
  asio::io_context* io = nullptr;
};

Resolver::Resolver(asio::io_context& io) : io_(io), shared_(std::make_shared<Shared>()) {
  shared_->owner = this;
  shared_->io = &io;
}

Resolver::~Resolver() {
  const std::lock_guard lock(shared_->mutex);
  shared_->owner = nullptr;
  shared_->io = nullptr;
}

void Resolver::resolve(std::string host, std::uint16_t port, Callback callback) {
  const std::uint64_t id = ++ids_;
  const auto numeric = base::IpAddress::parse(host);
  pending_.emplace(id, new Pending{std::move(host), port, std::move(callback), asio::make_work_guard(io_)});
  const auto answer = [&](Result result) {
    asio::post(io_, [shared = shared_, id, result = std::move(result)] {
      if (shared->owner != nullptr) shared->owner->finish(id, result);
    });
  };
  if (numeric) return answer(std::vector{base::Endpoint{*numeric, port}});
  if (waiting_.size() >= kMaxWaitingLookups) return answer(std::unexpected(std::string{"too many names to look up at once"}));
  waiting_.push_back(id);
  start_waiting();
}

void Resolver::start_waiting() {
  while (running_ < kMaxLookupThreads && !waiting_.empty()) {
    const std::uint64_t id = waiting_.front();
    waiting_.pop_front();
    ++running_;
    const auto lookup = [shared = shared_, id, host = pending_.at(id)->host, port = pending_.at(id)->port] {
      Result result = look_up(host, port);
      const std::lock_guard lock(shared->mutex);
      if (shared->io == nullptr) return;
      asio::post(*shared->io, [shared, id, result = std::move(result)] {
        if (shared->owner == nullptr) return;
        Resolver& resolver = *shared->owner;
        --resolver.running_;
        resolver.start_waiting();
        resolver.finish(id, result);
      });
    };
    std::thread{lookup}.detach();
  }
}

void Resolver::finish(std::uint64_t id, const Result& result) {
  const auto found = pending_.find(id);
  if (found == pending_.end()) return;
  const std::unique_ptr<Pending> pending = std::move(found->second);
  pending_.erase(found);
  pending->callback(result);
}

}  // namespace runnel::net
