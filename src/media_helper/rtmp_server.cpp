#include "media_helper/rtmp_server.hpp"

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/v6_only.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <list>
#include <thread>
#include <utility>

#include "media_helper/asio_endpoint.hpp"
#include "media_helper/publication_slot.hpp"

namespace runnel::media_helper {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;

// When the system has no socket left for an accept: try again after this, by then others have closed.
constexpr std::chrono::milliseconds kAcceptRetry{100};

class RtmpServer final : public PublishServer, private RtmpConnection::Owner {
 public:
  explicit RtmpServer(RtmpServerConfig config) : config_(std::move(config)), acceptor_(*io_), accept_timer_(*io_) {}

  ~RtmpServer() override {
    stop();
    if (thread_.joinable()) thread_.join();
  }

  std::expected<void, std::string> start() {
    const tcp::endpoint where = to_asio<tcp>(config_.url.listen);
    boost::system::error_code error;
    acceptor_.open(where.protocol(), error);
    if (!error) acceptor_.set_option(tcp::acceptor::reuse_address(true), error);
    if (!error && where.protocol() == tcp::v6()) acceptor_.set_option(asio::ip::v6_only(false), error);
    if (!error) acceptor_.bind(where, error);
    if (!error) acceptor_.listen(tcp::acceptor::max_listen_connections, error);
    if (error) {
      return std::unexpected("cannot listen for an RTMP publisher on " + config_.url.listen.to_string() + ": " + error.message() +
                             ". Choose another port, or 0.0.0.0 as the address");
    }
    config_.url.listen.port = acceptor_.local_endpoint().port();
    accept();
    thread_ = std::thread([io = io_] { io->run(); });
    return {};
  }

  std::string url() const override { return "rtmp://" + config_.url.listen.to_string() + '/' + config_.url.app; }
  std::unique_ptr<Publication> wait_for_publisher() override { return slot_.take(); }

  void stop() override {
    slot_.stop();
    asio::post(*io_, [this] {
      stopped_ = true;
      boost::system::error_code ignored;
      acceptor_.close(ignored);
      accept_timer_.cancel();
      while (!connections_.empty()) connections_.front()->abort("was disconnected: the stream is ending");
    });
  }

 private:
  void accept() {
    acceptor_.async_accept([this](boost::system::error_code error, tcp::socket socket) {
      if (stopped_) return;
      if (error) {
        accept_timer_.expires_after(kAcceptRetry);
        accept_timer_.async_wait([this](boost::system::error_code cancelled) {
          if (!cancelled && !stopped_) accept();
        });
        return;
      }
      take(std::move(socket));
      accept();
    });
  }

  void take(tcp::socket socket) {
    boost::system::error_code error;
    const tcp::endpoint remote = socket.remote_endpoint(error);
    if (error) return;  // gone already
    if (connections_.size() >= config_.max_connections) {
      const auto oldest = std::ranges::find_if(connections_, [](const auto& connection) { return !connection->is_publishing(); });
      if (oldest == connections_.end()) return;
      (*oldest)->abort("waited while others came");
    }
    const RtmpConnection::Config config{config_.url.app, config_.url.key, config_.timeouts};
    connections_.push_back(
        std::make_shared<RtmpConnection>(std::move(socket), to_base(remote), config, static_cast<RtmpConnection::Owner&>(*this)));
    connections_.back()->start();
  }

  std::shared_ptr<ByteQueue> claim(RtmpConnection& connection) override {
    if (publisher_ != nullptr) {
      if (!publisher_->is_silent_for(config_.timeouts.takeover)) return nullptr;
      publisher_->abort("was silent when another one took over");
    }
    publisher_ = &connection;
    auto queue = std::make_shared<ByteQueue>(config_.queue_limit_bytes);
    // The queue may live on with its reader after the server: its calls keep the io_context and hold the connection weakly.
    const auto call = [io = io_, weak = connection.weak_from_this()](auto what) {
      asio::post(*io, [weak, what] {
        if (const auto held = weak.lock()) what(*held);
      });
    };
    queue->set_callbacks([call] { call([](RtmpConnection& held) { held.resume(); }); },
                         [call] { call([](RtmpConnection& held) { held.end(std::nullopt, "sent a stream that cannot be used"); }); });
    notice("publisher connected from " + connection.remote().to_string());
    slot_.put(std::make_unique<Publication>(queue, "flv", connection.remote()));
    return queue;
  }

  void ended(RtmpConnection& connection, std::optional<RtmpFault> fault, std::string_view why) override {
    const std::string from = connection.remote().to_string();
    if (publisher_ == &connection) {
      publisher_ = nullptr;
      notice("publisher from " + from + " is gone: it " + std::string{why});
    } else if (fault && refusals_.worth_a_line(connection.remote().address, std::string{why}, std::chrono::steady_clock::now())) {
      notice("refused a connection from " + from + ": it " + std::string{why});
    }
  }

  void closed(RtmpConnection& connection) override {
    std::erase_if(connections_, [&](const auto& held) { return held.get() == &connection; });
  }

  void notice(std::string line) const {
    if (config_.on_notice) config_.on_notice(std::move(line));
  }

  RtmpServerConfig config_;  // constant once start() is done
  PublicationSlot slot_;     // thread-safe; all below is the server thread's
  const std::shared_ptr<asio::io_context> io_ = std::make_shared<asio::io_context>(1);
  tcp::acceptor acceptor_;
  asio::steady_timer accept_timer_;
  std::list<std::shared_ptr<RtmpConnection>> connections_;  // oldest first; shared with the handlers of their sockets
  RtmpConnection* publisher_ = nullptr;                     // one of connections_
  RefusalLog refusals_;
  bool stopped_ = false;
  std::thread thread_;
};

}  // namespace

std::expected<std::unique_ptr<PublishServer>, std::string> start_rtmp_server(RtmpServerConfig config) {
  auto server = std::make_unique<RtmpServer>(std::move(config));
  if (auto started = server->start(); !started) return std::unexpected(std::move(started).error());
  return server;
}

}  // namespace runnel::media_helper
