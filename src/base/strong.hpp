// Strong types over integers: a chunk index is not a byte count.
#pragma once
#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>

namespace runnel::base {

// `Tag` only tells types apart. Arithmetic is spelled out with value() where it is meant.
template <class Tag, class Rep>
class Strong {
 public:
  constexpr Strong() = default;
  constexpr explicit Strong(Rep value) : value_(value) {}
  [[nodiscard]] constexpr Rep value() const { return value_; }
  friend constexpr auto operator<=>(Strong, Strong) = default;

 private:
  Rep value_{};
};

}  // namespace runnel::base

template <class Tag, class Rep>
struct std::hash<runnel::base::Strong<Tag, Rep>> {
  std::size_t operator()(runnel::base::Strong<Tag, Rep> s) const noexcept { return std::hash<Rep>{}(s.value()); }
};
