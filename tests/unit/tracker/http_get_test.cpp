// The HTTP client against servers of the test's own, well and badly behaved.
#include "net/http_get.hpp"

#include <gtest/gtest.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/write.hpp>
#include <filesystem>
#include <fstream>

#include "support/run_until.hpp"

namespace runnel::net {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using test::run_until;
using namespace std::chrono_literals;

// Answers each connection with what `reply` makes of the request's text, and closes it.
class Server {
 public:
  Server(asio::io_context& io, std::function<std::string(const std::string&)> reply)
      : io_(io), acceptor_(io, {asio::ip::address_v4::loopback(), 0}), reply_(std::move(reply)) {
    accept();
  }
  [[nodiscard]] std::string url(const std::string& path = "/") const {
    return "http://127.0.0.1:" + std::to_string(acceptor_.local_endpoint().port()) + path;
  }
  int requests = 0;

 private:
  struct Connection {
    explicit Connection(tcp::socket s) : socket(std::move(s)) {}
    tcp::socket socket;
    std::string in, out;
  };
  void accept() {
    acceptor_.async_accept([this](boost::system::error_code error, tcp::socket socket) {
      if (error) return;
      auto c = std::make_shared<Connection>(std::move(socket));
      asio::async_read_until(c->socket, asio::dynamic_buffer(c->in), "\r\n\r\n", [this, c](boost::system::error_code failed, std::size_t) {
        if (failed) return;
        ++requests;
        c->out = reply_(c->in);
        if (c->out.empty()) return held_.push_back(c);  // silence, with the connection open
        asio::async_write(c->socket, asio::buffer(c->out), [c](boost::system::error_code, std::size_t) {});
      });
      accept();
    });
  }
  asio::io_context& io_;
  tcp::acceptor acceptor_;
  std::function<std::string(const std::string&)> reply_;
  std::vector<std::shared_ptr<Connection>> held_;
};

std::string ok(const std::string& body, const std::string& headers = "") {
  return "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" + headers + "\r\n" + body;
}
std::string redirect(const std::string& to) { return "HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: " + to + "\r\n\r\n"; }

struct HttpGet : testing::Test {
  std::expected<HttpResponse, HttpError> get(HttpRequest request) {
    std::optional<std::expected<HttpResponse, HttpError>> result;
    const auto transfer = client.get(std::move(request), [&](auto r) { result = std::move(r); });
    EXPECT_FALSE(result) << "never inside the call";
    EXPECT_TRUE(run_until(io, [&] { return result.has_value(); }));
    return result ? std::move(*result) : std::unexpected(HttpError{});
  }
  HttpErrorKind error_of(HttpRequest request) {
    const auto result = get(std::move(request));
    EXPECT_FALSE(result);
    return result ? HttpErrorKind::broken : result.error().kind;
  }
  asio::io_context io;
  HttpClient client{io, {}};
};

TEST_F(HttpGet, fetches_a_body_and_sends_a_plain_request) {
  std::string seen;
  Server server(io, [&](const std::string& request) { return seen = request, ok("hello", "Content-Type: text/x\r\n"); });
  const auto response = get({.url = server.url("/a?b=%20")});
  ASSERT_TRUE(response) << message(response.error());
  EXPECT_EQ(response->status, 200U);
  EXPECT_EQ(response->body, "hello");
  EXPECT_EQ(response->content_type, "text/x");
  EXPECT_EQ(response->local.to_string(), "127.0.0.1");
  EXPECT_TRUE(seen.starts_with("GET /a?b=%20 HTTP/1.1\r\nHost: 127.0.0.1:")) << seen;
}

TEST_F(HttpGet, asks_for_a_range_and_tells_the_whole_size) {
  Server server(io, [&](const std::string& request) {
    EXPECT_NE(request.find("Range: bytes=2-4\r\n"), std::string::npos) << request;
    return "HTTP/1.1 206 Partial Content\r\nContent-Length: 3\r\nContent-Range: bytes 2-4/10\r\n\r\ncde";
  });
  const auto response = get({.url = server.url(), .range = {{2, 4}}});
  ASSERT_TRUE(response);
  EXPECT_EQ(response->status, 206U);
  EXPECT_EQ(response->total_size, 10U);
}

TEST_F(HttpGet, reads_old_servers_that_end_the_body_by_closing) {
  Server server(io, [](const std::string&) { return "HTTP/1.0 200 OK\r\n\r\nold"; });
  const auto response = get({.url = server.url()});
  ASSERT_TRUE(response) << message(response.error());
  EXPECT_EQ(response->body, "old");
}

TEST_F(HttpGet, follows_three_redirects_and_not_a_fourth) {
  int hops = 3;
  Server server(io, [&](const std::string&) { return hops-- > 0 ? redirect("/next?x") : ok("there"); });
  EXPECT_EQ(get({.url = server.url("/a/b")})->body, "there");
  hops = 4;
  EXPECT_EQ(error_of({.url = server.url()}), HttpErrorKind::too_many_redirects);
}

TEST_F(HttpGet, a_redirect_to_another_scheme_or_to_nonsense_is_an_error) {
  std::string to;
  Server server(io, [&](const std::string&) { return redirect(to); });
  for (const char* location : {"ftp://127.0.0.1/x", "udp://127.0.0.1:5", "http://", "http://[", "file:///etc/passwd", ""}) {
    to = location;
    EXPECT_NE(error_of({.url = server.url()}), HttpErrorKind::unreachable) << location;
  }
}

TEST_F(HttpGet, a_private_address_is_asked_only_for_the_paths_allowed_there) {
  Server server(io, [&](const std::string& request) { return request.starts_with("GET /announce") ? redirect("/admin") : ok("secret"); });
  EXPECT_EQ(error_of({.url = server.url("/admin"), .private_path_prefix = "/announce"}), HttpErrorKind::forbidden);
  EXPECT_EQ(error_of({.url = server.url("/announce"), .private_path_prefix = "/announce"}), HttpErrorKind::forbidden)
      << "by way of a redirect";
  EXPECT_EQ(server.requests, 1);
}

TEST_F(HttpGet, stops_at_its_limits_of_bytes) {
  Server big(io, [](const std::string&) { return ok(std::string(2000, 'x')); });
  EXPECT_EQ(error_of({.url = big.url(), .max_body_bytes = 1999}), HttpErrorKind::too_large);
  EXPECT_TRUE(get({.url = big.url(), .max_body_bytes = 2000}));
  Server endless(io, [](const std::string&) { return "HTTP/1.1 200 OK\r\n\r\n" + std::string(100'000, 'x'); });
  EXPECT_EQ(error_of({.url = endless.url(), .max_body_bytes = 50'000}), HttpErrorKind::too_large);
  Server headers(io, [](const std::string&) { return ok("", "X: " + std::string(kMaxHttpHeaderBytes, 'x') + "\r\n"); });
  EXPECT_EQ(error_of({.url = headers.url()}), HttpErrorKind::too_large);
}

TEST_F(HttpGet, stops_at_its_limit_of_time) {
  Server silent(io, [](const std::string&) { return std::string{}; });
  EXPECT_EQ(error_of({.url = silent.url(), .timeout = 200ms}), HttpErrorKind::timeout);
}

TEST_F(HttpGet, tells_what_went_wrong) {
  Server noise(io, [](const std::string&) { return "\x16\x03\x01 nonsense\r\n\r\n"; });
  EXPECT_EQ(error_of({.url = noise.url()}), HttpErrorKind::broken);
  EXPECT_EQ(error_of({.url = "udp://127.0.0.1:1"}), HttpErrorKind::bad_url);
  EXPECT_EQ(error_of({.url = "http://" + std::string(64, 'a') + "/"}), HttpErrorKind::unresolved);
  tcp::acceptor closed(io, {asio::ip::address_v4::loopback(), 0});
  const std::string url = "http://127.0.0.1:" + std::to_string(closed.local_endpoint().port());
  closed.close();
  EXPECT_EQ(error_of({.url = url}), HttpErrorKind::unreachable);
}

TEST_F(HttpGet, a_dropped_transfer_calls_nobody) {
  Server silent(io, [](const std::string&) { return std::string{}; });
  bool called = false;
  auto transfer = client.get({.url = silent.url()}, [&](auto) { called = true; });
  ASSERT_TRUE(run_until(io, [&] { return silent.requests == 1; }));
  transfer.reset();
  io.restart();
  io.run_for(50ms);
  EXPECT_FALSE(called);
}

// A key and a certificate for 127.0.0.1 that vouches for itself, in files that go with it.
class SelfSigned {
 public:
  SelfSigned() {
    char name[] = "/tmp/runnel-tls-XXXXXX";
    folder_ = mkdtemp(name);
    EVP_PKEY* key = EVP_EC_gen("P-256");
    X509* certificate = X509_new();
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -60);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
    X509_set_pubkey(certificate, key);
    X509_set_version(certificate, 2);
    X509_EXTENSION* names = X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, "IP:127.0.0.1");
    X509_add_ext(certificate, names, -1);
    X509_EXTENSION_free(names);
    X509_sign(certificate, key, EVP_sha256());
    std::FILE* file = std::fopen(certificate_file().c_str(), "w");
    PEM_write_X509(file, certificate);
    std::fclose(file);
    file = std::fopen(key_file().c_str(), "w");
    PEM_write_PrivateKey(file, key, nullptr, nullptr, 0, nullptr, nullptr);
    std::fclose(file);
    X509_free(certificate);
    EVP_PKEY_free(key);
  }
  ~SelfSigned() { std::filesystem::remove_all(folder_); }
  [[nodiscard]] std::string certificate_file() const { return folder_ + "/certificate.pem"; }
  [[nodiscard]] std::string key_file() const { return folder_ + "/key.pem"; }

 private:
  std::string folder_;
};

TEST(HttpsGet, believes_only_certificates_that_an_authority_vouches_for) {
  asio::io_context io;
  SelfSigned identity;
  asio::ssl::context tls(asio::ssl::context::tls_server);
  tls.use_certificate_chain_file(identity.certificate_file());
  tls.use_private_key_file(identity.key_file(), asio::ssl::context::pem);
  tcp::acceptor acceptor(io, {asio::ip::address_v4::loopback(), 0});
  const std::string port = std::to_string(acceptor.local_endpoint().port());
  std::function<void()> accept = [&] {
    acceptor.async_accept([&](boost::system::error_code error, tcp::socket socket) {
      if (error) return;
      auto stream = std::make_shared<asio::ssl::stream<tcp::socket>>(std::move(socket), tls);
      stream->async_handshake(asio::ssl::stream_base::server, [stream](boost::system::error_code failed) {
        if (failed) return;
        static const std::string kReply = ok("sealed");
        asio::async_write(*stream, asio::buffer(kReply), [stream](boost::system::error_code, std::size_t) {
          stream->async_shutdown([stream](boost::system::error_code) {});
        });
      });
      accept();
    });
  };
  accept();
  const auto fetch = [&](HttpClient& client, const std::string& url) {
    std::optional<std::expected<HttpResponse, HttpError>> result;
    const auto transfer = client.get({.url = url}, [&](auto r) { result = std::move(r); });
    run_until(io, [&] { return result.has_value(); });
    return *result;
  };
  HttpClient trusting(io, {.ca_file = identity.certificate_file()}), strict(io, {});
  const auto good = fetch(trusting, "https://127.0.0.1:" + port + "/");
  ASSERT_TRUE(good) << message(good.error());
  EXPECT_EQ(good->body, "sealed");
  EXPECT_EQ(fetch(strict, "https://127.0.0.1:" + port + "/").error().kind, HttpErrorKind::tls);
  EXPECT_EQ(fetch(trusting, "https://localhost:" + port + "/").error().kind, HttpErrorKind::tls) << "a certificate for another name";
  acceptor.close();
}

}  // namespace
}  // namespace runnel::net
