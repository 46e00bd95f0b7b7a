#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <map>
#include <utility>

#include "base/log.hpp"
#include "media/helper_process.hpp"
#include "media/sessions.hpp"

namespace runnel::media {
namespace {

constexpr std::size_t kMaxRequests = 64;        // waiting at once; alike ones are one
constexpr std::size_t kMaxReads = 8;            // that a helper may have under way: it reads in order, and one ahead
constexpr int kMaxAttempts = 2;                 // a request that twice met a dying helper is given up
constexpr std::chrono::seconds kTick{1};
constexpr int kHungTicks = 30;                  // a request without an answer so long, though no bytes are waited for
constexpr std::string_view kHung = "the media helper did not answer and was stopped";

// What a request asks for; alike requests share one answer.
struct Key {
  enum class Kind : std::uint8_t { index, init, segment };
  Kind kind = Kind::index;
  std::uint32_t track = 0;
  std::uint32_t number = 0;
  friend auto operator<=>(const Key&, const Key&) = default;
};

using IndexCallback = DemandSession::Callback<DemandIndex>;
using SegmentCallback = DemandSession::Callback<DemandSession::Segment>;

struct Request {
  Key key;
  int attempts = 0;
  std::vector<IndexCallback> on_index;
  std::vector<SegmentCallback> on_segment;
};

// The segments of a film follow each other from 0 on and make up its duration.
bool is_whole(const DemandIndex& index) {
  if (index.segments.empty() || index.tracks.empty() || index.duration < base::Duration{0}) return false;
  base::Duration at{0};
  for (const SegmentInfo& segment : index.segments) {
    if (segment.start != at || segment.duration < base::Duration{0}) return false;
    at += segment.duration;
    if (at > helper::kMaxMediaTime) return false;
  }
  return true;
}

// Service thread. Shared between the session and the callbacks that run it; `alive_` goes with the session.
class Demand : public std::enable_shared_from_this<Demand> {
 public:
  Demand(boost::asio::io_context& io, DemandConfig config, ContentReader& content)
      : io_(io), config_(std::move(config)), content_(content), tick_(io) {}

  void stop() {
    alive_ = false;
    tick_.cancel();
    end_process();
    requests_.clear();
  }
  void index(IndexCallback callback) {
    if (index_) {
      boost::asio::post(io_, [self = shared_from_this(), callback = std::move(callback)] {
        if (self->alive_) callback(*self->index_);
      });
      return;
    }
    ask({Key::Kind::index}, [&](Request& request) { request.on_index.push_back(std::move(callback)); });
  }
  void segment(Key key, SegmentCallback callback) {
    if (index_ && (key.track >= index_->tracks.size() || key.number >= index_->segments.size())) {
      boost::asio::post(io_, [self = shared_from_this(), callback = std::move(callback)] {
        if (self->alive_) callback(std::unexpected{"the film has no such track or segment"});
      });
      return;
    }
    ask(key, [&](Request& request) { request.on_segment.push_back(std::move(callback)); });
  }

 private:
  template <class AddCallback>
  void ask(Key key, AddCallback add) {
    for (auto& [id, request] : requests_) {
      if (request.key == key) return add(request);
    }
    const std::uint64_t id = next_id_++;
    Request& request = requests_[id];
    request.key = key;
    add(request);
    if (requests_.size() > kMaxRequests) fail(requests_.begin()->first, "too many requests at once; this one was the oldest");
    if (!process_) {
      start();
    } else {
      send(id, request);
    }
    watch();
  }

  void start() {
    process_ = std::make_unique<HelperProcess>(io_, HelperProcess::Config{.program = config_.helper.program, .mode = "demand"},
                                               HelperProcess::Events{.on_message =
                                                                         [weak = weak_from_this()](helper::Message m) {
                                                                           if (const auto self = weak.lock())
                                                                             std::visit([&](auto& it) { self->take(it); }, m);
                                                                         },
                                                                     .on_exit =
                                                                         [weak = weak_from_this()](std::string why) {
                                                                           if (const auto self = weak.lock()) self->exited(std::move(why));
                                                                         }});
    process_->send(helper::StartDemand{content_.size(), config_.name, config_.scanned_index});
    quiet_ticks_ = 0;
    for (auto& [id, request] : requests_) send(id, request);
  }
  void send(std::uint64_t id, Request& request) {
    ++request.attempts;
    const Key& key = request.key;
    switch (key.kind) {
      case Key::Kind::index: process_->send(helper::GetIndex{id}); break;
      case Key::Kind::init: process_->send(helper::GetInit{id, key.track}); break;
      case Key::Kind::segment: process_->send(helper::GetSegment{id, key.track, key.number}); break;
    }
  }
  void end_process() {
    process_.reset();
    for (const auto& [id, token] : std::exchange(reads_, {})) content_.cancel(token);
  }

  // A crash, a kill, or nonsense from the helper: it is started again for those who still wait, but not for ever.
  void exited(std::string why) {
    if (!alive_) return;
    end_process();
    std::vector<std::uint64_t> hopeless;
    for (const auto& [id, request] : requests_) {
      if (request.attempts >= kMaxAttempts) hopeless.push_back(id);
    }
    base::log_debug("media", why);
    for (const std::uint64_t id : hopeless) fail(id, why);
    if (alive_ && !process_ && !requests_.empty()) start();   // a callback may have asked anew
  }
  void distrust(std::string_view what) { exited("the media helper was stopped: " + std::string{what}); }

