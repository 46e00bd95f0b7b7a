#include "net/http_get.hpp"

#include <openssl/ssl.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/host_name_verification.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <boost/beast/ssl/ssl_stream.hpp>
#include <boost/url/parse.hpp>
#include <boost/url/url.hpp>
#include <charconv>

#include "core/discovery/tracker_url.hpp"
#include "net/asio_endpoint.hpp"

namespace runnel::net {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
namespace ssl = boost::asio::ssl;
using asio::ip::tcp;
using boost::system::error_code;
using discovery::TrackerScheme;
using discovery::TrackerUrl;

using PlainStream = beast::tcp_stream;
using TlsStream = beast::ssl_stream<beast::tcp_stream>;

bool is_local(const base::IpAddress& address) { return address.is_loopback() || address.is_private(); }
bool is_redirect(unsigned status) { return status == 301 || status == 302 || status == 303 || status == 307 || status == 308; }

// What OpenSSL's macro of this name does, without its C casts.
void set_server_name(TlsStream& stream, std::string& name) {
  SSL_ctrl(stream.native_handle(), SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name, name.data());
}

std::optional<std::uint64_t> total_size(std::string_view content_range) {
  const std::size_t slash = content_range.rfind('/');
  if (slash == std::string_view::npos) return std::nullopt;
  const std::string_view text = content_range.substr(slash + 1);
  std::uint64_t size = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), size);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return size;
}

std::optional<TrackerUrl> resolve_location(const TrackerUrl& from, std::string_view location) {
  const std::string from_text = from.to_string();  // the parsed forms are views
  const auto base_url = boost::urls::parse_uri(from_text);
  const auto reference = boost::urls::parse_uri_reference(location);
  if (!base_url || !reference) return std::nullopt;
  boost::urls::url result;
  if (!boost::urls::resolve(*base_url, *reference, result)) return std::nullopt;
  result.remove_fragment();
  const auto parsed = TrackerUrl::parse(std::string_view{result.data(), result.size()});
  if (!parsed || parsed->scheme == TrackerScheme::udp) return std::nullopt;
  return *parsed;
}

}  // namespace

struct HttpClient::Shared {
  Shared(asio::io_context& context, Config configuration)
      : io(context), config(std::move(configuration)), resolver(std::in_place, context) {}

  // Made when first needed: reading the system's authorities takes tens of milliseconds.
  ssl::context& tls_context() {
    if (tls) return *tls;
    tls.emplace(ssl::context::tls_client);
    tls->set_verify_mode(ssl::verify_peer);
    error_code error;  // without authorities no certificate is believed, and the handshake says so
    if (config.ca_file.empty()) {
      tls->set_default_verify_paths(error);
    } else {
      tls->load_verify_file(config.ca_file, error);
    }
    SSL_CTX_set_min_proto_version(tls->native_handle(), TLS1_2_VERSION);
    return *tls;
  }

  asio::io_context& io;
  Config config;
  std::optional<ssl::context> tls;
  // Gone with the client: its pending lookups hold transfers, which hold this.
  std::optional<Resolver> resolver;

  // One GET with its redirects. Its handlers share it; the transfer handle holds it too and ends it by cancel().
  class Get;
};

class HttpClient::Shared::Get : public std::enable_shared_from_this<Get> {
 public:
  Get(std::shared_ptr<Shared> shared, HttpRequest request, Callback callback)
      : shared_(std::move(shared)), request_(std::move(request)), callback_(std::move(callback)), deadline_(shared_->io) {}

  void start() {
    auto url = TrackerUrl::parse(request_.url);
    if (!url || url->scheme == TrackerScheme::udp) {
      return asio::post(shared_->io, [self = shared_from_this()] { self->fail(HttpErrorKind::bad_url, self->request_.url); });
    }
    url_ = std::move(*url);
    deadline_.expires_after(request_.timeout);
    deadline_.async_wait([self = shared_from_this()](error_code error) {
      if (!error) self->fail(HttpErrorKind::timeout, self->url_.authority());
    });
    if (request_.addresses.empty()) return look_up();
    asio::post(shared_->io, [self = shared_from_this()] { self->connect_first(std::move(self->request_.addresses)); });
  }

