// Names to addresses without blocking the caller, nor its end: the system's resolver can hang for half a minute, and Asio's
// would make the io_context's destructor wait for it.
#pragma once
#include <cstdint>
#include <deque>
#include <expected>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/endpoint.hpp"

namespace boost::asio {
class io_context;
}

namespace runnel::net {

constexpr unsigned kMaxLookupThreads = 4;
constexpr std::size_t kMaxWaitingLookups = 256;

// Owned by the thread that runs the io_context; destroyed there, before the io_context. No callback follows destruction.
class Resolver {
 public:
  // Addresses in the system's order (RFC 6724), never empty; or a text for the user.
  using Result = std::expected<std::vector<base::Endpoint>, std::string>;
  using Callback = std::function<void(const Result&)>;

  explicit Resolver(boost::asio::io_context& io);
  ~Resolver();
  Resolver(const Resolver&) = delete;
  Resolver& operator=(const Resolver&) = delete;

  // `host` is a name or a numeric address. The callback never runs inside this call.
  void resolve(std::string host, std::uint16_t port, Callback callback);

 private:
  struct Pending;
  struct Shared;
  void start_waiting();
  void finish(std::uint64_t id, const Result& result);

  boost::asio::io_context& io_;
  std::shared_ptr<Shared> shared_;  // with the lookup threads, which may outlive us
  std::map<std::uint64_t, std::unique_ptr<Pending>> pending_;
  std::deque<std::uint64_t> waiting_;
  std::uint64_t ids_ = 0;
  unsigned running_ = 0;
};

}  // namespace runnel::net
