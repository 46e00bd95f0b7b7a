#include <optional>
#include <utility>

#include "base/log.hpp"
#include "media/helper_process.hpp"
#include "media/restarts.hpp"
#include "media/sessions.hpp"

namespace runnel::media {
namespace {

// What waits for a helper that is too slow; then chunks are left out up to the next independent one.
constexpr std::size_t kMaxQueuedBytes = 32U << 20;

class Ts : public std::enable_shared_from_this<Ts> {
 public:
  Ts(boost::asio::io_context& io, HelperConfig config, TsEvents events)
      : io_(io), config_(std::move(config)), events_(std::move(events)), restarts_(io) {}

  void start() {
    process_ = std::make_unique<HelperProcess>(io_, HelperProcess::Config{.program = config_.program, .mode = "ts"},
                                               HelperProcess::Events{.on_message =
                                                                         [weak = weak_from_this()](helper::Message m) {
                                                                           if (const auto self = weak.lock())
                                                                             std::visit([&](auto& it) { self->take(it); }, m);
                                                                         },
                                                                     .on_exit =
                                                                         [weak = weak_from_this()](std::string why) {
                                                                           if (const auto self = weak.lock()) self->exited(std::move(why));
                                                                         }});
    started_ = process_->pid() > 0;
    process_->send(helper::StartTs{});
    in_step_ = false;
    if (init_) process_->send(helper::FeedInit{init_->epoch, *init_->bytes});
  }
  void stop() {
    alive_ = false;
    process_.reset();
  }

  void feed(const InitSegment& init) {
    init_ = init;
    in_step_ = false;
    if (!failed_ && process_->pid() > 0) process_->send(helper::FeedInit{init.epoch, *init.bytes});
  }
  void feed(const MediaChunk& chunk) {
    if (failed_ || !init_ || chunk.epoch != init_->epoch || process_->pid() < 0) return;
    const bool full = process_->queued_bytes() + chunk.bytes->size() > kMaxQueuedBytes;
    if (full || (!in_step_ && !chunk.independent)) {
      in_step_ = false;
      return;
    }
    in_step_ = true;
    process_->send(helper::FeedChunk{chunk.epoch, chunk.independent, *chunk.bytes});
  }

 private:
  void take(helper::Packets& m) {
    if (events_.on_packets) events_.on_packets(std::make_shared<const base::Bytes>(std::move(m.bytes)), m.starts_independent);
  }
  void take(helper::Error& m) { fail(std::move(m.message)); }
  template <class Other>
  void take(Other&) {}  // not for this mode

  void exited(std::string why) {
    if (failed_) return;
    if (!started_) return fail(std::move(why));
    const bool again = restarts_.schedule([weak = weak_from_this()] {
      const auto self = weak.lock();
      if (self && self->alive_) self->start();
    });
    if (!again) return fail(why + ", again and again; giving up");
    base::log_warn("media", why + "; starting it again");
  }
  void fail(std::string message) {
    if (std::exchange(failed_, true)) return;
    if (events_.on_error) events_.on_error(std::move(message));
  }

  boost::asio::io_context& io_;
  HelperConfig config_;
  TsEvents events_;
  Restarts restarts_;
  std::unique_ptr<HelperProcess> process_;
  std::optional<InitSegment> init_;
  bool alive_ = true;
  bool started_ = false;
  bool failed_ = false;
  bool in_step_ = false;  // no chunk is missing since an independent one
};

class Session final : public TsSession {
 public:
  explicit Session(std::shared_ptr<Ts> ts) : ts_(std::move(ts)) {}
  ~Session() override { ts_->stop(); }
  void feed(const InitSegment& init) override { ts_->feed(init); }
  void feed(const MediaChunk& chunk) override { ts_->feed(chunk); }

 private:
  std::shared_ptr<Ts> ts_;  // shared with a callback that runs
};

}  // namespace

std::unique_ptr<TsSession> start_ts(boost::asio::io_context& io, HelperConfig helper, TsEvents events) {
  auto ts = std::make_shared<Ts>(io, std::move(helper), std::move(events));
  ts->start();
  return std::make_unique<Session>(std::move(ts));
}

}  // namespace runnel::media
