#include "net/engine_loop.hpp"

#include <sys/prctl.h>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <chrono>

#include "net/clock.hpp"

namespace runnel::net {

EngineLoop::EngineLoop(std::unique_ptr<DatagramSocket> socket, const Seeds& seeds, EngineClient& client)
    : io_(1),
      socket_(std::move(socket)),
      local_(socket_->local()),
      ready_(io_),
      timer_(io_),
      engine_(base::Rng{seeds.policy}, crypto::SecretRng{seeds.secret}, steady_now()),
      sealer_(seeds.sealing),
      client_(client),
      received_(kBuffers) {
  for (std::size_t i = 0; i < kBuffers; ++i) {
    buffers_.push_back(std::make_unique_for_overwrite<std::byte[]>(kReceiveBufferBytes));
    buffer_views_.emplace_back(buffers_.back().get(), kReceiveBufferBytes);
  }
  ready_.assign(static_cast<int>(socket_->native_handle()));
}

EngineLoop::~EngineLoop() {
  stop();
  ready_.release();   // the socket closes its own handle
}

void EngineLoop::start() {
  wait_readable();
  thread_ = std::thread{[this] {
    ::prctl(PR_SET_NAME, "engine");   // so that top and perf tell it from the service thread
    const auto work = boost::asio::make_work_guard(io_);
    arm_timer(next_deadline());
    io_.run();
  }};
}

void EngineLoop::stop() {
  if (!thread_.joinable()) return;
  post([this] { io_.stop(); });
  thread_.join();
}

void EngineLoop::post(std::function<void()> task) {
  ++posted_;
  boost::asio::post(io_, [this, task = std::move(task)] {
    --posted_;
    task();
    drain();
  });
}

void EngineLoop::turn() {
  if (posted_ > 0 || waiting_writable_) {
    io_.restart();   // it stops whenever it runs out of work
    io_.poll();
  }
  read();
  tick_sealer();
  run_outputs();
  static_cast<void>(next_deadline());   // the client's work after each round
}

void EngineLoop::input(const swarm::Input& in) {
  engine_.handle(in, steady_now());
  run_outputs();
}

// ---- in -------------------------------------------------------------------------------------------------------------

void EngineLoop::wait_readable() {
  ready_.async_wait(boost::asio::posix::stream_descriptor::wait_read, [this](const boost::system::error_code& error) {
    if (error) return;
    on_readable();
    wait_readable();
  });
}

// While datagrams come and come, the thread itself sleeps between reads: the reactor would wake for each of them. What is due or posted
// meanwhile, as a source's record, waits for one nap at most: a wake costs more than what is done in it. So does what a full socket left.
void EngineLoop::on_readable() {
  for (int round = 0; round < kRoundsPerWait; ++round) {
    const Read read = this->read();
    tick_sealer();
    run_outputs();
    const base::Time next = next_deadline();
    const base::Duration pause = read == Read::little ? read_pace_.after_read(steady_now()) : base::Duration{};
    if (pause == base::Duration{} || posted_ > 0 || waiting_writable_) return arm_timer(next);
    std::this_thread::sleep_for(pause);
  }
  arm_timer(next_deadline());
}

EngineLoop::Read EngineLoop::read() {
  bool more = true;
  for (int turn = 0; more; ++turn) {
    const std::size_t trains = socket_->receive(buffer_views_, received_);
    if (trains == 0 && turn == 0) return Read::nothing;
    more = trains == kBuffers && turn + 1 < kReadsPerTurn;
    sealer_.receive(std::span{received_}.first(trains), steady_now());
    input(swarm::DatagramsIn{sealer_.received(), more});   // none may be left although more were awaited: then that is said
    if (trains < kBuffers) return turn == 0 && sealer_.received().size() <= kLittle ? Read::little : Read::much;
  }
  return Read::much;
}

// ---- out ------------------------------------------------------------------------------------------------------------

void EngineLoop::drain() {
  tick_sealer();
  run_outputs();
  arm_timer(next_deadline());
}

// Polls the engine dry. Its views die with the next handle(), so what is gathered is sent before loads are answered.
void EngineLoop::run_outputs() {
  while (true) {
    while (const auto output = engine_.poll(steady_now())) {
      if (const auto* send = std::get_if<swarm::SendDatagrams>(&*output)) {
        sealer_.send(*send, gathered_, steady_now());
        if (gathered_.size() >= kMaxBatch) send_gathered();
      } else if (const auto* closed = std::get_if<swarm::ChannelClosed>(&*output)) {
        sealer_.closed(closed->local);
      } else if (const auto* store = std::get_if<swarm::StoreChunks>(&*output)) {
        client_.store(*store, steady_now());
      } else if (const auto* load = std::get_if<swarm::LoadChunks>(&*output)) {
        loads_.push_back(*load);
      } else {
        client_.on_event(std::get<swarm::Event>(*output), steady_now());
      }
    }
    send_gathered();
    if (loads_.empty()) return;
    answer_loads();
  }
}

void EngineLoop::answer_loads() {
  const base::Time now = steady_now();
  loaded_.clear();
  while (!loads_.empty() && loaded_.size() < kLoadsAtOnce) {
    LoadSlot& slot = slots_[loaded_.size()];
    slot.chunks.clear();
    if (!client_.load(loads_.front(), slot.buffer, slot.chunks, now)) slot.chunks.clear();
    loaded_.push_back({loads_.front().id, slot.chunks});
    loads_.pop_front();
  }
  engine_.handle(swarm::ChunksLoaded{loaded_}, now);
}

void EngineLoop::send_gathered() {
  sealer_.take_flights(gathered_);
  if (gathered_.empty()) return;
  std::span<const Datagrams> rest{gathered_};
  if (backlog_.empty()) {
    const DatagramSocket::Sent sent = socket_->send(rest);
    rest = rest.subspan(sent.trains);
    if (!rest.empty() && sent.bytes_of_next > 0) gathered_[sent.trains].bytes = gathered_[sent.trains].bytes.subspan(sent.bytes_of_next);
  }
  for (const Datagrams& train : rest) {
    if (backlog_bytes_ + train.bytes.size() > kMaxBacklog) break;   // UDP may lose datagrams, and so may we
    backlog_bytes_ += train.bytes.size();
    backlog_.push_back({train.peer, base::to_bytes(train.bytes), train.segment_size});
  }
  gathered_.clear();
  sealer_.sent();
  if (!backlog_.empty()) wait_writable();
}

void EngineLoop::wait_writable() {
  if (waiting_writable_) return;
  waiting_writable_ = true;
  ready_.async_wait(boost::asio::posix::stream_descriptor::wait_write, [this](const boost::system::error_code& error) {
    waiting_writable_ = false;
    if (!error) send_backlog();
  });
}

void EngineLoop::send_backlog() {
  while (!backlog_.empty()) {
    Waiting& front = backlog_.front();
    const Datagrams train{front.peer, front.bytes, front.segment_size};
    const DatagramSocket::Sent sent = socket_->send({&train, 1});
    const std::size_t taken = sent.trains > 0 ? front.bytes.size() : sent.bytes_of_next;
    backlog_bytes_ -= taken;
    if (sent.trains == 0) {
      front.bytes.erase(front.bytes.begin(), front.bytes.begin() + static_cast<std::ptrdiff_t>(taken));
      wait_writable();
      return;
    }
    backlog_.pop_front();
  }
}

// ---- time -----------------------------------------------------------------------------------------------------------

void EngineLoop::tick_sealer() {
  sealer_.on_timer(steady_now());
  for (const swarm::CallFailed& failed : sealer_.take_failed()) input(failed);
}

base::Time EngineLoop::next_deadline() {
  const base::Time now = steady_now();
  const auto idle = client_.on_idle(now);   // may feed the engine: its deadline is asked for afterwards
  base::Time next = base::Time::max();
  for (const auto& deadline : {engine_.next_deadline(), idle, sealer_.next_deadline(now)}) next = std::min(next, deadline.value_or(next));
  return next;
}

void EngineLoop::arm_timer(base::Time next) {
  if (next == timer_at_) return;
  timer_at_ = next;
  if (next == base::Time::max()) {
    timer_.cancel();
    return;
  }
  timer_.expires_at(
      std::chrono::steady_clock::time_point{std::chrono::duration_cast<std::chrono::steady_clock::duration>(next.time_since_epoch())});
  timer_.async_wait([this](const boost::system::error_code& error) {
    if (error) return;
    timer_at_ = base::Time::max();
    drain();
  });
}

}  // namespace runnel::net
