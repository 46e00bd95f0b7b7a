#include "net/clock.hpp"

namespace runnel::net {

base::Time steady_now() {
  return base::Time{std::chrono::duration_cast<base::Duration>(std::chrono::steady_clock::now().time_since_epoch())};
}

base::WallTime wall_now() {
  return base::WallTime{std::chrono::duration_cast<base::Duration>(std::chrono::system_clock::now().time_since_epoch())};
}

}  // namespace runnel::net