  void watch() {
    if (watching_) return;
    watching_ = true;
    tick_.expires_after(kTick);
    tick_.async_wait([self = shared_from_this()](boost::system::error_code cancelled) {
      self->watching_ = false;
      if (cancelled || !self->alive_ || self->requests_.empty()) return;
      if (!self->reads_.empty()) self->quiet_ticks_ = 0;
      if (++self->quiet_ticks_ > kHungTicks) self->exited(std::string{kHung});
      if (self->alive_ && !self->requests_.empty()) self->watch();
    });
  }

  void take(helper::Read& m) {
    quiet_ticks_ = 0;
    const bool inside = m.offset <= content_.size() && m.length <= content_.size() - m.offset && m.length <= ContentReader::kMaxRead;
    if (!inside || reads_.size() >= kMaxReads || reads_.contains(m.id)) return distrust("it asked for bytes that it cannot want");
    const std::uint64_t id = m.id;
    reads_[id] = content_.read(m.offset, m.length, [weak = weak_from_this(), id](std::expected<base::Bytes, std::string> bytes) {
      const auto self = weak.lock();
      if (!self || !self->alive_ || self->reads_.erase(id) == 0 || !self->process_) return;
      self->process_->send(helper::ReadReply{id, std::move(bytes)});
    });
  }
  void take(helper::CancelRead& m) {
    const auto read = reads_.find(m.id);
    if (read == reads_.end()) return;   // answered meanwhile
    content_.cancel(read->second);
    reads_.erase(read);
  }
  void take(helper::IndexReply& m) {
    const auto found = requests_.find(m.id);
    if (found == requests_.end() || found->second.key.kind != Key::Kind::index) return;
    if (m.index && !is_whole(*m.index)) return distrust("it gave an index that makes no film");
    quiet_ticks_ = 0;
    if (m.index) index_ = *m.index;
    const Request request = std::move(found->second);
    requests_.erase(found);
    for (const IndexCallback& callback : request.on_index) {
      if (alive_) callback(m.index);
    }
  }
  void take(helper::SegmentReply& m) {
    const auto found = requests_.find(m.id);
    if (found == requests_.end() || found->second.key.kind == Key::Kind::index) return;
    quiet_ticks_ = 0;
    std::expected<DemandSession::Segment, std::string> segment = std::unexpected{std::string{}};
    if (m.bytes) {
      segment = std::make_shared<const base::Bytes>(std::move(*m.bytes));
    } else {
      segment = std::unexpected{std::move(m.bytes.error())};
    }
    const Request request = std::move(found->second);
    requests_.erase(found);
    for (const SegmentCallback& callback : request.on_segment) {
      if (alive_) callback(segment);
    }
  }
  void take(helper::Error& m) { exited(std::move(m.message)); }
  template <class Other>
  void take(Other&) {}   // not for this mode

  void fail(std::uint64_t id, const std::string& why) {
    const auto found = requests_.find(id);
    if (found == requests_.end()) return;
    // Posted: this may be inside a call of the user's.
    boost::asio::post(io_, [self = shared_from_this(), request = std::move(found->second), why] {
      for (const IndexCallback& callback : request.on_index) {
        if (self->alive_) callback(std::unexpected{why});
      }
      for (const SegmentCallback& callback : request.on_segment) {
        if (self->alive_) callback(std::unexpected{why});
      }
    });
    requests_.erase(found);
  }

  boost::asio::io_context& io_;
  DemandConfig config_;
  ContentReader& content_;
  boost::asio::steady_timer tick_;
  std::unique_ptr<HelperProcess> process_;
  std::optional<DemandIndex> index_;
  std::map<std::uint64_t, Request> requests_;                       // by id, so in the order they came
  std::map<std::uint64_t, ContentReader::Token> reads_;             // by the helper's id
  std::uint64_t next_id_ = 1;
  int quiet_ticks_ = 0;
  bool watching_ = false;
  bool alive_ = true;
};

class Session final : public DemandSession {
 public:
  explicit Session(std::shared_ptr<Demand> demand) : demand_(std::move(demand)) {}
  ~Session() override { demand_->stop(); }
  void index(Callback<DemandIndex> callback) override { demand_->index(std::move(callback)); }
  void init(std::uint32_t track, Callback<Segment> callback) override { demand_->segment({Key::Kind::init, track}, std::move(callback)); }
  void segment(std::uint32_t track, std::uint32_t number, Callback<Segment> callback) override {
    demand_->segment({Key::Kind::segment, track, number}, std::move(callback));
  }

 private:
  std::shared_ptr<Demand> demand_;   // shared with a callback that runs
};

}  // namespace

std::unique_ptr<DemandSession> start_demand(boost::asio::io_context& io, DemandConfig config, ContentReader& content) {
  return std::make_unique<Session>(std::make_shared<Demand>(io, std::move(config), content));
}

}  // namespace runnel::media
