#include "sim/team.hpp"

#include <algorithm>

namespace runnel::sim {
namespace {

constexpr std::size_t kAtOnce = 8;        // parts that a thread takes
constexpr std::size_t kWorthSharing = 24; // with fewer, helpers would wake for nothing

}  // namespace

Team::Team(unsigned threads) {
  for (unsigned i = 1; i < threads; ++i) helpers_.emplace_back([this] { help(); });
}

Team::~Team() {
  over_ = true;
  ++job_;
  job_.notify_all();
}

void Team::each(std::size_t count, const std::function<void(std::size_t)>& part) {
  if (helpers_.empty() || count < kWorthSharing) {
    for (std::size_t i = 0; i < count; ++i) part(i);
    return;
  }
  part_ = &part;
  count_ = count;
  next_ = 0;
  helping_ = static_cast<std::uint32_t>(helpers_.size());
  ++job_;
  job_.notify_all();
  work();
  for (std::uint32_t left = helping_; left != 0; left = helping_) helping_.wait(left);
}

void Team::help() {
  for (std::uint32_t done = 0;; ++done) {
    job_.wait(done);
    if (over_) return;
    work();
    if (--helping_ == 0) helping_.notify_one();
  }
}

void Team::work() {
  for (std::size_t first = next_.fetch_add(kAtOnce); first < count_; first = next_.fetch_add(kAtOnce)) {
    for (std::size_t i = first; i < std::min(first + kAtOnce, count_); ++i) (*part_)(i);
  }
}

}  // namespace runnel::sim
