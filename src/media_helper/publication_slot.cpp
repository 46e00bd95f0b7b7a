#include "media_helper/publication_slot.hpp"

#include <utility>

namespace runnel::media_helper {

void PublicationSlot::put(std::unique_ptr<Publication> publication) {
  {
    const std::scoped_lock lock(mutex_);
    // The one that goes is destroyed below, outside the lock: its end calls back into the server.
    if (!stopped_) std::swap(waiting_, publication);
  }
  changed_.notify_one();
}

std::unique_ptr<Publication> PublicationSlot::take() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return waiting_ || stopped_; });
  return stopped_ ? nullptr : std::move(waiting_);
}

void PublicationSlot::stop() {
  std::unique_ptr<Publication> dropped;
  {
    const std::scoped_lock lock(mutex_);
    stopped_ = true;
    dropped = std::move(waiting_);
  }
  changed_.notify_all();
}

}  // namespace runnel::media_helper
