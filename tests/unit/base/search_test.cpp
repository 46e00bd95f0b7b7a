#include "base/search.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace runnel::base {
namespace {

TEST(Search, from_the_end_finds_what_a_search_from_the_beginning_does) {
  for (int size = 0; size < 70; ++size) {
    std::vector<int> values(static_cast<std::size_t>(size));
    for (int i = 0; i < size; ++i) values[static_cast<std::size_t>(i)] = 2 * i;
    for (int wanted = -1; wanted <= 2 * size + 1; ++wanted) {
      const auto found = first_reached_from_end(values.begin(), values.end(), [&](int value) { return value >= wanted; });
      ASSERT_EQ(found, std::ranges::lower_bound(values, wanted)) << wanted << " of " << size;
    }
  }
}

TEST(Search, what_is_newest_is_found_in_a_few_looks) {
  std::vector<int> values(1'000'000);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<int>(i);
  int looks = 0;
  const auto found = first_reached_from_end(values.begin(), values.end(), [&](int value) {
    ++looks;
    return value >= 999'990;
  });
  EXPECT_EQ(*found, 999'990);
  EXPECT_LE(looks, 8);
}

}  // namespace
}  // namespace runnel::base