  void cancel() {
    callback_ = nullptr;
    close();
  }

 private:
  void fail(HttpErrorKind kind, std::string detail) { finish(std::unexpected(HttpError{kind, std::move(detail)})); }

  void finish(std::expected<HttpResponse, HttpError> result) {
    const Callback callback = std::exchange(callback_, nullptr);
    close();
    if (callback) callback(std::move(result));
  }

  void close() {
    deadline_.cancel();
    if (plain_) plain_->close();
    if (tls_) beast::get_lowest_layer(*tls_).close();
  }

  void look_up() {
    if (!shared_->resolver) return fail(HttpErrorKind::unresolved, "shutting down");
    shared_->resolver->resolve(url_.host, url_.port, [self = shared_from_this()](const Resolver::Result& result) {
      if (!self->callback_) return;
      if (!result) return self->fail(HttpErrorKind::unresolved, result.error());
      self->connect_first(*result);
    });
  }

  void connect_first(std::vector<base::Endpoint> addresses) {
    if (!callback_) return;
    addresses_ = std::move(addresses);
    next_address_ = 0;
    connect_next("no address");
  }

  void connect_next(const std::string& reason) {
    if (next_address_ == addresses_.size()) return fail(HttpErrorKind::unreachable, url_.authority() + ": " + reason);
    remote_ = addresses_[next_address_++];
    if (redirects_ > 0 && !began_local_ && is_local(remote_.address)) {
      return fail(HttpErrorKind::forbidden, "a redirect to a private address (" + remote_.to_string() + ')');
    }
    if (redirects_ == 0) began_local_ = is_local(remote_.address);
    if (is_local(remote_.address) && !url_.target.starts_with(request_.private_path_prefix)) {
      return fail(HttpErrorKind::forbidden, "on a private address the path must begin with " + request_.private_path_prefix);
    }
    plain_.reset();
    tls_.reset();
    if (url_.scheme == TrackerScheme::https) {
      tls_.emplace(shared_->io, shared_->tls_context());
    } else {
      plain_.emplace(shared_->io);
    }
    PlainStream& stream = tls_ ? beast::get_lowest_layer(*tls_) : *plain_;
    stream.expires_after(kHttpConnectTimeout);
    stream.async_connect(to_asio<tcp::endpoint>(remote_), [self = shared_from_this()](error_code error) {
      if (!self->callback_) return;
      if (error) return self->connect_next(error == beast::error::timeout ? "no answer" : error.message());
      self->connected();
    });
  }

  void connected() {
    PlainStream& stream = tls_ ? beast::get_lowest_layer(*tls_) : *plain_;
    stream.expires_never();  // the deadline of the whole holds from here
    error_code error;
    const auto local = stream.socket().local_endpoint(error);
    if (!error) local_ = from_asio(local.address());
    if (!tls_) return send(*plain_);
    if (!base::IpAddress::parse(url_.host)) set_server_name(*tls_, url_.host);
    tls_->set_verify_callback(ssl::host_name_verification(url_.host));
    tls_->async_handshake(ssl::stream_base::client, [self = shared_from_this()](error_code failed) {
      if (!self->callback_) return;
      if (failed) return self->fail(HttpErrorKind::tls, self->url_.authority() + ": " + failed.message());
      self->send(*self->tls_);
    });
  }

  template <class Stream>
  void send(Stream& stream) {
    message_ = {http::verb::get, url_.target, 11};
    const bool default_port = url_.port == (url_.scheme == TrackerScheme::https ? 443 : 80);
    const std::string authority = url_.authority();
    message_.set(http::field::host, default_port ? authority.substr(0, authority.rfind(':')) : authority);
    message_.set(http::field::user_agent, shared_->config.user_agent);
    message_.set(http::field::accept, "*/*");
    message_.set(http::field::connection, "close");
    if (request_.range) {
      message_.set(http::field::range, "bytes=" + std::to_string(request_.range->first) + '-' + std::to_string(request_.range->second));
    }
    http::async_write(stream, message_, [self = shared_from_this(), &stream](error_code error, std::size_t) {
      if (!self->callback_) return;
      if (error) return self->fail(HttpErrorKind::broken, self->url_.authority() + ": " + error.message());
      self->receive(stream);
    });
  }

