// The node's HTTP routes under requests of any kind: lines for path, query, Range, If-Range, If-None-Match, User-Agent and Host, one
// request after the other. Each is answered at once or waits, and what is promised of a body's length is kept.
#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <map>

#include "base/check.hpp"
#include "fuzz/input.hpp"
#include "player/byte_range.hpp"
#include "player/host_check.hpp"
#include "player/router.hpp"

using namespace runnel;
using namespace runnel::player;

namespace {

constexpr std::size_t kFilmBytes = 100'000;

class Film final : public media::ContentReader {
 public:
  explicit Film(boost::asio::io_context& io) : io_(io) {}
  [[nodiscard]] std::uint64_t size() const override { return kFilmBytes; }
  Token read(std::uint64_t offset, std::size_t length, Callback callback) override {
    base::check(length <= kMaxRead && offset + length <= kFilmBytes, "a read within the film");
    const Token token = next_++;
    pending_.emplace(token, std::pair{length, std::move(callback)});
    boost::asio::post(io_, [this, token] {
      const auto found = pending_.find(token);
      if (found == pending_.end()) return;
      const auto [size, told] = std::move(found->second);
      pending_.erase(found);
      told(base::Bytes(size));
    });
    return token;
  }
  void cancel(Token token) override { pending_.erase(token); }

 private:
  boost::asio::io_context& io_;
  Token next_ = 1;
  std::map<Token, std::pair<std::size_t, Callback>> pending_;
};

class OneStream final : public Stream {
 public:
  OneStream(std::string id, std::unique_ptr<Film> film, std::unique_ptr<media::LiveTimeline> live)
      : id_(std::move(id)), link_("runnel:" + id_), film_(std::move(film)), live_(std::move(live)) {}
  [[nodiscard]] const std::string& id() const override { return id_; }
  [[nodiscard]] const std::string& title() const override { return title_; }
  [[nodiscard]] const std::string& link() const override { return link_; }
  [[nodiscard]] const std::string& role() const override { return role_; }
  [[nodiscard]] bool is_live() const override { return live_ != nullptr; }
  [[nodiscard]] StreamStatus status() const override { return {}; }
  media::ContentReader* content() override { return film_.get(); }
  [[nodiscard]] std::string mime() const override { return "video/mp4"; }
  [[nodiscard]] std::string file_name() const override { return "film.mp4"; }
  [[nodiscard]] std::optional<base::Bytes> scanned_index() const override { return std::nullopt; }
  media::LiveTimeline* timeline() override { return live_.get(); }

 private:
  std::string id_, title_ = "A title <&\">", link_, role_ = "watch";
  std::unique_ptr<Film> film_;
  std::unique_ptr<media::LiveTimeline> live_;
};

// "f" is a film, "l" a live stream with a second of media.
class TwoStreams final : public Streams {
 public:
  explicit TwoStreams(boost::asio::io_context& io) : film_("f", std::make_unique<Film>(io), nullptr), live_("l", nullptr, timeline()) {}
  std::vector<Stream*> list() override { return {&film_, &live_}; }
  Stream* find(std::string_view id) override { return id == "f" ? &film_ : id == "l" ? &live_ : nullptr; }
  [[nodiscard]] std::string version() const override { return "1"; }

 private:
  static std::unique_ptr<media::LiveTimeline> timeline() {
    auto live = std::make_unique<media::LiveTimeline>(media::LiveTimeline::Config{});
    const auto bytes = std::make_shared<const base::Bytes>(100);
    media::InitSegment init;
    init.epoch = 1;
    init.tracks.emplace_back();
    init.bytes = bytes;
    live->add(init);
    for (int i = 0; i < 30; ++i)
      live->add(media::MediaChunk{1, i % 15 == 0, base::Duration{i * 66'000}, base::Duration{66'000},
                                  base::WallTime{base::Duration{i * 66'000}}, bytes});
    return live;
  }
  OneStream film_;
  OneStream live_;
};

void check_response(const Response& response) {
  base::check(response.status >= 200 && response.status < 600 && !reason_phrase(response.status).empty(), "a status that is meant");
  const auto line_safe = [](std::string_view text) { return text.find_first_of("\r\n") == std::string_view::npos; };
  base::check(line_safe(response.content_type) && line_safe(response.etag) && line_safe(response.cache_control), "no header is broken");
  for (const auto& [name, value] : response.headers) base::check(line_safe(name) && line_safe(value), "no header is broken");
  if (const auto* body = std::get_if<StreamBody>(&response.body))
    base::check(!body->length || *body->length <= kFilmBytes, "a length within the film");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input{data, size};
  boost::asio::io_context io;
  TwoStreams streams{io};
  const HttpServer::Config config;
  std::vector<Work> waiting;
  Router router{io, config, streams};
  router.set_urls("http://127.0.0.1:1", "");
  for (int requests = 0; requests < 8 && !input.empty(); ++requests) {
    const std::uint8_t choice = input.octet();
    Request request;
    request.head = (choice & 1U) != 0;
    request.from_here = (choice & 2U) != 0;
    for (std::string* part :
         {&request.path, &request.query, &request.range, &request.if_range, &request.if_none_match, &request.user_agent})
      *part = input.line();
    const std::string_view host = input.line();
    static_cast<void>(host_allowed(host, base::IpAddress::v4({127, 0, 0, 1}), {"tv.example"}));
    const auto range = parse_range(request.range, kFilmBytes);
    if (const auto* part = std::get_if<ByteRange>(&range))
      base::check(part->length > 0 && part->first < kFilmBytes && part->length <= kFilmBytes - part->first, "a range within the content");
    waiting.push_back(router.handle(request, [](Response response) { check_response(response); }));
    io.poll();
    io.restart();
  }
  waiting.clear();
  io.poll();
  return 0;
}
