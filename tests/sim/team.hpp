// Threads that share out the parts of one job after the other.
#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <thread>
#include <vector>

namespace runnel::sim {

class Team {
 public:
  // The calling thread is one of them. At least 1.
  explicit Team(unsigned threads);
  ~Team();
  Team(const Team&) = delete;
  Team& operator=(const Team&) = delete;

  // part(i) for every i below `count`, in any thread and any order. Returns when all are done. From one thread.
  void each(std::size_t count, const std::function<void(std::size_t)>& part);

 private:
  void help();
  void work();

  const std::function<void(std::size_t)>* part_ = nullptr;
  std::size_t count_ = 0;
  std::atomic<std::size_t> next_ = 0;       // part
  std::atomic<std::uint32_t> job_ = 0;      // its number; helpers wait for the next one
  std::atomic<std::uint32_t> helping_ = 0;  // helpers that are not through with this job
  bool over_ = false;
  std::vector<std::jthread> helpers_;
};

}  // namespace runnel::sim
