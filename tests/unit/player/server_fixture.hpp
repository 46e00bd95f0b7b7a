// A real server on a port of its own, on a thread of its own, over small streams that tests make.
#pragma once
#include <gtest/gtest.h>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <chrono>
#include <deque>
#include <future>
#include <map>
#include <thread>

#include "player/http_server.hpp"
#include "unit/player/http_client.hpp"

namespace runnel::player::test {

using std::chrono::milliseconds;
using std::chrono::seconds;

inline std::string ramp(std::size_t size) {
  std::string bytes(size, '\0');
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<char>((i * 31 + i / 251) & 0xff);
  return bytes;
}

// Answers later, on the service thread; held back while `hold` is set.
class MemoryContent final : public media::ContentReader {
 public:
  MemoryContent(boost::asio::io_context& io, std::string bytes) : io_(io), bytes_(std::move(bytes)) {}
  [[nodiscard]] std::uint64_t size() const override { return bytes_.size(); }
  Token read(std::uint64_t offset, std::size_t length, Callback callback) override {
    EXPECT_LE(offset + length, bytes_.size());
    EXPECT_LE(length, kMaxRead);
    const Token token = next_++;
    ++reads;
    pending_[token] = {offset, length, std::move(callback)};
    boost::asio::post(io_, [this, token] { answer(token); });
    return token;
  }
  void cancel(Token token) override { cancelled += pending_.erase(token); }
  [[nodiscard]] std::size_t pending() const { return pending_.size(); }

  bool hold = false;
  bool broken = false;
  std::size_t reads = 0;
  std::size_t cancelled = 0;

 private:
  struct Pending {
    std::uint64_t offset = 0;
    std::size_t length = 0;
    Callback callback;
  };
  void answer(Token token) {
    const auto found = pending_.find(token);
    if (hold || found == pending_.end()) return;
    const Pending pending = std::move(found->second);
    pending_.erase(found);
    if (broken) return pending.callback(std::unexpected("the disk is gone"));
    pending.callback(base::to_bytes(base::as_bytes(std::string_view{bytes_}.substr(pending.offset, pending.length))));
  }
  boost::asio::io_context& io_;
  std::string bytes_;
  Token next_ = 1;
  std::map<Token, Pending> pending_;
};

class TestStream final : public Stream {
 public:
  [[nodiscard]] const std::string& id() const override { return id_; }
  [[nodiscard]] const std::string& title() const override { return title_; }
  [[nodiscard]] const std::string& link() const override { return link_; }
  [[nodiscard]] const std::string& role() const override { return role_; }
  [[nodiscard]] bool is_live() const override { return live_; }
  [[nodiscard]] StreamStatus status() const override { return status_; }
  media::ContentReader* content() override { return content_.get(); }
  [[nodiscard]] std::string mime() const override { return mime_; }
  [[nodiscard]] std::string file_name() const override { return file_name_; }
  [[nodiscard]] std::optional<base::Bytes> scanned_index() const override { return std::nullopt; }
  media::LiveTimeline* timeline() override { return timeline_.get(); }

  std::string id_, title_, link_, role_ = "watch", mime_ = "video/mp4", file_name_ = "film.mp4";
  bool live_ = false;
  StreamStatus status_;
  std::unique_ptr<MemoryContent> content_;
  std::unique_ptr<media::LiveTimeline> timeline_;
};

class TestStreams final : public Streams {
 public:
  std::vector<Stream*> list() override {
    std::vector<Stream*> all;
    for (TestStream& s : streams_) all.push_back(&s);
    return all;
  }
  Stream* find(std::string_view id) override {
    for (TestStream& s : streams_)
      if (s.id_ == id) return &s;
    return nullptr;
  }
  [[nodiscard]] std::string version() const override { return "1.2.3"; }

  std::deque<TestStream> streams_;
};

class ServerFixture : public ::testing::Test {
 public:
  ~ServerFixture() override { stop(); }

  HttpServer::Config config{.listen = *base::Endpoint::parse("127.0.0.1:0")};
  boost::asio::io_context io;
  TestStreams streams;
  std::unique_ptr<HttpServer> server;

  TestStream& add_film(std::string bytes) {
    TestStream& s = streams.streams_.emplace_back();
    s.id_ = std::string(64, 'a');
    s.title_ = "A film";
    s.link_ = "runnel:" + s.id_;
    s.content_ = std::make_unique<MemoryContent>(io, std::move(bytes));
    return s;
  }
  TestStream& add_live(media::LiveTimeline::Config timeline = {}) {
    TestStream& s = streams.streams_.emplace_back();
    s.id_ = "0d" + std::string(66, 'b');
    s.title_ = "A camera";
    s.link_ = "runnel:" + s.id_;
    s.live_ = true;
    s.timeline_ = std::make_unique<media::LiveTimeline>(timeline);
    return s;
  }

  void start() {
    auto started = HttpServer::start(io, config, streams);
    ASSERT_TRUE(started) << started.error();
    server = std::move(*started);
    work_.emplace(io.get_executor());
    thread_ = std::thread([this] { io.run(); });
  }
  void stop() {
    if (!thread_.joinable()) return;
    on_service([this] { server.reset(); });
    work_.reset();
    thread_.join();
  }
  // Runs on the service thread and waits for it.
  template <class Call>
  std::invoke_result_t<Call> on_service(Call call) {
    std::packaged_task<decltype(call())()> task{std::move(call)};
    auto done = task.get_future();
    boost::asio::post(io, [&task] { task(); });
    return done.get();
  }
  // Waits until `holds` is true on the service thread; false after ten seconds.
  template <class Predicate>
  bool eventually(Predicate holds) {
    const auto limit = std::chrono::steady_clock::now() + seconds{10};
    while (std::chrono::steady_clock::now() < limit) {
      if (on_service(holds)) return true;
      std::this_thread::yield();
    }
    return false;
  }

  [[nodiscard]] std::uint16_t port() const { return server->local().port; }
  [[nodiscard]] Reply get(const std::string& target, const Headers& headers = {}) const { return test::get(port(), target, headers); }
  [[nodiscard]] static std::string path(const TestStream& s, const std::string& rest) { return "/streams/" + s.id_ + '/' + rest; }

 private:
  std::optional<boost::asio::executor_work_guard<boost::asio::io_context::executor_type>> work_;
  std::thread thread_;
};

// Chunks of 100 ms whose bytes say which they are; each tenth is independent.
inline media::InitSegment live_init(std::uint32_t epoch) {
  media::TrackInfo video;
  video.codecs = "avc1.64001f";
  video.width = 1280;
  video.height = 720;
  video.frame_rate = 30;
  media::TrackInfo audio;
  audio.kind = media::TrackKind::audio;
  audio.codecs = "mp4a.40.2";
  const std::string text = "init" + std::to_string(epoch) + ';';
  return {epoch, {video, audio}, std::make_shared<const base::Bytes>(base::to_bytes(base::as_bytes(text)))};
}
inline media::MediaChunk live_chunk(std::uint32_t epoch, int number, std::size_t padding = 0) {
  const std::string text = "chunk" + std::to_string(number) + ';' + std::string(padding, '.');
  media::MediaChunk chunk;
  chunk.epoch = epoch;
  chunk.independent = number % 10 == 0;
  chunk.media_time = milliseconds{100 * number};
  chunk.duration = milliseconds{100};
  chunk.captured = base::WallTime{seconds{1'700'000'000}} + milliseconds{100 * number};
  chunk.bytes = std::make_shared<const base::Bytes>(base::to_bytes(base::as_bytes(text)));
  return chunk;
}

}  // namespace runnel::player::test
