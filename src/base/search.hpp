// Searches in what is sorted.
#pragma once
#include <algorithm>
#include <cstddef>

namespace runnel::base {

// The first of [first, last) of which `reached` is true, as it is of all that follow; `last` if there is none. Looked for from the end, in
// steps that double: what is asked for most is the newest.
template <class It, class Reached>
It first_reached_from_end(It first, It last, Reached reached) {
  const auto before = [&](const auto& element) { return !reached(element); };
  for (std::ptrdiff_t step = 1; last - first >= step; step *= 2) {
    const It probe = last - step;
    if (before(*probe)) return std::partition_point(probe + 1, last, before);
    last = probe;
  }
  return std::partition_point(first, last, before);
}

}  // namespace runnel::base
