// The helper's end of the socket pair: messages in and out, a heartbeat, and the end of the process when the node goes.
#pragma once
#include <atomic>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>

#include "base/time.hpp"
#include "media/helper_messages.hpp"

namespace runnel::media_helper {

namespace messages = media::helper;

// Thread-safe. It has two threads of its own: one reads (and ends the process at once, by _exit(0), when the node closes the
// socket), one beats each second. The socket and the threads live until the process ends: there is one link per process.
class HelperLink {
 public:
  // Takes over the descriptor of a connected stream socket. `on_closed` is called in the reader's thread when the node goes;
  // in the program it is _exit.
  explicit HelperLink(int descriptor, void (*on_closed)());
  ~HelperLink();
  HelperLink(const HelperLink&) = delete;
  HelperLink& operator=(const HelperLink&) = delete;

  // Blocks while the node does not read (back-pressure). What is sent after the node has gone is dropped.
  void send(const messages::Message& message);
  // The next message, waiting for it; nullopt when the node has gone or sent nonsense. Heartbeats are not handed out.
  // While more than kMaxIncomingBytes wait here nothing more is read.
  std::optional<messages::Message> receive();
  // As receive(), but nullopt at once when nothing waits.
  std::optional<messages::Message> try_receive();

  // Held around calls that can hang (encoders, decoders, demuxers of local files): past `limit` the heartbeat stops, and the
  // node kills this process. Never held while waiting for the network or in send().
  class Busy {
   public:
    explicit Busy(HelperLink& link) : Busy(&link) {}
    explicit Busy(HelperLink* link);  // nullptr: nobody watches (unit tests)
    ~Busy();
    Busy(const Busy&) = delete;
    Busy& operator=(const Busy&) = delete;

   private:
    HelperLink* link_;
    std::uint64_t id_ = 0;
  };

  static constexpr std::size_t kMaxIncomingBytes = 16U << 20;
  static constexpr std::chrono::seconds kBeat{1};
  static constexpr std::chrono::seconds kBusyLimit{8};

 private:
  struct BusyEntry {
    std::uint64_t id;
    std::chrono::steady_clock::time_point since;
  };
  void read_loop();
  void beat_loop();
  bool read_exactly(base::MutableByteView into) const;
  std::optional<messages::Message> take(std::unique_lock<std::mutex>& lock);

  int descriptor_;
  void (*on_closed_)();
  std::mutex write_mutex_;
  bool broken_ = false;  // by write_mutex_

  std::mutex mutex_;
  std::condition_variable changed_;
  struct Incoming {
    messages::Message message;
    std::size_t bytes;
  };
  std::deque<Incoming> incoming_;   // by mutex_
  std::size_t incoming_bytes_ = 0;  // by mutex_
  bool closed_ = false;             // by mutex_
  bool stopping_ = false;           // by mutex_
  std::deque<BusyEntry> busy_;      // by mutex_; a handful: one per thread that works
  std::uint64_t next_busy_ = 1;     // by mutex_

  std::thread reader_;
  std::thread beater_;
};

}  // namespace runnel::media_helper
