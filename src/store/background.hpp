// One slow job at a time, on a thread of its own: fsync must not stop the engine.
#pragma once
#include <atomic>
#include <expected>
#include <functional>
#include <optional>
#include <thread>
#include <utility>

#include "base/check.hpp"
#include "store/error.hpp"

namespace runnel::store {

// Owned by one thread; only the job runs on the other. The destructor waits for it.
class Background {
 public:
  using Result = std::expected<void, Error>;

  // Only while idle().
  void start(std::function<Result()> job) {
    base::check(idle(), "a background job is still running");
    done_ = false;
    thread_ = std::jthread([this, run = std::move(job)] {
      result_ = run();
      done_.store(true, std::memory_order_release);
    });
  }
  [[nodiscard]] bool idle() const { return !thread_.joinable(); }
  // The result, once, when the job is done.
  [[nodiscard]] std::optional<Result> poll() { return !idle() && done_.load(std::memory_order_acquire) ? wait() : std::nullopt; }
  // Waits for the job; nullopt when there is none.
  [[nodiscard]] std::optional<Result> wait() {
    if (idle()) return std::nullopt;
    thread_.join();
    return std::exchange(result_, Result{});
  }

 private:
  std::atomic<bool> done_ = false;
  Result result_;
  std::jthread thread_;   // last: joined before what it writes to goes
};

}  // namespace runnel::store
