#include "media_helper/rtmp_connection.hpp"

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/asio/write.hpp>
#include <utility>

namespace runnel::media_helper {
namespace {

namespace asio = boost::asio;
using std::chrono::steady_clock;

// How long a refused or finished publisher may take to read the last answer. Closing at once would let TCP throw it away.
constexpr std::chrono::milliseconds kLinger{1'000};
// Answers waiting for a publisher that does not read: all of a normal session's together are under 4 kB.
constexpr std::size_t kMaxUnsentBytes = std::size_t{64} << 10;

}  // namespace

RtmpConnection::RtmpConnection(asio::ip::tcp::socket socket, base::Endpoint remote, Config config, Owner& owner)
    : socket_(std::move(socket)),
      timer_(socket_.get_executor()),
      remote_(remote),
      timeouts_(config.timeouts),
      owner_(owner),
      session_({std::move(config.app), std::move(config.key),
                [this] {
                  queue_ = owner_.claim(*this);
                  return queue_ != nullptr;
                }}),
      accepted_at_(steady_clock::now()),
      last_input_at_(accepted_at_) {}

void RtmpConnection::start() {
  boost::system::error_code ignored;
  socket_.set_option(asio::ip::tcp::no_delay(true), ignored);
  wait_for_deadline();
  read();
}

void RtmpConnection::read() {
  socket_.async_read_some(asio::buffer(input_), [self = shared_from_this()](boost::system::error_code error, std::size_t size) {
    if (self->closed_) return;
    if (error) {
      self->abort("closed the connection");
    } else {
      self->on_read(size);
    }
  });
}

void RtmpConnection::on_read(std::size_t size) {
  last_input_at_ = steady_clock::now();
  if (!ended_at_) {
    const RtmpSession::State before = session_.state();
    const auto received = session_.receive(base::ByteView{input_}.first(size));
    if (session_.state() != before) wait_for_deadline();
    if (queue_) forward_flv();
    if (!received) {
      end(received.error(), message(received.error()));
    } else if (session_.state() == RtmpSession::State::ended) {
      end(std::nullopt, "stopped the stream");
    } else {
      flush();
    }
  }
  // After the end what comes is thrown away until the other side closes, or kLinger has passed.
  if (!closed_ && !paused_) read();
}

void RtmpConnection::forward_flv() {
  switch (queue_->push(session_.take_flv())) {
    case ByteQueue::PushResult::ok: break;
    case ByteQueue::PushResult::full: paused_ = true; break;
    case ByteQueue::PushResult::closed: break;  // the reader gave up; its call is on the way
  }
}

void RtmpConnection::resume() {
  if (!paused_ || closed_ || ended_at_) return;
  paused_ = false;
  last_input_at_ = steady_clock::now();
  read();
}

void RtmpConnection::flush() {
  const base::Bytes output = session_.take_output();
  to_send_.insert(to_send_.end(), output.begin(), output.end());
  if (to_send_.size() > kMaxUnsentBytes) {
    abort("does not read its answers");
    return;
  }
  if (to_send_.empty() || !being_sent_.empty()) return;
  being_sent_ = std::exchange(to_send_, {});
  asio::async_write(socket_, asio::buffer(being_sent_), [self = shared_from_this()](boost::system::error_code error, std::size_t) {
    self->being_sent_.clear();
    if (self->closed_) return;
    if (error) {
      self->abort("lost the connection");
      return;
    }
    self->flush();
    if (self->ended_at_) self->close_when_sent();
  });
}

void RtmpConnection::end(std::optional<RtmpFault> fault, std::string_view why) {
  if (ended_at_ || closed_) return;
  ended_at_ = steady_clock::now();
  if (queue_ && fault) {
    queue_->close_with_error("the publisher " + std::string{why});
  } else if (queue_) {
    queue_->close();
  }
  owner_.ended(*this, fault, why);
  queue_.reset();
  if (std::exchange(paused_, false)) read();
  flush();
  wait_for_deadline();
  if (!closed_) close_when_sent();
}

void RtmpConnection::close_when_sent() {
  if (!being_sent_.empty() || !to_send_.empty()) return;
  boost::system::error_code ignored;
  socket_.shutdown(asio::ip::tcp::socket::shutdown_send, ignored);
}

void RtmpConnection::abort(std::string_view why) {
  if (closed_) return;
  const auto self = shared_from_this();  // the owner lets go of it below
  if (!ended_at_) {
    ended_at_ = steady_clock::now();
    if (queue_) queue_->close();
    owner_.ended(*this, std::nullopt, why);
    queue_.reset();
  }
  close_socket();
}

void RtmpConnection::close_socket() {
  closed_ = true;
  boost::system::error_code ignored;
  socket_.close(ignored);
  timer_.cancel();
  owner_.closed(*this);
}

bool RtmpConnection::is_silent_for(std::chrono::milliseconds duration) const {
  return !paused_ && steady_clock::now() - last_input_at_ > duration;
}

SteadyTime RtmpConnection::deadline() const {
  if (ended_at_) return *ended_at_ + kLinger;
  switch (session_.state()) {
    case RtmpSession::State::handshake: return accepted_at_ + timeouts_.handshake;
    case RtmpSession::State::commands: return accepted_at_ + timeouts_.publish;
    case RtmpSession::State::publishing:
    case RtmpSession::State::ended: break;
  }
  return (paused_ ? steady_clock::now() : last_input_at_) + timeouts_.silence;
}

void RtmpConnection::wait_for_deadline() {
  if (closed_) return;
  timer_.expires_at(deadline());
  timer_.async_wait([self = shared_from_this()](boost::system::error_code error) {
    if (!error && !self->closed_) self->on_deadline();
  });
}

void RtmpConnection::on_deadline() {
  if (steady_clock::now() < deadline()) {
    wait_for_deadline();  // it has come further since the timer was set
  } else if (is_publishing()) {
    abort("was silent for too long");
  } else {
    abort("took too long");
  }
}

}  // namespace runnel::media_helper
