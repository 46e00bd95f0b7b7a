#include "media_helper/byte_queue.hpp"

#include <algorithm>
#include <utility>

namespace runnel::media_helper {

void ByteQueue::set_callbacks(std::function<void()> on_space, std::function<void()> on_abandoned) {
  const std::scoped_lock lock(mutex_);
  on_space_ = std::move(on_space);
  on_abandoned_ = std::move(on_abandoned);
}

ByteQueue::PushResult ByteQueue::push(base::Bytes block) {
  if (block.empty()) return PushResult::ok;
  PushResult result = PushResult::ok;
  {
    const std::scoped_lock lock(mutex_);
    if (closed_) return PushResult::closed;
    level_bytes_ += block.size();
    blocks_.push_back(std::move(block));
    if (level_bytes_ >= limit_bytes_) {
      pusher_waits_ = true;
      result = PushResult::full;
    }
  }
  readable_.notify_one();
  return result;
}

void ByteQueue::close_as(std::optional<std::string> error) {
  {
    const std::scoped_lock lock(mutex_);
    if (closed_) return;
    closed_ = true;
    error_ = std::move(error);
  }
  readable_.notify_all();
}

std::size_t ByteQueue::read(base::MutableByteView to) {
  std::function<void()> call;
  std::size_t copied = 0;
  {
    std::unique_lock lock(mutex_);
    readable_.wait(lock, [&] { return level_bytes_ > 0 || closed_; });
    while (copied < to.size() && !blocks_.empty()) {
      const base::ByteView rest = base::ByteView{blocks_.front()}.subspan(front_taken_bytes_);
      const std::size_t size = std::min(rest.size(), to.size() - copied);
      std::ranges::copy(rest.first(size), to.begin() + static_cast<std::ptrdiff_t>(copied));
      copied += size;
      front_taken_bytes_ += size;
      if (size == rest.size()) {
        blocks_.pop_front();
        front_taken_bytes_ = 0;
      }
    }
    level_bytes_ -= copied;
    if (pusher_waits_ && level_bytes_ <= limit_bytes_ / 2) {
      pusher_waits_ = false;
      call = on_space_;
    }
  }
  if (call) call();
  return copied;
}

void ByteQueue::abandon() {
  std::function<void()> call;
  {
    const std::scoped_lock lock(mutex_);
    blocks_.clear();
    level_bytes_ = 0;
    front_taken_bytes_ = 0;
    pusher_waits_ = false;
    if (closed_) return;
    closed_ = true;
    call = on_abandoned_;
  }
  readable_.notify_all();
  if (call) call();
}

std::optional<std::string> ByteQueue::error() const {
  const std::scoped_lock lock(mutex_);
  return error_;
}

std::size_t ByteQueue::level_bytes() const {
  const std::scoped_lock lock(mutex_);
  return level_bytes_;
}

}  // namespace runnel::media_helper
