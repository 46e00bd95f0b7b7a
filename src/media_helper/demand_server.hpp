// Answers a node's requests for one film; the film's bytes come from the node as well.
#pragma once
#include <deque>
#include <memory>
#include <optional>
#include <string>

#include "media_helper/film.hpp"
#include "media_helper/link.hpp"

namespace runnel::media_helper {

// One thread does all: while it waits for bytes it takes what else arrives, and between packets it looks whether something did.
class DemandServer : private RandomReader {
 public:
  DemandServer(HelperLink& link, messages::StartDemand start);
  // Until the node has gone.
  void run();

  // A request for a segment so few after the one that is being cut is the same viewer's, who reads ahead: it waits. Any other
  // request for the track is a jump, and goes first.
  static constexpr std::uint32_t kReadAheadSegments = 4;
  static constexpr std::size_t kMaxQueued = 256;   // the node asks for less; beyond, the oldest is given up
  static constexpr int kMaxOvertakings = 8;        // of one request, by jumps; then it is given up

 private:
  enum class Kind { index, init, segment };
  struct Request {
    Kind kind = Kind::index;
    std::uint64_t id = 0;
    std::uint32_t track = 0;
    std::uint32_t number = 0;
    int overtaken = 0;
  };
  struct Prefetch {
    std::uint64_t id = 0;
    std::uint64_t offset = 0;
    std::size_t length = 0;
    std::optional<messages::Result<base::Bytes>> reply;
  };

  [[nodiscard]] std::uint64_t size() const override { return start_.size; }
  [[nodiscard]] std::expected<std::size_t, ReadError> read(std::uint64_t offset, base::MutableByteView into) override;
  void prefetch(std::uint64_t offset, std::size_t length) override;
  std::optional<messages::Result<base::Bytes>> wait_for(std::uint64_t id);
  void drop_prefetch();

  void take(messages::Message& message);
  void queue(Request request);
  bool was_overtaken();
  [[nodiscard]] static bool is_jump(const Request& from, const Request& to);
  Request next_request();
  void answer(const Request& request);
  std::expected<Film*, DemandError> film();
  std::string words(DemandError error) const;
  void give_up(const Request& request, const std::string& why);

  HelperLink& link_;
  messages::StartDemand start_;
  std::optional<HelperLink::Busy> busy_;   // while working, not while waiting for bytes
  std::deque<Request> queue_;
  std::optional<Request> running_;
  bool overtaken_ = false;      // what runs is to stop
  std::uint64_t next_read_ = 1;
  std::optional<Prefetch> prefetch_;
  std::uint64_t awaited_ = 0;   // the read that is waited for; 0: none
  std::optional<messages::Result<base::Bytes>> reply_;
  std::string read_error_;      // the node's words for why bytes cannot be had
  std::unique_ptr<Film> film_;
};

}  // namespace runnel::media_helper
