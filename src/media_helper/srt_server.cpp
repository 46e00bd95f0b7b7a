#include "media_helper/srt_server.hpp"

#include <srt/access_control.h>
#include <srt/srt.h>
#include <syslog.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <boost/asio/ip/udp.hpp>
#include <cstring>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "media_helper/asio_endpoint.hpp"
#include "media_helper/publication_slot.hpp"
#include "media_helper/refusal_log.hpp"

namespace runnel::media_helper {
namespace {

using boost::asio::ip::udp;
using std::chrono::steady_clock;

constexpr std::chrono::milliseconds kPoll{50};  // how soon a stop and new room in the queue are seen; data wakes the thread at once
constexpr int kBacklog = 4;  // callers between libsrt's handshake and our accept
constexpr std::size_t kReadAtOnceBytes = 256 * 1024;  // then the listener gets its turn
constexpr std::size_t kMaxWaitingNotices = 32;
constexpr std::size_t kMaxHalfOpen = 16;
constexpr std::chrono::seconds kHalfOpenPatience{3};  // libsrt's own connection time-out

std::string srt_error() { return srt_getlasterror_str(); }

base::Endpoint endpoint_of(const sockaddr* address) {
  udp::endpoint endpoint{address->sa_family == AF_INET6 ? udp::v6() : udp::v4(), 0};
  std::memcpy(endpoint.data(), address, endpoint.size());
  return to_base(endpoint);
}

// libsrt has global state; each server holds a count of it.
class SrtLibrary {
 public:
  SrtLibrary() {
    srt_startup();
    srt_setloglevel(LOG_CRIT);  // what callers do wrong is told by our notices, not on stderr
  }
  ~SrtLibrary() { srt_cleanup(); }
  SrtLibrary(const SrtLibrary&) = delete;
  SrtLibrary& operator=(const SrtLibrary&) = delete;
};

class SrtSocket {
 public:
  SrtSocket() = default;
  explicit SrtSocket(SRTSOCKET socket) : socket_(socket) {}
  SrtSocket(SrtSocket&& other) noexcept : socket_(std::exchange(other.socket_, SRT_INVALID_SOCK)) {}
  SrtSocket& operator=(SrtSocket&& other) noexcept {
    std::swap(socket_, other.socket_);
    return *this;
  }
  ~SrtSocket() {
    if (socket_ != SRT_INVALID_SOCK) srt_close(socket_);
  }
  [[nodiscard]] SRTSOCKET get() const { return socket_; }

 private:
  SRTSOCKET socket_ = SRT_INVALID_SOCK;
};

class SrtServer final : public PublishServer {
 public:
  explicit SrtServer(SrtServerConfig config) : config_(std::move(config)), epoll_(srt_epoll_create()) {}

  ~SrtServer() override {
    stop();
    if (thread_.joinable()) thread_.join();
    publisher_.reset();
    listener_ = SrtSocket{};  // no more callers: on_caller() is not called from here on
    srt_epoll_release(epoll_);
  }

  std::expected<void, std::string> start() {
    listener_ = SrtSocket{srt_create_socket()};
    udp::endpoint where = to_asio<udp>(config_.url.listen);
    const auto passphrase_size = static_cast<int>(config_.url.passphrase.size());
    bool ok = set_option(SRTO_RCVSYN, false) && set_option(SRTO_LATENCY, static_cast<int>(config_.url.latency.count()));
    if (where.protocol() == udp::v6()) ok = ok && set_option(SRTO_IPV6ONLY, 0);
    if (passphrase_size > 0) {
      ok = ok && srt_setsockflag(listener_.get(), SRTO_PASSPHRASE, config_.url.passphrase.data(), passphrase_size) != SRT_ERROR;
    }
    ok = ok && srt_listen_callback(listener_.get(), &SrtServer::caller_hook, this) != SRT_ERROR;
    ok = ok && srt_bind(listener_.get(), where.data(), static_cast<int>(where.size())) != SRT_ERROR;
    ok = ok && srt_listen(listener_.get(), kBacklog) != SRT_ERROR;
    const int events = SRT_EPOLL_IN | SRT_EPOLL_ERR;
    ok = ok && srt_epoll_add_usock(epoll_, listener_.get(), &events) != SRT_ERROR;
    auto size = static_cast<int>(where.capacity());
    ok = ok && srt_getsockname(listener_.get(), where.data(), &size) != SRT_ERROR;
    if (!ok) {
      return std::unexpected("cannot listen for an SRT publisher on " + config_.url.listen.to_string() + ": " + srt_error() +
                             ". Choose another port, or 0.0.0.0 as the address");
    }
    config_.url.listen.port = where.port();
    thread_ = std::thread([this] { run(); });
    return {};
  }

