#include <unistd.h>

#include <optional>
#include <utility>

#include "base/log.hpp"
#include "media/helper_process.hpp"
#include "media/record.hpp"
#include "media/restarts.hpp"
#include "media/sessions.hpp"

namespace runnel::media {
namespace {

// What waits for a helper that is too slow; then packets are left out.
constexpr std::size_t kMaxQueuedBytes = 32U << 20;

// Shared between the session and the callbacks that run it; `alive` goes with the session.
class Ingest : public std::enable_shared_from_this<Ingest> {
 public:
  Ingest(boost::asio::io_context& io, IngestConfig config, IngestEvents events)
      : io_(io), config_(std::move(config)), events_(std::move(events)), restarts_(io) {}

  void start() {
    HelperProcess::Config process;
    process.program = config_.helper.program;
    process.mode = config_.fed ? "follow" : "ingest";
    if (config_.source == "-") process.input = STDIN_FILENO;
    helper_epoch_.reset();
    process_ = std::make_unique<HelperProcess>(io_, std::move(process),
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
    if (config_.fed)
      process_->send(helper::StartFollow{next_epoch_});
    else
      process_->send(helper::StartIngest{config_.source, config_.loop, config_.ladder, next_epoch_});
  }
  void feed(base::Bytes packets) {
    if (finished_ || !config_.fed || process_->pid() < 0 || process_->queued_bytes() + packets.size() > kMaxQueuedBytes) return;
    process_->send(helper::Packets{false, std::move(packets)});
  }
  void stop() {
    alive_ = false;
    process_.reset();
  }

 private:
  void take(helper::Init& m) {
    // Counted here: the numbers go on when the helper was started again, whatever it says.
    helper_epoch_ = m.epoch;
    epoch_ = next_epoch_++;
    const InitSegment init{epoch_, std::move(m.tracks), std::make_shared<const base::Bytes>(std::move(m.bytes))};
    if (!fits_record(init)) {
      process_.reset();
      return fail("the source's codec header is too large for a live stream");
    }
    if (events_.on_init) events_.on_init(init);
  }
  void take(helper::Chunk& m) {
    if (m.epoch != helper_epoch_ || !events_.on_chunk) return;
    events_.on_chunk(
        {epoch_, m.independent, m.media_time, m.duration, m.captured, std::make_shared<const base::Bytes>(std::move(m.bytes))});
  }
  void take(helper::Listening& m) {
    if (events_.on_listening) events_.on_listening(std::move(m.url));
  }
  void take(helper::Notice& m) {
    if (events_.on_notice) events_.on_notice(std::move(m.line));
  }
  void take(helper::End&) {
    finished_ = true;
    if (events_.on_end) events_.on_end();
  }
  void take(helper::Error& m) { fail(std::move(m.message)); }
  template <class Other>
  void take(Other&) {}  // not for this mode

  void exited(std::string why) {
    if (finished_) return;
    if (!started_) return fail(std::move(why));
    const bool again = restarts_.schedule([weak = weak_from_this()] {
      const auto self = weak.lock();
      if (self && self->alive_) self->start();
    });
    if (!again) return fail(why + ", again and again; giving up");
    base::log_warn("media", why + "; starting it again");
    if (events_.on_notice) events_.on_notice(why + "; it is started again");
  }
  void fail(std::string message) {
    if (std::exchange(finished_, true)) return;
    if (events_.on_error) events_.on_error(std::move(message));
  }

  boost::asio::io_context& io_;
  IngestConfig config_;
  IngestEvents events_;
  Restarts restarts_;
  std::unique_ptr<HelperProcess> process_;
  bool alive_ = true;
  bool started_ = false;
  bool finished_ = false;
  std::uint32_t next_epoch_ = 0;
  std::uint32_t epoch_ = 0;
  std::optional<std::uint32_t> helper_epoch_;
};

class Session final : public IngestSession {
 public:
  explicit Session(std::shared_ptr<Ingest> ingest) : ingest_(std::move(ingest)) {}
  ~Session() override { ingest_->stop(); }
  void feed(base::Bytes packets) override { ingest_->feed(std::move(packets)); }

 private:
  std::shared_ptr<Ingest> ingest_;  // shared with a callback that runs
};

}  // namespace

std::unique_ptr<IngestSession> start_ingest(boost::asio::io_context& io, IngestConfig config, IngestEvents events) {
  auto ingest = std::make_shared<Ingest>(io, std::move(config), std::move(events));
  ingest->start();
  return std::make_unique<Session>(std::move(ingest));
}

}  // namespace runnel::media
