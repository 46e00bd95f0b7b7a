#include "unit/player/server_fixture.hpp"

namespace runnel::player::test {
namespace {

// Makes a packet of each chunk at once, as the real helper does a little later.
class FakeTs final : public media::TsSession {
 public:
  struct Log {
    int started = 0;
    int alive = 0;
    std::vector<std::uint32_t> inits;
    media::TsEvents events;   // of the newest session
  };
  FakeTs(boost::asio::io_context& io, Log& log, media::TsEvents events) : io_(io), log_(log) {
    ++log_.started;
    ++log_.alive;
    log_.events = std::move(events);
  }
  ~FakeTs() override { --log_.alive; }
  void feed(const media::InitSegment& init) override { log_.inits.push_back(init.epoch); }
  void feed(const media::MediaChunk& chunk) override {
    boost::asio::post(io_, [weak = std::weak_ptr{alive_}, this, chunk] {
      if (!weak.expired()) log_.events.on_packets(chunk.bytes, chunk.independent);
    });
  }

 private:
  boost::asio::io_context& io_;
  Log& log_;
  std::shared_ptr<int> alive_ = std::make_shared<int>();
};

class LiveTsTest : public ServerFixture {
 public:
  LiveTsTest() {
    config.start_ts = [this](boost::asio::io_context& context, media::HelperConfig, media::TsEvents events) {
      return std::make_unique<FakeTs>(context, log, std::move(events));
    };
  }
  ~LiveTsTest() override { stop(); }

