// Runs an io_context until something holds: no sleeps, a deadline instead.
#pragma once
#include <boost/asio/io_context.hpp>
#include <chrono>

namespace runnel::test {

template <class Condition>
bool run_until(boost::asio::io_context& io, Condition holds, std::chrono::milliseconds limit = std::chrono::seconds{20}) {
  const auto end = std::chrono::steady_clock::now() + limit;
  while (!holds()) {
    const auto left = end - std::chrono::steady_clock::now();
    if (left <= std::chrono::steady_clock::duration::zero()) return false;
    io.restart();
    io.run_one_for(std::min<std::chrono::steady_clock::duration>(left, std::chrono::milliseconds{50}));
  }
  return true;
}

}  // namespace runnel::test
