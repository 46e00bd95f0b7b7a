// Where the delay of a live stream arises before it is here, on the mean of the last second or so.
#pragma once
#include <optional>

#include "base/time.hpp"
#include "player/stream.hpp"

namespace runnel::node {

class LiveLag {
 public:
  // A media record is whole. `captured`: when its first picture came to the caster; `signed_at`: by the caster's clock as well; `now`: by
  // ours. Where the clocks say that it came before it was made, that is no delay.
  void record(base::WallTime captured, base::WallTime signed_at, base::WallTime now);
  // None before the first record.
  [[nodiscard]] const std::optional<player::LagParts>& parts() const { return parts_; }

 private:
  std::optional<player::LagParts> parts_;
};

}  // namespace runnel::node
