// How often the socket is read: a wake for each datagram costs more than all that is done with it.
#pragma once
#include <algorithm>

#include "base/time.hpp"

namespace runnel::net {

// Handshakes and other short talks are read at once; who reads on and on lets datagrams gather for a moment. Pure. One owner.
class ReadPace {
 public:
  static constexpr base::Duration kGather{8'000};      // little beside what a chunk takes to reach everybody
  static constexpr int kAtOnce = 100;                  // reads, of those who were quiet before
  static constexpr base::Duration kSeldom{20'000};     // who reads no more often than that waits for nothing

  // After a read that left nothing. How long to wait before the next; whoever has a reason may read sooner.
  [[nodiscard]] base::Duration after_read(base::Time now) {
    rested_ = std::clamp(rested_ + kSeldom, now + kSeldom, now + (kAtOnce + 1) * kSeldom);
    return rested_ - now > kAtOnce * kSeldom ? kGather : base::Duration{};
  }

 private:
  base::Time rested_{};   // moves on by kSeldom with each read: how far it is ahead tells how much was read lately
};

}  // namespace runnel::net
