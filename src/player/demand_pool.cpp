#include "player/demand_pool.hpp"

#include <algorithm>
#include <boost/asio/steady_timer.hpp>
#include <deque>

#include "base/log.hpp"

namespace runnel::player {

// A stream's session and who waits for it. Held by the pool and by its jobs.
class DemandPool::Entry : public std::enable_shared_from_this<Entry> {
 public:
  Entry(boost::asio::io_context& io, DemandFactory start, media::DemandConfig config, media::ContentReader& content,
        std::chrono::milliseconds idle)
      : io_(io), start_(std::move(start)), config_(std::move(config)), content_(&content), idle_(idle), timer_(io) {}

  [[nodiscard]] bool gone() const { return content_ == nullptr; }
  [[nodiscard]] const std::string& name() const { return config_.name; }
  // The stream goes: nothing may touch it any more.
  void shut() {
    content_ = nullptr;
    timer_.cancel();
    session_.reset();
  }
  media::DemandSession& session() {
    if (!session_) session_ = start_(io_, config_, *content_);
    return *session_;
  }
  void enter(Job* job) {
    jobs_.push_back(job);
    timer_.cancel();
  }
  void leave(Job* job);
  void enqueue(const std::shared_ptr<Job>& job);
  void pump(std::uint32_t track);

  Index index;   // once known it outlives the session: content does not change

 private:
  struct Turns {
    std::weak_ptr<Job> current;   // expired: its client has gone, or nobody's turn
    std::deque<std::weak_ptr<Job>> waiting;
  };
  void end_when_idle();

  boost::asio::io_context& io_;
  DemandFactory start_;
  media::DemandConfig config_;
  media::ContentReader* content_;   // nullptr once the stream has gone
  std::chrono::milliseconds idle_;
  boost::asio::steady_timer timer_;
  std::unique_ptr<media::DemandSession> session_;
  std::vector<Job*> jobs_;
  std::map<std::uint32_t, Turns> turns_;
};

// One request to a session. Owned by whoever waits for it.
class DemandPool::Job : public std::enable_shared_from_this<Job> {
 public:
  Job(std::shared_ptr<Entry> entry, std::uint32_t track, std::uint32_t number) : entry_(std::move(entry)), track_(track), number_(number) {
    entry_->enter(this);
  }
  ~Job() { entry_->leave(this); }
  Job(const Job&) = delete;
  Job& operator=(const Job&) = delete;

  [[nodiscard]] std::uint32_t track() const { return track_; }

  void ask_index(Callback<Index> callback) {
    if (entry_->index) return answer([&] { callback(entry_->index); });
    entry_->session().index([weak = weak_from_this(), callback](std::expected<media::DemandIndex, std::string> result) {
      const auto self = weak.lock();
      if (!self || self->done_) return;
      if (!result) return self->fail(result.error(), [&] { callback(std::unexpected(result.error())); });
      self->entry_->index = std::make_shared<const media::DemandIndex>(std::move(*result));
      self->answer([&] { callback(self->entry_->index); });
    });
  }
  void ask_init(Callback<Piece> callback) {
    piece_ = std::move(callback);
    entry_->session().init(track_, taker());
  }
  void expect_piece(Callback<Piece> callback) { piece_ = std::move(callback); }
  void ask_segment() { entry_->session().segment(track_, number_, taker()); }
  [[nodiscard]] bool done() const { return done_; }

 private:
  media::DemandSession::Callback<Piece> taker() {
    return [weak = weak_from_this()](std::expected<Piece, std::string> result) {
      const auto self = weak.lock();
      if (!self || self->done_) return;
      if (result && (!*result || (*result)->empty())) result = std::unexpected("the media helper gave an empty segment");
      if (!result) return self->fail(result.error(), [&] { self->piece_(result); });
      self->answer([&] { self->piece_(std::move(result)); });
    };
  }
  // The session goes on: it starts its helper again by itself, and other parts of the film may be sound.
  template <class Call>
  void fail(const std::string& message, Call call) {
    base::log_debug("player", "media of '" + entry_->name() + "': " + message);
    answer(call);
  }
  template <class Call>
  void answer(Call call) {
    const auto self = shared_from_this();   // the callback may drop us
    done_ = true;
    entry_->pump(track_);
    call();
  }

  std::shared_ptr<Entry> entry_;
  std::uint32_t track_;
  std::uint32_t number_;
  bool done_ = false;
  Callback<Piece> piece_;
};

void DemandPool::Entry::leave(Job* job) {
  std::erase(jobs_, job);
  if (gone()) return;
  pump(job->track());
  if (jobs_.empty()) end_when_idle();
}

void DemandPool::Entry::end_when_idle() {
  timer_.expires_after(idle_);
  timer_.async_wait([weak = weak_from_this()](const boost::system::error_code& error) {
    const auto self = weak.lock();
    if (self && !error && self->jobs_.empty()) self->session_.reset();
  });
}

void DemandPool::Entry::enqueue(const std::shared_ptr<Job>& job) {
  turns_[job->track()].waiting.push_back(job);
  pump(job->track());
}

void DemandPool::Entry::pump(std::uint32_t track) {
  const auto found = turns_.find(track);
  if (found == turns_.end() || gone()) return;
  Turns& turns = found->second;
  if (const auto current = turns.current.lock(); current && !current->done()) return;
  while (!turns.waiting.empty()) {
    const auto next = turns.waiting.front().lock();
    turns.waiting.pop_front();
    if (!next || next->done()) continue;
    turns.current = next;
    return next->ask_segment();
  }
  turns_.erase(found);
}

DemandPool::DemandPool(boost::asio::io_context& io, const HttpServer::Config& config)
    : io_(io), helper_(config.helper), start_(config.start_demand), idle_(config.limits.demand_idle) {}

DemandPool::~DemandPool() {
  for (const auto& [id, entry] : entries_) entry->shut();
}

std::shared_ptr<DemandPool::Entry> DemandPool::entry(Stream& stream) {
  auto& slot = entries_[stream.id()];
  if (!slot) {
    media::DemandConfig config{helper_, stream.file_name(), stream.scanned_index()};
    slot = std::make_shared<Entry>(io_, start_, std::move(config), *stream.content(), idle_);
  }
  return slot;
}

Work DemandPool::index(Stream& stream, Callback<Index> callback) {
  auto job = std::make_shared<Job>(entry(stream), 0, 0);
  job->ask_index(std::move(callback));
  return job;
}

Work DemandPool::init(Stream& stream, std::uint32_t track, Callback<Piece> callback) {
  auto job = std::make_shared<Job>(entry(stream), track, 0);
  job->ask_init(std::move(callback));
  return job;
}

Work DemandPool::segment(Stream& stream, std::uint32_t track, std::uint32_t number, Callback<Piece> callback) {
  auto owner = entry(stream);
  auto job = std::make_shared<Job>(owner, track, number);
  job->expect_piece(std::move(callback));
  owner->enqueue(job);
  return job;
}

void DemandPool::forget(std::string_view stream_id) {
  const auto found = entries_.find(stream_id);
  if (found == entries_.end()) return;
  found->second->shut();
  entries_.erase(found);
}

}  // namespace runnel::player
