// Runs the engine: one thread, one UDP socket, one timer. All that the pure machine asks for happens here.
#pragma once
#include <array>
#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstdint>
#include <deque>
#include <expected>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/endpoint.hpp"
#include "base/ring.hpp"
#include "core/swarm/engine.hpp"
#include "net/datagram_socket.hpp"
#include "net/read_pace.hpp"
#include "net/sealer.hpp"

namespace runnel::net {

// Where chunks are kept and who hears of events. Called on the engine's thread only.
class EngineClient {
 public:
  virtual ~EngineClient() = default;
  // Every chunk of the range, in order: views into what the client keeps, or into `buffer`, which it may use and resize. They
  // live until the engine has answered. False: not to be had.
  virtual bool load(const swarm::LoadChunks& load, base::Bytes& buffer, std::vector<base::ByteView>& chunks, base::Time now) = 0;
  virtual void store(const swarm::StoreChunks& store, base::Time now) = 0;
  virtual void on_event(const swarm::Event& event, base::Time now) = 0;
  // After each round of work: commits that are due. Returns when it wants to be called again at the latest.
  virtual std::optional<base::Time> on_idle(base::Time now) = 0;
};

// Owned by node. start() and stop() on the owner's thread; post() from any; input(), engine() and sealer() on the engine's thread only. The
// engine's thread is its own after start(); without it, whichever calls turn().
class EngineLoop {
 public:
  struct Seeds {
    std::uint64_t policy = 0;
    crypto::SecretRng::Seed secret{};
    crypto::SecretRng::Seed sealing{};
  };
  EngineLoop(std::unique_ptr<DatagramSocket> socket, const Seeds& seeds, EngineClient& client);
  ~EngineLoop();
  EngineLoop(const EngineLoop&) = delete;
  EngineLoop& operator=(const EngineLoop&) = delete;

  void start();
  // Ends the thread after what was posted before. Datagrams that wait are sent if the socket takes them.
  void stop();
  void post(std::function<void()> task);
  // In place of start(), where one thread drives many engines: does all that can be done now and does not wait. Call it again and again.
  void turn();

  void input(const swarm::Input& in);
  [[nodiscard]] const swarm::Engine& engine() const { return engine_; }
  // Knows the key of a swarm before the engine seals for it.
  [[nodiscard]] Sealer& sealer() { return sealer_; }
  [[nodiscard]] const SocketStats& socket_stats() const { return socket_->stats(); }
  [[nodiscard]] base::Endpoint local() const { return local_; }

 private:
  static constexpr std::size_t kBuffers = 8;  // trains read at a time: half a megabyte, which stays in the cache
  static constexpr std::size_t kLoadsAtOnce = 32;  // answered together
  static constexpr std::size_t kMaxBacklog = 8U << 20;  // bytes that wait for a full socket; past it datagrams are lost
  static constexpr int kReadsPerTurn = 16;  // then timers get their turn
  static constexpr std::size_t kLittle = 32;  // datagrams; who is sent more at a time is woken seldom as it is
  static constexpr int kRoundsPerWait = 16;  // of reading and gathering; then whatever else waits gets its turn

  void wait_readable();
  void wait_writable();
  void on_readable();
  enum class Read : std::uint8_t { nothing, little, much };
  Read read();
  void drain();
  void run_outputs();
  void tick_sealer();
  void answer_loads();
  void send_gathered();
  void send_backlog();
  // What the client wants done after each round of work is done by then.
  [[nodiscard]] base::Time next_deadline();
  void arm_timer(base::Time next);

  boost::asio::io_context io_;
  std::unique_ptr<DatagramSocket> socket_;
  base::Endpoint local_;
  boost::asio::posix::stream_descriptor ready_;
  boost::asio::steady_timer timer_;
  base::Time timer_at_ = base::Time::max();
  ReadPace read_pace_;
  swarm::Engine engine_;
  Sealer sealer_;
  EngineClient& client_;
  std::atomic<unsigned> posted_ = 0;  // tasks that wait
  std::thread thread_;

  std::vector<std::unique_ptr<std::byte[]>> buffers_;
  std::vector<base::MutableByteView> buffer_views_;
  std::vector<ReceivedDatagrams> received_;
  std::vector<Datagrams> gathered_;  // to be sent; views into the engine and the sealer
  base::Ring<swarm::LoadChunks> loads_;
  struct LoadSlot {
    base::Bytes buffer;
    std::vector<base::ByteView> chunks;
  };
  std::array<LoadSlot, kLoadsAtOnce> slots_;
  std::vector<swarm::LoadedChunks> loaded_;
  struct Waiting {
    base::Endpoint peer;
    base::Bytes bytes;
    std::uint16_t segment_size;
  };
  std::deque<Waiting> backlog_;
  std::size_t backlog_bytes_ = 0;
  bool waiting_writable_ = false;
};

}  // namespace runnel::net
