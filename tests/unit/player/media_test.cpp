#include "unit/player/server_fixture.hpp"

namespace runnel::player::test {
namespace {

class MediaTest : public ServerFixture {
 public:
  const std::string bytes = ramp(3'000'000);
};

TEST_F(MediaTest, serves_the_whole_content) {
  TestStream& film = add_film(bytes);
  film.mime_ = "video/x-matroska";
  start();
  const Reply reply = get(path(film, "media"));
  EXPECT_EQ(reply.status, 200U);
  EXPECT_EQ(reply.headers.at("content-type"), "video/x-matroska");
  EXPECT_TRUE(reply.body == bytes);
}

TEST_F(MediaTest, serves_ranges_of_every_form) {
  TestStream& film = add_film(bytes);
  start();
  HttpClient client{port()};
  const auto expect = [&](const std::string& range, std::size_t first, std::size_t length) {
    const Reply reply = client.get(path(film, "media"), {{"Range", range}});
    EXPECT_EQ(reply.status, 206U) << range;
    EXPECT_TRUE(reply.body == bytes.substr(first, length)) << range;
    EXPECT_EQ(reply.headers.at("content-range"),
              "bytes " + std::to_string(first) + '-' + std::to_string(first + length - 1) + '/' + std::to_string(bytes.size()));
  };
  expect("bytes=0-", 0, bytes.size());
  expect("bytes=0-0", 0, 1);
  expect("bytes=1000000-1999999", 1'000'000, 1'000'000);
  expect("bytes=2999999-", 2'999'999, 1);
  expect("bytes=-100", bytes.size() - 100, 100);
  expect("bytes=-99999999", 0, bytes.size());
  expect("bytes=262143-262145", 262'143, 3);
}

TEST_F(MediaTest, answers_416_with_the_size_past_the_end) {
  TestStream& film = add_film(bytes);
  start();
  const Reply reply = get(path(film, "media"), {{"Range", "bytes=3000000-"}});
  EXPECT_EQ(reply.status, 416U);
  EXPECT_EQ(reply.headers.at("content-range"), "bytes */3000000");
}

TEST_F(MediaTest, names_the_content_by_its_id_for_conditional_requests) {
  TestStream& film = add_film(bytes);
  start();
  const std::string etag = '"' + film.id_ + '"';
  EXPECT_EQ(get(path(film, "media"), {{"If-None-Match", etag}}).status, 304U);
  EXPECT_EQ(get(path(film, "media"), {{"If-Range", etag}, {"Range", "bytes=0-9"}}).status, 206U);
  EXPECT_EQ(get(path(film, "media"), {{"If-Range", "\"other\""}, {"Range", "bytes=0-9"}}).status, 200U);
}

TEST_F(MediaTest, offers_a_download_under_the_files_own_name_whatever_it_is) {
  TestStream& film = add_film("abc");
  film.file_name_ = "a\"b\r\nX: y/\xc3\xbc.mp4";
  film.mime_ = "video/mp4\r\nX-Evil: 1";
  start();
  const Reply reply = get(path(film, "media?download"));
  EXPECT_EQ(reply.headers.at("content-disposition"), "attachment; filename*=UTF-8''a%22b%0D%0AX%3A%20y%2F%C3%BC.mp4");
  EXPECT_EQ(reply.headers.at("content-type"), "application/octet-stream");
  EXPECT_FALSE(reply.headers.contains("x-evil"));
}

TEST_F(MediaTest, serves_empty_content) {
  TestStream& film = add_film("");
  start();
  const Reply reply = get(path(film, "media"));
  EXPECT_EQ(reply.status, 200U);
  EXPECT_EQ(reply.headers.at("content-length"), "0");
}

TEST_F(MediaTest, reads_no_further_ahead_than_the_limit_of_a_client_that_does_not_take_it) {
  config.limits.piece_bytes = 64 << 10;
  config.limits.read_ahead_pieces = 3;
  TestStream& film = add_film(ramp(64 << 20));
  start();
  HttpClient client{port()};
  client.send("GET " + path(film, "media") + " HTTP/1.1\r\nHost: localhost\r\n\r\n");
  EXPECT_FALSE(client.read_some(1000).empty());
  // The sockets' buffers fill up, then reading stops: the number of reads settles far from the whole.
  std::size_t before = 0;
  ASSERT_TRUE(eventually([&] {
    const bool settled = film.content_->reads == before && film.content_->pending() == 0;
    before = film.content_->reads;
    return settled && before > 0;
  }));
  EXPECT_LT(before * config.limits.piece_bytes, 32U << 20);
}

TEST_F(MediaTest, cancels_its_reads_when_the_client_goes) {
  TestStream& film = add_film(bytes);
  film.content_->hold = true;
  start();
  HttpClient client{port()};
  client.send("GET " + path(film, "media") + " HTTP/1.1\r\nHost: localhost\r\n\r\n");
  ASSERT_TRUE(eventually([&] { return film.content_->pending() > 0; }));
  client.close();
  EXPECT_TRUE(eventually([&] { return film.content_->pending() == 0 && film.content_->cancelled > 0; }));
}

TEST_F(MediaTest, breaks_off_when_the_content_cannot_be_read) {
  TestStream& film = add_film(bytes);
  film.content_->broken = true;
  start();
  HttpClient client{port()};
  EXPECT_THROW(client.get(path(film, "media")), std::runtime_error);
}

TEST_F(MediaTest, drops_a_client_that_takes_nothing_for_too_long) {
  config.limits.write = milliseconds{100};
  config.limits.connections = 1;   // so that its place is free again tells that it was dropped
  TestStream& film = add_film(ramp(64 << 20));
  start();
  HttpClient client{port()};
  client.send("GET " + path(film, "media") + " HTTP/1.1\r\nHost: localhost\r\n\r\n");
  ASSERT_TRUE(eventually([&] { return film.content_->reads > 4; }));
  const auto limit = std::chrono::steady_clock::now() + seconds{10};
  unsigned status = 0;
  while (status != 200 && std::chrono::steady_clock::now() < limit) status = HttpClient{port()}.get("/healthz").status;
  EXPECT_EQ(status, 200U);
  EXPECT_LT(client.read_all().size(), std::size_t{64} << 20);
}

TEST_F(MediaTest, waits_for_the_size_and_then_says_to_try_again) {
  config.limits.first_media = milliseconds{100};
  TestStream& film = add_film(bytes);
  auto content = std::move(film.content_);
  start();
  const Reply early = get(path(film, "media"));
  EXPECT_EQ(early.status, 503U);
  EXPECT_TRUE(early.headers.contains("retry-after"));
  on_service([&] { film.content_ = std::move(content); });
  EXPECT_EQ(get(path(film, "media")).status, 200U);
}

}  // namespace
}  // namespace runnel::player::test