  std::string url() const override { return "srt://" + config_.url.listen.to_string(); }
  std::unique_ptr<Publication> wait_for_publisher() override { return slot_.take(); }
  void stop() override {
    slot_.stop();
    stopped_ = true;
  }

 private:
  // What the queue's reader tells the server, possibly after the server is gone.
  struct Signals {
    std::atomic<bool> has_space = false;
    std::atomic<bool> abandoned = false;
  };
  struct Publisher {
    SrtSocket socket;
    base::Endpoint remote;
    std::shared_ptr<ByteQueue> queue;  // shared with the publication's reader
    std::shared_ptr<Signals> signals;  // shared with the queue's callbacks
    bool paused = false;
  };
  struct HalfOpen {
    base::Endpoint remote;
    SteadyTime since;
  };

  template <class Value>
  bool set_option(SRT_SOCKOPT option, Value value) {
    return srt_setsockflag(listener_.get(), option, &value, sizeof value) != SRT_ERROR;
  }

  // ---- libsrt's thread ----
  static int caller_hook(void* self, SRTSOCKET socket, int, const sockaddr* peer, const char* stream_id) noexcept {
    return static_cast<SrtServer*>(self)->on_caller(socket, endpoint_of(peer), stream_id == nullptr ? "" : stream_id);
  }

  int on_caller(SRTSOCKET socket, const base::Endpoint& remote, std::string_view stream_id) {
    const std::scoped_lock lock(mutex_);
    if (!stream_id_admits(stream_id, config_.url.key)) {
      report_refusal(remote, "used the wrong stream id");
      srt_setrejectreason(socket, SRT_REJX_UNAUTHORIZED);
      return -1;
    }
    if (is_taken()) {
      report_refusal(remote, "has the right stream id, but another publisher is live: stop that one first");
      srt_setrejectreason(socket, SRT_REJX_CONFLICT);
      return -1;
    }
    if (half_open_.size() < kMaxHalfOpen) half_open_.push_back({remote, steady_clock::now()});
    return 0;
  }

  // ---- under mutex_ ----
  [[nodiscard]] bool is_taken() const { return live_ && steady_clock::now() - last_input_at_ <= config_.takeover; }

  void report_refusal(const base::Endpoint& remote, const std::string& why) {
    if (waiting_notices_.size() >= kMaxWaitingNotices) return;
    if (!refusals_.worth_a_line(remote.address, why, steady_clock::now())) return;
    waiting_notices_.push_back("refused a connection from " + remote.to_string() + ": it " + why);
  }

  void expire_half_open() {
    const SteadyTime now = steady_clock::now();
    std::erase_if(half_open_, [&](const HalfOpen& caller) {
      if (now - caller.since < kHalfOpenPatience) return false;
      report_refusal(caller.remote, "has the right stream id, but the connection failed: check the passphrase on both sides");
      return true;
    });
  }

  // ---- the server's thread ----
  void run() {
    std::array<SRT_EPOLL_EVENT, 4> events{};
    while (!stopped_) {
      const int ready = srt_epoll_uwait(epoll_, events.data(), static_cast<int>(events.size()), kPoll.count());
      for (int i = 0; i < std::min(ready, static_cast<int>(events.size())); ++i) {
        const SRTSOCKET socket = events[static_cast<std::size_t>(i)].fd;
        if (socket == listener_.get()) {
          accept();
        } else if (publisher_ && socket == publisher_->socket.get()) {
          receive();
        }
      }
      look_after_publisher();
      emit_notices();
    }
    if (publisher_) end_publisher("was disconnected: the stream is ending");
    emit_notices();
  }

