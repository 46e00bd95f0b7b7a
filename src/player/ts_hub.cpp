#include "player/ts_hub.hpp"

#include <algorithm>
#include <boost/asio/steady_timer.hpp>
#include <deque>

#include "base/check.hpp"
#include "base/log.hpp"

namespace runnel::player {
namespace {

// After the stream's end the session gets this long to hand out what it still holds.
constexpr std::chrono::milliseconds kDrain{1000};
// A failed session is started again after this, doubling up to the longest.
constexpr std::chrono::milliseconds kFirstRetry{200};
constexpr std::chrono::milliseconds kLongestRetry{5000};

class Hub;

class Reader final : public BodySource {
 public:
  Reader(std::shared_ptr<Hub> hub, std::size_t max_bytes) : hub_(std::move(hub)), max_bytes_(max_bytes) {}
  ~Reader() override;
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  void next(Callback callback) override {
    base::check(!callback_, "next() of a body source before the last one was answered");
    callback_ = std::move(callback);
    deliver();
  }
  void push(const Piece& packets, bool independent) {
    if (!started_ && !independent) return;
    started_ = true;
    bytes_ += packets->size();
    queue_.push_back(packets);
    // A client that waits takes the piece at once, however large. So a push never breaks off a waiting reader, which would
    // destroy it, and perhaps the session that these packets come from, inside the session's own call.
    if (bytes_ > max_bytes_ && !callback_) return break_off();
    deliver();
  }
  void finish() {
    finished_ = true;
    deliver();
  }

 private:
  void break_off() {
    broken_off_ = true;
    queue_.clear();
    if (broken_) broken_();
  }
  void deliver() {
    if (!callback_ || (queue_.empty() && !finished_ && !broken_off_)) return;
    const Callback callback = std::exchange(callback_, nullptr);
    if (broken_off_) return callback(std::unexpected("the client is too slow for the stream"));
    if (queue_.empty()) return callback(Piece{});
    Piece piece = std::move(queue_.front());
    queue_.pop_front();
    bytes_ -= piece->size();
    callback(std::move(piece));
  }

  std::shared_ptr<Hub> hub_;
  std::size_t max_bytes_;
  std::deque<Piece> queue_;
  std::size_t bytes_ = 0;
  bool started_ = false;
  bool finished_ = false;
  bool broken_off_ = false;
  Callback callback_;
};

class Hub final : public TsHub, public std::enable_shared_from_this<Hub> {
 public:
  Hub(boost::asio::io_context& io, media::LiveTimeline& timeline, TsHubConfig config)
      : io_(io), timeline_(timeline), config_(std::move(config)), retry_(io), drain_(io) {}
  ~Hub() override {
    if (token_) timeline_.unsubscribe(*token_);
  }
  Hub(const Hub&) = delete;
  Hub& operator=(const Hub&) = delete;

  void start() {
    media::LiveTimeline::Listener listener;
    listener.on_init = [this](const media::InitSegment& init) {
      drain_.cancel();
      finished_ = false;
      if (session_) session_->feed(init);
    };
    listener.on_chunk = [this](const media::MediaChunk& chunk) {
      if (session_) session_->feed(chunk);
    };
    listener.on_change = [this] {
      if (timeline_.ended()) drain();
    };
    token_ = timeline_.subscribe(std::move(listener));
    start_session();
    if (timeline_.ended()) drain();
  }

  std::unique_ptr<BodySource> open() override {
    auto reader = std::make_unique<Reader>(shared_from_this(), config_.limits.ts_queue_bytes);
    readers_.push_back(reader.get());
    bool independent = true;
    for (const Piece& packets : recent_) reader->push(packets, std::exchange(independent, false));
    if (finished_) reader->finish();
    return reader;
  }
  void leave(const Reader* reader) { std::erase(readers_, reader); }

 private:
  void start_session() {
    recent_.clear();
    recent_bytes_ = 0;
    media::TsEvents events;
    events.on_packets = [this](Piece packets, bool independent) { on_packets(packets, independent); };
    events.on_error = [this](const std::string& message) { on_error(message); };
    session_ = config_.start(io_, config_.helper, std::move(events));
    feed_recent();
  }

  // What the timeline holds since the newest place where a decoder may begin, so that the first client need not wait.
  void feed_recent() {
    const media::InitSegment* init = timeline_.newest_init();
    if (init == nullptr) return;
    session_->feed(*init);
    const auto& segments = timeline_.segments();
    const auto start = std::find_if(segments.rbegin(), segments.rend(),
                                    [&](const media::Segment& s) { return s.epoch != init->epoch || s.parts.front().independent; });
    if (start == segments.rend() || start->epoch != init->epoch) return;
    for (auto segment = std::prev(start.base()); segment != segments.end(); ++segment)
      for (const media::Part& part : segment->parts)
        for (const media::MediaChunk& chunk : part.chunks) session_->feed(chunk);
  }

  void on_packets(const Piece& packets, bool independent) {
    if (!packets || packets->empty()) return;
    next_retry_ = kFirstRetry;
    remember(packets, independent);
    tell([&](Reader& reader) { reader.push(packets, independent); });
  }

  void remember(const Piece& packets, bool independent) {
    if (independent || recent_bytes_ + packets->size() > config_.limits.ts_recent_bytes) {
      recent_.clear();
      recent_bytes_ = 0;
    }
    // After an overflow newcomers wait for the next independent packets.
    if (!independent && recent_.empty()) return;
    recent_.push_back(packets);
    recent_bytes_ += packets->size();
  }

  void on_error(const std::string& message) {
    base::log_warn("player", "live.ts of " + config_.stream_id + ": " + message + "; starting it again");
    retry_.expires_after(next_retry_);
    next_retry_ = std::min(next_retry_ * 2, kLongestRetry);
    retry_.async_wait([weak = weak_from_this()](const boost::system::error_code& error) {
      const auto self = weak.lock();
      if (self && !error) self->start_session();
    });
  }

  void drain() {
    drain_.expires_after(kDrain);
    drain_.async_wait([weak = weak_from_this()](const boost::system::error_code& error) {
      const auto self = weak.lock();
      if (!self || error || !self->timeline_.ended()) return;
      self->finished_ = true;
      self->tell([](Reader& reader) { reader.finish(); });
    });
  }

  // A reader told may go, and take others and the hub with it.
  template <class Call>
  void tell(Call call) {
    const auto self = shared_from_this();
    const std::vector<Reader*> all = readers_;
    for (Reader* reader : all)
      if (std::ranges::find(readers_, reader) != readers_.end()) call(*reader);
  }

  boost::asio::io_context& io_;
  media::LiveTimeline& timeline_;
  TsHubConfig config_;
  std::optional<media::LiveTimeline::Token> token_;
  std::unique_ptr<media::TsSession> session_;
  std::vector<Reader*> readers_;   // each leaves in its destructor
  std::deque<Piece> recent_;       // since the newest independent packets, those first
  std::size_t recent_bytes_ = 0;
  bool finished_ = false;
  std::chrono::milliseconds next_retry_ = kFirstRetry;
  boost::asio::steady_timer retry_;
  boost::asio::steady_timer drain_;
};

Reader::~Reader() { hub_->leave(this); }

}  // namespace

std::shared_ptr<TsHub> make_ts_hub(boost::asio::io_context& io, media::LiveTimeline& timeline, TsHubConfig config) {
  auto hub = std::make_shared<Hub>(io, timeline, std::move(config));
  hub->start();
  return hub;
}

}  // namespace runnel::player
