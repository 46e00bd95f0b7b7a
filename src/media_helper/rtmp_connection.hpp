// One TCP connection of the RTMP server: socket, time-outs and back-pressure around an RtmpSession.
#pragma once
#include <array>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "base/endpoint.hpp"
#include "media_helper/byte_queue.hpp"
#include "media_helper/refusal_log.hpp"
#include "media_helper/rtmp_session.hpp"

namespace runnel::media_helper {

struct RtmpTimeouts {
  std::chrono::milliseconds handshake{5'000};  // from the connection to C2
  std::chrono::milliseconds publish{10'000};   // from the connection to an accepted publish
  std::chrono::milliseconds takeover{5'000};  // a live publisher silent for longer gives way to another one with the key: OBS reconnects
                                              // before TCP notices that its old connection is dead
  std::chrono::milliseconds silence{30'000};  // a live publisher silent for longer is gone
};

// Everything on the server's thread.
class RtmpConnection : public std::enable_shared_from_this<RtmpConnection> {
 public:
  class Owner {
   public:
    virtual ~Owner() = default;
    // The right key was given: the queue to fill, or nullptr if another publisher is live.
    virtual std::shared_ptr<ByteQueue> claim(RtmpConnection& connection) = 0;
    // It publishes no more, if it ever did; `fault` when it was at fault. `why` has "it" for its
    // subject. Called once, before the socket is closed.
    virtual void ended(RtmpConnection& connection, std::optional<RtmpFault> fault, std::string_view why) = 0;
    // The socket is closed: forget it.
    virtual void closed(RtmpConnection& connection) = 0;
  };
  struct Config {
    std::string app;
    std::string key;
    RtmpTimeouts timeouts;
  };

  // `owner` outlives the run of the socket's executor.
  RtmpConnection(boost::asio::ip::tcp::socket socket, base::Endpoint remote, Config config, Owner& owner);
  void start();

  // Ends the publication, tells the publisher what is still to be told, and closes within kLinger.
  void end(std::optional<RtmpFault> fault, std::string_view why);
  // Closes at once.
  void abort(std::string_view why);
  // The queue has room again.
  void resume();

  [[nodiscard]] const base::Endpoint& remote() const { return remote_; }
  [[nodiscard]] bool is_publishing() const { return queue_ != nullptr; }
  // Never true while it waits for the demuxer: then it is we who do not listen.
  [[nodiscard]] bool is_silent_for(std::chrono::milliseconds duration) const;

 private:
  void read();
  void on_read(std::size_t size);
  void flush();
  void forward_flv();
  void wait_for_deadline();
  [[nodiscard]] SteadyTime deadline() const;
  void on_deadline();
  void close_socket();
  void close_when_sent();

  boost::asio::ip::tcp::socket socket_;
  boost::asio::steady_timer timer_;
  const base::Endpoint remote_;
  const RtmpTimeouts timeouts_;
  Owner& owner_;
  RtmpSession session_;
  std::shared_ptr<ByteQueue> queue_;  // while it publishes; shared with the publication's reader
  std::array<std::byte, 16 * 1024> input_{};
  base::Bytes to_send_;
  base::Bytes being_sent_;
  const SteadyTime accepted_at_;
  SteadyTime last_input_at_;
  std::optional<SteadyTime> ended_at_;
  bool paused_ = false;
  bool closed_ = false;
};

}  // namespace runnel::media_helper
