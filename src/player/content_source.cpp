#include "player/content_source.hpp"

#include <algorithm>
#include <deque>

#include "base/check.hpp"

namespace runnel::player {
namespace {

class ContentSource final : public BodySource {
 public:
  ContentSource(media::ContentReader& content, ByteRange range, const HttpLimits& limits)
      : content_(content), next_offset_(range.first), left_to_read_(range.length), limits_(limits) {}
  ~ContentSource() override {
    for (const Read& read : reads_)
      if (!read.result) content_.cancel(read.token);
  }
  ContentSource(const ContentSource&) = delete;
  ContentSource& operator=(const ContentSource&) = delete;

  void next(Callback callback) override {
    base::check(!callback_, "next() of a body source before the last one was answered");
    callback_ = std::move(callback);
    read_ahead();
    deliver();
  }

 private:
  struct Read {
    std::uint64_t number = 0;
    media::ContentReader::Token token = 0;
    std::optional<std::expected<base::Bytes, std::string>> result;
  };

  void read_ahead() {
    // Grows from one piece: most first requests of players are looks at the header that they break off.
    while (left_to_read_ > 0 && reads_.size() < ahead_) {
      const std::size_t length = static_cast<std::size_t>(std::min<std::uint64_t>(left_to_read_, limits_.piece_bytes));
      Read& read = reads_.emplace_back();
      const std::uint64_t number = read.number = next_number_++;
      read.token = content_.read(next_offset_, length,
                                 [this, number](std::expected<base::Bytes, std::string> bytes) { on_read(number, std::move(bytes)); });
      next_offset_ += length;
      left_to_read_ -= length;
    }
  }
  void on_read(std::uint64_t number, std::expected<base::Bytes, std::string> bytes) {
    reads_[number - reads_.front().number].result = std::move(bytes);
    deliver();
  }
  // Calling back is the last thing done: the callback may destroy us.
  void deliver() {
    if (!callback_) return;
    const Callback callback = std::move(callback_);
    callback_ = nullptr;
    if (reads_.empty()) return callback(Piece{});
    if (!reads_.front().result) {
      callback_ = callback;
      return;
    }
    auto result = std::move(*reads_.front().result);
    reads_.pop_front();
    if (!result) return callback(std::unexpected(std::move(result.error())));
    ahead_ = std::min(ahead_ + 1, std::max<std::size_t>(limits_.read_ahead_pieces, 1));
    read_ahead();
    callback(std::make_shared<const base::Bytes>(std::move(*result)));
  }

  media::ContentReader& content_;
  std::uint64_t next_offset_;
  std::uint64_t left_to_read_;
  HttpLimits limits_;
  std::size_t ahead_ = 1;
  std::uint64_t next_number_ = 0;
  std::deque<Read> reads_;   // in order of offset
  Callback callback_;
};

}  // namespace

std::unique_ptr<BodySource> make_content_source(media::ContentReader& content, ByteRange range, const HttpLimits& limits) {
  return std::make_unique<ContentSource>(content, range, limits);
}

}  // namespace runnel::player