  void accept() {
    sockaddr_storage address{};
    int size = sizeof address;
    SrtSocket socket{srt_accept(listener_.get(), reinterpret_cast<sockaddr*>(&address), &size)};
    if (socket.get() == SRT_INVALID_SOCK) return;
    const base::Endpoint remote = endpoint_of(reinterpret_cast<const sockaddr*>(&address));
    {
      const std::scoped_lock lock(mutex_);
      std::erase_if(half_open_, [&](const HalfOpen& caller) { return caller.remote == remote; });
      if (is_taken()) return;  // two came through on_caller() together
    }
    if (publisher_) end_publisher("was silent when another one took over");

    const int events = SRT_EPOLL_IN | SRT_EPOLL_ERR;
    if (srt_epoll_add_usock(epoll_, socket.get(), &events) == SRT_ERROR) return;
    auto queue = std::make_shared<ByteQueue>(config_.queue_limit_bytes);
    auto signals = std::make_shared<Signals>();
    queue->set_callbacks([signals] { signals->has_space = true; }, [signals] { signals->abandoned = true; });
    publisher_ = Publisher{std::move(socket), remote, queue, signals};
    {
      const std::scoped_lock lock(mutex_);
      live_ = true;
      last_input_at_ = steady_clock::now();
    }
    notice("publisher connected from " + remote.to_string());
    slot_.put(std::make_unique<Publication>(std::move(queue), "mpegts", remote));
  }

  void receive() {
    std::array<char, SRT_LIVE_MAX_PLSIZE> packet{};
    base::Bytes block;
    bool lost = false;
    while (block.size() < kReadAtOnceBytes) {
      const int size = srt_recvmsg(publisher_->socket.get(), packet.data(), static_cast<int>(packet.size()));
      if (size <= 0) {
        lost = size == 0 || srt_getlasterror(nullptr) != SRT_EASYNCRCV;
        break;
      }
      const base::ByteView bytes = std::as_bytes(std::span{packet}).first(static_cast<std::size_t>(size));
      block.insert(block.end(), bytes.begin(), bytes.end());
    }
    if (!block.empty()) {
      const std::scoped_lock lock(mutex_);
      last_input_at_ = steady_clock::now();
    }
    if (publisher_->queue->push(std::move(block)) == ByteQueue::PushResult::full) pause();
    if (lost) end_publisher("closed the connection");
  }

  // SRT has no way to slow a live publisher down: libsrt's receive buffer fills, and what comes then is lost.
  void pause() {
    publisher_->paused = true;
    srt_epoll_remove_usock(epoll_, publisher_->socket.get());
    notice("the stream is not read fast enough; parts of it will be lost");
  }

  void look_after_publisher() {
    if (publisher_ && publisher_->signals->abandoned) end_publisher("sent a stream that cannot be used");
    if (publisher_ && publisher_->paused) {
      const std::scoped_lock lock(mutex_);
      last_input_at_ = steady_clock::now();  // it is we who do not listen
    }
    if (publisher_ && publisher_->paused && publisher_->signals->has_space.exchange(false)) {
      publisher_->paused = false;
      const int events = SRT_EPOLL_IN | SRT_EPOLL_ERR;
      srt_epoll_add_usock(epoll_, publisher_->socket.get(), &events);
    }
    const std::scoped_lock lock(mutex_);
    expire_half_open();
  }

  void end_publisher(std::string_view why) {
    srt_epoll_remove_usock(epoll_, publisher_->socket.get());
    publisher_->queue->close();
    notice("publisher from " + publisher_->remote.to_string() + " is gone: it " + std::string{why});
    publisher_.reset();
    const std::scoped_lock lock(mutex_);
    live_ = false;
  }

  void emit_notices() {
    std::vector<std::string> lines;
    {
      const std::scoped_lock lock(mutex_);
      lines.swap(waiting_notices_);
    }
    for (std::string& line : lines) notice(std::move(line));
  }

  void notice(std::string line) const {
    if (config_.on_notice) config_.on_notice(std::move(line));
  }

  SrtServerConfig config_;  // constant once start() is done
  const SrtLibrary library_;
  PublicationSlot slot_;
  std::atomic<bool> stopped_ = false;
  // The server's thread:
  const int epoll_;
  SrtSocket listener_;
  std::optional<Publisher> publisher_;
  // Shared with libsrt's thread, which asks on_caller():
  std::mutex mutex_;
  bool live_ = false;
  SteadyTime last_input_at_{};
  RefusalLog refusals_;
  std::vector<HalfOpen> half_open_;
  std::vector<std::string> waiting_notices_;
  std::thread thread_;
};

}  // namespace

std::expected<std::unique_ptr<PublishServer>, std::string> start_srt_server(SrtServerConfig config) {
  auto server = std::make_unique<SrtServer>(std::move(config));
  if (auto started = server->start(); !started) return std::unexpected(std::move(started).error());
  return server;
}

}  // namespace runnel::media_helper