  void begin(TestStream& s) {
    on_service([&] { s.timeline_->add(live_init(0)); });
  }
  void feed(TestStream& s, int first, int count, std::size_t padding = 0) {
    on_service([&] {
      for (int i = first; i < first + count; ++i) s.timeline_->add(live_chunk(0, i, padding));
    });
  }
  void ask(HttpClient& client, const TestStream& s) const {
    client.send("GET " + path(s, "live.ts") + " HTTP/1.0\r\n\r\n");   // 1.0: the bytes as they are, unchunked
  }
  static std::string read_until(HttpClient& client, const std::string& end) {
    std::string all;
    while (!all.ends_with(end)) {
      const std::string some = client.read_some();
      if (some.empty()) break;
      all += some;
    }
    return all;
  }
  FakeTs::Log log;
};

TEST_F(LiveTsTest, one_session_serves_all_clients_and_ends_after_the_last) {
  TestStream& live = add_live();
  start();
  begin(live);
  feed(live, 0, 15);
  EXPECT_EQ(on_service([&] { return log.started; }), 0);
  {
    HttpClient one{port()}, two{port()};
    ask(one, live);
    EXPECT_TRUE(read_until(one, "chunk14;").ends_with("\r\n\r\nchunk10;chunk11;chunk12;chunk13;chunk14;"));
    feed(live, 15, 7);
    ask(two, live);
    EXPECT_TRUE(read_until(two, "chunk21;").ends_with("\r\n\r\nchunk20;chunk21;"));
    EXPECT_EQ(read_until(one, "chunk21;"), "chunk15;chunk16;chunk17;chunk18;chunk19;chunk20;chunk21;");
    EXPECT_EQ(on_service([&] { return log.started; }), 1);
    one.close();
    feed(live, 22, 1);
    EXPECT_EQ(read_until(two, "chunk22;"), "chunk22;");
    EXPECT_EQ(on_service([&] { return log.alive; }), 1);
  }
  EXPECT_TRUE(eventually([&] { return log.alive == 0; }));
  HttpClient later{port()};
  ask(later, live);
  EXPECT_TRUE(read_until(later, "chunk22;").ends_with("\r\n\r\nchunk20;chunk21;chunk22;"));
  EXPECT_EQ(on_service([&] { return log.started; }), 2);
}

TEST_F(LiveTsTest, is_chunked_for_http_1_1) {
  TestStream& live = add_live();
  start();
  begin(live);
  feed(live, 0, 2);
  HttpClient client{port()};
  client.send("GET " + path(live, "live.ts") + " HTTP/1.1\r\nHost: localhost\r\n\r\n");
  const std::string all = read_until(client, "chunk1;\r\n");
  EXPECT_NE(all.find("Content-Type: video/mp2t\r\n"), std::string::npos);
  EXPECT_NE(all.find("Transfer-Encoding: chunked\r\n"), std::string::npos);
  EXPECT_TRUE(all.ends_with("\r\n\r\n7\r\nchunk0;\r\n7\r\nchunk1;\r\n")) << all;
}

TEST_F(LiveTsTest, ends_for_every_client_when_the_stream_does) {
  TestStream& live = add_live();
  start();
  begin(live);
  feed(live, 0, 5);
  HttpClient client{port()};
  ask(client, live);
  on_service([&] { live.timeline_->end(); });
  EXPECT_TRUE(client.read_all().ends_with("chunk4;"));
  EXPECT_TRUE(eventually([&] { return log.alive == 0; }));
}

TEST_F(LiveTsTest, drops_a_client_that_falls_behind_and_only_that) {
  config.limits.ts_queue_bytes = 1 << 20;
  TestStream& live = add_live();
  start();
  begin(live);
  feed(live, 0, 1);
  HttpClient slow{port()}, quick{port()};
  ask(slow, live);
  ask(quick, live);
  EXPECT_TRUE(read_until(quick, "chunk0;").ends_with("chunk0;"));
  EXPECT_TRUE(read_until(slow, "chunk0;").ends_with("chunk0;"));
  std::size_t taken = 0;
  for (int i = 1; i < 40; ++i) {
    feed(live, i, 1, 500'000);
    for (std::size_t got = 0; got < 500'000;) {
      const std::size_t size = quick.read_some().size();
      ASSERT_GT(size, 0U);
      got += size;
    }
    taken += 500'000;
  }
  std::size_t all = 0;
  for (std::string some = slow.read_some(); !some.empty(); some = slow.read_some()) all += some.size();
  EXPECT_LT(all, taken);
}

TEST_F(LiveTsTest, starts_a_failed_session_again_and_keeps_its_clients) {
  TestStream& live = add_live();
  start();
  begin(live);
  feed(live, 0, 5);
  HttpClient client{port()};
  ask(client, live);
  EXPECT_TRUE(read_until(client, "chunk4;").ends_with("chunk4;"));
  on_service([&] { log.events.on_error("the helper crashed"); });
  ASSERT_TRUE(eventually([&] { return log.started == 2 && log.alive == 1; }));
  EXPECT_EQ(read_until(client, "chunk4;"), "chunk0;chunk1;chunk2;chunk3;chunk4;");
}

TEST_F(LiveTsTest, keeps_no_more_for_newcomers_than_its_limit) {
  config.limits.ts_recent_bytes = 100'000;
  TestStream& live = add_live();
  start();
  begin(live);
  feed(live, 0, 1);
  HttpClient one{port()};
  ask(one, live);
  EXPECT_TRUE(read_until(one, "chunk0;").ends_with("chunk0;"));
  feed(live, 1, 5, 30'000);
  for (std::size_t got = 0; got < 150'000;) got += one.read_some().size();
  HttpClient two{port()};
  ask(two, live);
  EXPECT_EQ(get("/healthz").status, 200U);
  feed(live, 6, 5);
  EXPECT_TRUE(read_until(two, "chunk10;").ends_with("\r\n\r\nchunk10;"));
}

TEST_F(LiveTsTest, head_starts_no_session) {
  TestStream& live = add_live();
  start();
  EXPECT_EQ(HttpClient{port()}.request("HEAD", path(live, "live.ts")).headers.at("content-type"), "video/mp2t");
  EXPECT_EQ(on_service([&] { return log.started; }), 0);
}

}  // namespace
}  // namespace runnel::player::test
