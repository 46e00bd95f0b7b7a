// How often a helper that dies is started again, and after what pause.
#pragma once
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <functional>
#include <memory>

namespace runnel::media {

// Service thread. A minute without a restart forgets the earlier ones.
class Restarts {
 public:
  explicit Restarts(boost::asio::io_context& io) : pause_(io), calm_(io) {}
  // Calls `again` after a pause that doubles each time; false if there were too many: then `again` is never called.
  [[nodiscard]] bool schedule(std::function<void()> again) {
    if (*count_ >= kMaxPerMinute) return false;
    pause_.expires_after(kFirstPause * (1 << *count_));
    pause_.async_wait([again = std::move(again)](boost::system::error_code cancelled) {
      if (!cancelled) again();
    });
    ++*count_;
    calm_.expires_after(kCalm);
    calm_.async_wait([count = count_](boost::system::error_code cancelled) {
      if (!cancelled) *count = 0;
    });
    return true;
  }
  static constexpr int kMaxPerMinute = 5;
  static constexpr std::chrono::milliseconds kFirstPause{200};
  static constexpr std::chrono::seconds kCalm{60};

 private:
  boost::asio::steady_timer pause_;
  boost::asio::steady_timer calm_;
  std::shared_ptr<int> count_ = std::make_shared<int>(0);  // shared with the timer's handler, which may run after us
};

}  // namespace runnel::media
