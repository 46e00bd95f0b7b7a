// Requests and replies between a connection and the routes. No Beast here.
#pragma once
#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/bytes.hpp"

namespace runnel::player {

using Piece = std::shared_ptr<const base::Bytes>;

// A reply's body, pulled piece by piece as the client takes it: this is the back-pressure. Destroying the source cancels
// whatever it waits for; no callback comes afterwards.
class BodySource {
 public:
  // A piece; nullptr at the end; an error breaks the connection off, since the head has promised more.
  using Callback = std::function<void(std::expected<Piece, std::string>)>;

  virtual ~BodySource() = default;
  // One at a time. The callback may come from inside the call.
  virtual void next(Callback callback) = 0;
  // Called at most once, later, when the source gives its client up (too slow) while a piece is still being written.
  void when_broken(std::function<void()> broken) { broken_ = std::move(broken); }

 protected:
  std::function<void()> broken_;
};

struct StreamBody {
  std::unique_ptr<BodySource> source;
  std::optional<std::uint64_t> length;   // bytes; unknown: chunked, or until the connection closes for HTTP/1.0
};

using StaticBody = std::span<const unsigned char>;   // lives as long as the program

struct Response {
  unsigned status = 200;
  std::string content_type;
  std::string cache_control = "no-store";
  std::string etag;   // with its quotes; empty: none
  std::vector<std::pair<std::string_view, std::string>> headers;
  std::variant<std::string, std::vector<Piece>, StaticBody, StreamBody> body;
};
using Respond = std::function<void(Response)>;

struct Request {
  bool head = false;         // answered like GET; the connection leaves the body out
  bool from_here = false;    // the client is on this machine
  std::string path;    // as sent, up to '?'
  std::string query;   // after it
  std::string range;
  std::string if_range;
  std::string if_none_match;
  std::string user_agent;
};

// What a reply still waits for. Destroying it cancels; the reply is then not given.
using Work = std::shared_ptr<void>;

// The value of `key` in "a=1&b=2"; not percent-decoded. nullopt if there is none.
std::optional<std::string_view> query_value(std::string_view query, std::string_view key);

Response text_response(unsigned status, std::string text);   // a line for a person, newline added
Response not_found(std::string text);
std::string_view reason_phrase(unsigned status);

}  // namespace runnel::player
