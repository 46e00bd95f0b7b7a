#include "player/wait.hpp"

#include <boost/asio/steady_timer.hpp>

namespace runnel::player {
namespace {

constexpr std::chrono::milliseconds kPoll{50};

class Wait : public std::enable_shared_from_this<Wait> {
 public:
  Wait(boost::asio::io_context& io, media::LiveTimeline* timeline, std::function<bool()> ready, std::function<void(bool)> done)
      : poll_(io), limit_(io), timeline_(timeline), ready_(std::move(ready)), done_(std::move(done)) {}
  ~Wait() { stop_listening(); }
  Wait(const Wait&) = delete;
  Wait& operator=(const Wait&) = delete;

  void start(std::chrono::milliseconds limit) {
    if (ready_()) return finish(true);
    if (timeline_ != nullptr) {
      token_ = timeline_->subscribe({.on_change = [this] { look(); }, .on_init = {}, .on_chunk = {}});
    }
    limit_.expires_after(limit);
    limit_.async_wait([weak = weak_from_this()](const boost::system::error_code& error) {
      if (const auto self = weak.lock(); self && !error) self->finish(false);
    });
    poll();
  }

 private:
  void look() {
    const auto self = shared_from_this();   // finishing may drop the owner's Work
    if (done_ && ready_()) finish(true);
  }
  void poll() {
    poll_.expires_after(kPoll);
    poll_.async_wait([weak = weak_from_this()](const boost::system::error_code& error) {
      const auto self = weak.lock();
      if (!self || error || !self->done_) return;
      self->look();
      if (self->done_) self->poll();
    });
  }
  void finish(bool reached) {
    if (!done_) return;
    stop_listening();
    poll_.cancel();
    limit_.cancel();
    const auto done = std::exchange(done_, nullptr);
    done(reached);
  }
  void stop_listening() {
    if (token_) timeline_->unsubscribe(*std::exchange(token_, std::nullopt));
  }

  boost::asio::steady_timer poll_;
  boost::asio::steady_timer limit_;
  media::LiveTimeline* timeline_;
  std::optional<media::LiveTimeline::Token> token_;
  std::function<bool()> ready_;
  std::function<void(bool)> done_;   // empty once called
};

}  // namespace

Work wait_until(boost::asio::io_context& io, media::LiveTimeline* timeline, std::chrono::milliseconds limit, std::function<bool()> ready,
                std::function<void(bool)> done) {
  auto wait = std::make_shared<Wait>(io, timeline, std::move(ready), std::move(done));
  wait->start(limit);
  return wait;
}

}  // namespace runnel::player