  template <class Stream>
  void receive(Stream& stream) {
    buffer_.clear();
    parser_.emplace();
    parser_->header_limit(kMaxHttpHeaderBytes);
    parser_->body_limit(request_.max_body_bytes);
    http::async_read(stream, buffer_, *parser_, [self = shared_from_this()](error_code error, std::size_t) {
      if (!self->callback_) return;
      if (error == http::error::body_limit || error == http::error::header_limit || error == http::error::buffer_overflow) {
        return self->fail(HttpErrorKind::too_large, self->url_.authority());
      }
      if (error) return self->fail(HttpErrorKind::broken, self->url_.authority() + ": " + error.message());
      self->received(self->parser_->release());
    });
  }

  void received(http::response<http::string_body> response) {
    if (is_redirect(response.result_int()) && response.count(http::field::location) != 0) {
      return redirect(std::string{response[http::field::location]});
    }
    HttpResponse result;
    result.status = response.result_int();
    result.content_type = std::string{response[http::field::content_type]};
    result.total_size = total_size(std::string{response[http::field::content_range]});
    result.body = std::move(response.body());
    result.local = local_;
    result.remote = remote_.address;
    finish(std::move(result));
  }

  void redirect(const std::string& location) {
    if (++redirects_ > kMaxHttpRedirects) return fail(HttpErrorKind::too_many_redirects, url_.authority());
    auto next = resolve_location(url_, location);
    if (!next) return fail(HttpErrorKind::bad_url, "a redirect to what is no URL");
    if (url_.scheme == TrackerScheme::https && next->scheme == TrackerScheme::http) {
      return fail(HttpErrorKind::forbidden, "a redirect from https to http");
    }
    url_ = std::move(*next);
    look_up();
  }

  std::shared_ptr<Shared> shared_;
  HttpRequest request_;
  Callback callback_;  // empty once it ran or the transfer was dropped
  asio::steady_timer deadline_;
  TrackerUrl url_;
  std::vector<base::Endpoint> addresses_;
  std::size_t next_address_ = 0;
  base::Endpoint remote_;
  base::IpAddress local_;
  bool began_local_ = false;
  unsigned redirects_ = 0;
  std::optional<PlainStream> plain_;
  std::optional<TlsStream> tls_;
  http::request<http::empty_body> message_;
  beast::flat_buffer buffer_{kMaxHttpHeaderBytes + 64 * 1024};
  std::optional<http::response_parser<http::string_body>> parser_;
};

std::string message(const HttpError& error) {
  switch (error.kind) {
    case HttpErrorKind::bad_url: return "not an http or https URL: " + error.detail;
    case HttpErrorKind::unresolved: return error.detail;
    case HttpErrorKind::unreachable: return "cannot reach " + error.detail;
    case HttpErrorKind::timeout: return "no answer in time from " + error.detail;
    case HttpErrorKind::tls: return "no secure connection to " + error.detail;
    case HttpErrorKind::too_large: return "the answer is larger than allowed: " + error.detail;
    case HttpErrorKind::too_many_redirects: return "too many redirects: " + error.detail;
    case HttpErrorKind::forbidden: return "refused: " + error.detail;
    case HttpErrorKind::broken: return "the connection broke: " + error.detail;
  }
  return error.detail;
}

namespace {

template <class Get>
class Handle : public HttpTransfer {
 public:
  explicit Handle(std::shared_ptr<Get> get) : get_(std::move(get)) {}
  ~Handle() override { get_->cancel(); }
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;

 private:
  std::shared_ptr<Get> get_;
};

}  // namespace

HttpClient::HttpClient(asio::io_context& io, Config config) : shared_(std::make_shared<Shared>(io, std::move(config))) {}
HttpClient::~HttpClient() { shared_->resolver.reset(); }

std::unique_ptr<HttpTransfer> HttpClient::get(HttpRequest request, Callback callback) {
  auto get = std::make_shared<Shared::Get>(shared_, std::move(request), std::move(callback));
  get->start();
  return std::make_unique<Handle<Shared::Get>>(std::move(get));
}

}  // namespace runnel::net
