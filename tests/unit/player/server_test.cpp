#include <boost/asio/ip/tcp.hpp>
#include <random>

#include "unit/player/server_fixture.hpp"

namespace runnel::player::test {
namespace {

using ServerTest = ServerFixture;

TEST_F(ServerTest, serves_the_page_with_an_etag_and_a_strict_policy) {
  start();
  const Reply page = get("/");
  EXPECT_EQ(page.status, 200U);
  EXPECT_EQ(page.headers.at("content-type"), "text/html; charset=utf-8");
  EXPECT_TRUE(page.headers.at("content-security-policy").starts_with("default-src 'self'"));
  EXPECT_EQ(page.headers.at("x-content-type-options"), "nosniff");
  EXPECT_EQ(page.headers.at("cross-origin-resource-policy"), "same-origin");
  EXPECT_FALSE(page.headers.contains("access-control-allow-origin"));
  EXPECT_NE(page.body.find("Runnel"), std::string::npos);
  const Reply again = get("/", {{"If-None-Match", page.headers.at("etag")}});
  EXPECT_EQ(again.status, 304U);
  EXPECT_TRUE(again.body.empty());
}

TEST_F(ServerTest, keeps_the_connection_for_further_requests) {
  start();
  HttpClient client{port()};
  for (int i = 0; i < 5; ++i) {
    const Reply reply = client.get("/healthz");
    EXPECT_EQ(reply.status, 200U);
    EXPECT_EQ(reply.body, "ok\n");
    EXPECT_TRUE(reply.keep_alive);
  }
  EXPECT_EQ(client.get("/healthz", {{"Connection", "close"}}).keep_alive, false);
  EXPECT_EQ(client.read_some(), "");
}

TEST_F(ServerTest, answers_requests_sent_ahead_one_after_the_other) {
  start();
  HttpClient client{port()};
  client.send("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\nGET /nothing HTTP/1.1\r\nHost: localhost\r\n\r\n");
  EXPECT_EQ(client.read_reply().status, 200U);
  EXPECT_EQ(client.read_reply().status, 404U);
}

TEST_F(ServerTest, refuses_names_that_are_not_its_own) {
  start();
  EXPECT_EQ(get("/api/status", {{"Host", "evil.example"}}).status, 421U);
  EXPECT_EQ(get("/api/status", {{"Host", "localhost:" + std::to_string(port())}}).status, 200U);
  HttpClient client{port()};
  client.send("GET / HTTP/1.1\r\n\r\n");
  EXPECT_EQ(client.read_reply().status, 400U);
}

TEST_F(ServerTest, is_read_only) {
  start();
  for (const auto* method : {"POST", "PUT", "DELETE", "PATCH"}) {
    const Reply reply = HttpClient{port()}.request(method, "/api/status");
    EXPECT_EQ(reply.status, 405U) << method;
    EXPECT_EQ(reply.headers.at("allow"), "GET, HEAD, OPTIONS");
  }
  const Reply options = HttpClient{port()}.request("OPTIONS", "/api/status", {{"Origin", "http://evil.example"}});
  EXPECT_EQ(options.status, 204U);
  EXPECT_FALSE(options.headers.contains("access-control-allow-origin"));
}

TEST_F(ServerTest, head_gives_the_same_header_and_no_body) {
  TestStream& film = add_film(ramp(1000));
  start();
  HttpClient client{port()};
  const Reply head = client.request("HEAD", path(film, "media"));
  EXPECT_EQ(head.status, 200U);
  EXPECT_EQ(head.headers.at("content-length"), "1000");
  EXPECT_EQ(head.headers.at("accept-ranges"), "bytes");
  EXPECT_EQ(client.get("/healthz").body, "ok\n");
  EXPECT_EQ(on_service([&] { return film.content_->reads; }), 0U);
}

TEST_F(ServerTest, tells_what_is_missing) {
  add_film("x");
  start();
  EXPECT_EQ(get("/no/such/thing").status, 404U);
  EXPECT_EQ(get("/../etc/passwd").status, 404U);
  EXPECT_EQ(get("/streams/ffff/media").status, 404U);
  EXPECT_EQ(get("/streams/ffff").status, 404U);
  EXPECT_EQ(get(path(streams.streams_[0], "nothing")).status, 404U);
  EXPECT_EQ(get("/nothing").headers.at("content-type"), "text/plain; charset=utf-8");
}

TEST_F(ServerTest, refuses_a_header_past_the_limit) {
  config.limits.header_bytes = 2048;
  start();
  EXPECT_EQ(get("/healthz", {{"X-Fill", std::string(1500, 'x')}}).status, 200U);
  const Reply reply = get("/healthz", {{"X-Fill", std::string(3000, 'x')}});
  EXPECT_EQ(reply.status, 431U);
  EXPECT_FALSE(reply.keep_alive);
  EXPECT_EQ(get("/healthz", {{"X-Fill", std::string(300'000, 'x')}}).status, 431U);
}

TEST_F(ServerTest, refuses_a_body_past_the_limit) {
  config.limits.body_bytes = 1000;
  start();
  HttpClient client{port()};
  client.send("GET /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n" + std::string(1000, 'x'));
  EXPECT_EQ(client.read_reply().status, 200U);
  HttpClient larger{port()};
  larger.send("GET /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1001\r\n\r\n");
  EXPECT_EQ(larger.read_reply().status, 413U);
}

TEST_F(ServerTest, a_newcomer_at_the_limit_takes_the_place_of_the_longest_idle_connection) {
  config.limits.connections = 3;
  start();
  HttpClient first{port()}, second{port()}, third{port()};
  for (HttpClient* client : {&second, &first, &third}) EXPECT_EQ(client->get("/healthz").status, 200U);
  EXPECT_EQ(get("/healthz").status, 200U);
  EXPECT_EQ(second.read_some(), "");
  EXPECT_EQ(first.get("/healthz").status, 200U);
}

TEST_F(ServerTest, turns_newcomers_away_when_every_connection_is_busy) {
  config.limits.connections = 2;
  TestStream& film = add_film(ramp(1000));
  film.content_->hold = true;
  start();
  HttpClient one{port()}, two{port()};
  for (HttpClient* client : {&one, &two}) client->send("GET " + path(film, "media") + " HTTP/1.1\r\nHost: localhost\r\n\r\n");
  ASSERT_TRUE(eventually([&] { return film.content_->pending() == 2; }));
  HttpClient third{port()};
  EXPECT_EQ(third.read_reply().status, 503U);
  one.close();
  ASSERT_TRUE(eventually([&] { return film.content_->pending() == 1; }));
  EXPECT_EQ(get("/healthz").status, 200U);
}

TEST_F(ServerTest, gives_up_a_client_that_never_finishes_its_request) {
  config.limits.request = milliseconds{50};
  start();
  HttpClient client{port()};
  client.send("GET /healthz HTTP/1.1\r\nHo");
  EXPECT_EQ(client.read_some(), "");
}

TEST_F(ServerTest, closes_a_connection_that_stays_idle) {
  config.limits.idle = milliseconds{50};
  start();
  HttpClient client{port()};
  EXPECT_EQ(client.get("/healthz").status, 200U);
  EXPECT_EQ(client.read_some(), "");
}

TEST_F(ServerTest, survives_random_bytes_and_answers_in_words) {
  start();
  const std::uint32_t seed = std::random_device{}();
  std::mt19937 random{seed};
  SCOPED_TRACE("seed " + std::to_string(seed));
  for (int round = 0; round < 200; ++round) {
    std::string bytes(1 + random() % 3000, '\0');
    for (char& c : bytes) c = static_cast<char>(random());
    if (round % 4 == 0) bytes = "GET /streams/" + bytes;
    if (round % 4 == 1) bytes = "GET / HTTP/1.1\r\nHost: localhost\r\n" + bytes;
    HttpClient client{port()};
    try {
      client.send(bytes + "\r\n\r\n");
      client.close_at_end_of_sending();
      const std::string reply = client.read_all();
      EXPECT_TRUE(reply.empty() || reply.starts_with("HTTP/1.1 ")) << reply;
    } catch (const std::exception&) {
      // A reset while we still write is an answer too.
    }
  }
  EXPECT_EQ(get("/healthz").status, 200U);
}

TEST_F(ServerTest, speaks_http_1_0_to_old_clients) {
  TestStream& film = add_film(ramp(1000));
  start();
  HttpClient client{port()};
  client.send("GET " + path(film, "media") + " HTTP/1.0\r\n\r\n");
  const std::string all = client.read_all();
  EXPECT_TRUE(all.starts_with("HTTP/1.1 200 OK\r\n"));
  EXPECT_TRUE(all.ends_with(ramp(1000)));
}

TEST_F(ServerTest, says_what_to_do_when_the_port_is_taken) {
  start();
  boost::asio::io_context other;
  HttpServer::Config same = config;
  same.listen = server->local();
  const auto second = HttpServer::start(other, same, streams);
  ASSERT_FALSE(second);
  EXPECT_NE(second.error().find("--http"), std::string::npos) << second.error();
  EXPECT_NE(second.error().find(std::to_string(port())), std::string::npos);
}

TEST_F(ServerTest, says_what_to_do_when_the_address_is_not_of_this_machine) {
  config.listen = *base::Endpoint::parse("192.0.2.1:0");
  const auto started = HttpServer::start(io, config, streams);
  ASSERT_FALSE(started);
  EXPECT_NE(started.error().find("not an address of this machine"), std::string::npos) << started.error();
}

TEST_F(ServerTest, tells_its_addresses) {
  start();
  EXPECT_EQ(server->base_url(), "http://127.0.0.1:" + std::to_string(port()));
  EXPECT_EQ(server->lan_url(), "");
}

TEST_F(ServerTest, is_open_to_the_local_network_only_when_asked) {
  config.lan = true;
  config.lan_addresses = {*base::IpAddress::parse("192.168.1.5")};
  add_film("x").link_ = "runnel:short";
  start();
  EXPECT_TRUE(server->local().address.is_unspecified());
  EXPECT_EQ(server->base_url(), "http://127.0.0.1:" + std::to_string(port()));
  EXPECT_EQ(server->lan_url(), "http://192.168.1.5:" + std::to_string(port()));
  const std::string code = path(streams.streams_[0], "link.svg");
  EXPECT_NE(get(code).body, get(code + "?of=link").body);
}

TEST_F(ServerTest, draws_the_link_as_a_qr_code) {
  TestStream& film = add_film("x");
  start();
  const Reply reply = get(path(film, "link.svg"));
  EXPECT_EQ(reply.status, 200U);
  EXPECT_EQ(reply.headers.at("content-type"), "image/svg+xml");
  EXPECT_TRUE(reply.body.starts_with("<svg"));
  on_service([&] { film.link_ = std::string(4000, 'x'); });
  EXPECT_EQ(get(path(film, "link.svg")).status, 404U);
}

TEST_F(ServerTest, does_without_the_media_helper_where_there_is_none) {
  TestStream& film = add_film("x");
  TestStream& live = add_live();
  start();
  EXPECT_EQ(get(path(film, "master.m3u8")).status, 404U);
  EXPECT_EQ(get(path(film, "media")).status, 200U);
  EXPECT_EQ(get(path(live, "live.ts")).status, 404U);
}

TEST_F(ServerTest, ends_while_clients_are_being_served) {
  TestStream& film = add_film(ramp(10 << 20));
  TestStream& live = add_live();
  start();
  HttpClient reading{port()}, waiting{port()}, idle{port()};
  reading.send("GET " + path(film, "media") + " HTTP/1.1\r\nHost: localhost\r\n\r\n");
  waiting.send("GET " + path(live, "master.m3u8") + " HTTP/1.1\r\nHost: localhost\r\n\r\n");
  EXPECT_FALSE(reading.read_some().empty());
  stop();
  EXPECT_EQ(waiting.read_some(), "");
  EXPECT_EQ(idle.read_some(), "");
}

TEST_F(ServerTest, forgets_a_stream_and_closes_who_reads_it) {
  TestStream& film = add_film(ramp(1000));
  film.content_->hold = true;
  start();
  HttpClient reading{port()}, other{port()};
  reading.send("GET " + path(film, "media") + " HTTP/1.1\r\nHost: localhost\r\n\r\n");
  EXPECT_EQ(other.get("/healthz").status, 200U);
  ASSERT_TRUE(eventually([&] { return film.content_->pending() == 1; }));
  on_service([&] {
    server->forget(film.id_);
    EXPECT_EQ(film.content_->pending(), 0U);
    streams.streams_.clear();
  });
  EXPECT_TRUE(reading.read_all().starts_with("HTTP/1.1 200"));
  EXPECT_EQ(other.get("/streams").body, "[]\n");
}

}  // namespace
}  // namespace runnel::player::test
