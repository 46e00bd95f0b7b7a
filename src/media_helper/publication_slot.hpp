// Where a server's thread leaves the newest publication and the demux thread waits for it.
#pragma once
#include <condition_variable>
#include <memory>
#include <mutex>

#include "media_helper/publish_server.hpp"

namespace runnel::media_helper {

// Thread-safe. Holds one: a publication that nobody took before the next one came had ended already.
class PublicationSlot {
 public:
  void put(std::unique_ptr<Publication> publication);
  // Blocks; nullptr once stopped.
  [[nodiscard]] std::unique_ptr<Publication> take();
  void stop();

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::unique_ptr<Publication> waiting_;
  bool stopped_ = false;
};

}  // namespace runnel::media_helper
