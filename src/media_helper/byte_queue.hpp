// The bounded way from an ingest server to the demuxer: the server thread pushes and never blocks, the demux thread reads and waits.
#pragma once
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <string>

#include "base/bytes.hpp"

namespace runnel::media_helper {

// Above this many bytes the server stops reading from its publisher (TCP then slows the publisher down). 8 MiB is 25 s of
// 2.5 Mb/s and 1.3 s of 50 Mb/s: a demuxer that far behind is not coming back by itself.
constexpr std::size_t kQueueLimitBytes = std::size_t{8} << 20;

// Thread-safe. One pusher and one reader; both hold it through a shared_ptr.
class ByteQueue {
 public:
  enum class PushResult {
    ok,
    full,    // taken, and the limit is reached: push no more until `on_space` was called
    closed,  // not taken: either side has closed
  };

  explicit ByteQueue(std::size_t limit_bytes = kQueueLimitBytes) : limit_bytes_(limit_bytes) {}

  // ---- the server's side ----
  // `on_space`: the level fell to half the limit after a push said full; `on_abandoned`: the reader gave up. Both are called from
  // the reader's thread, never under the lock. Set before the reader knows the queue.
  void set_callbacks(std::function<void()> on_space, std::function<void()> on_abandoned);
  // Never blocks. A block is taken whole, so the level passes the limit by less than one block.
  PushResult push(base::Bytes block);
  // The publication ended; what was pushed can still be read. The first reason stays.
  void close() { close_as(std::nullopt); }
  void close_with_error(std::string message) { close_as(std::move(message)); }

  // ---- the reader's side ----
  // Blocks until there is at least one byte or the queue is closed. Gives the bytes copied, 0 at the end.
  std::size_t read(base::MutableByteView to);
  // The reader wants no more: what is queued is dropped and the publisher is disconnected.
  void abandon();

  // Set once closed with an error: a text for users.
  [[nodiscard]] std::optional<std::string> error() const;
  [[nodiscard]] std::size_t level_bytes() const;

 private:
  void close_as(std::optional<std::string> error);

  mutable std::mutex mutex_;
  std::condition_variable readable_;
  std::deque<base::Bytes> blocks_;
  std::size_t front_taken_bytes_ = 0;  // of blocks_.front(), already read
  std::size_t level_bytes_ = 0;
  const std::size_t limit_bytes_;
  bool pusher_waits_ = false;
  bool closed_ = false;
  std::optional<std::string> error_;
  std::function<void()> on_space_;
  std::function<void()> on_abandoned_;
};

}  // namespace runnel::media_helper
