#include "base/ring.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <deque>

namespace runnel::base {
namespace {

RC_GTEST_PROP(Ring, is_a_queue_like_any_other, ()) {
  Ring<int> ring;
  std::deque<int> model;
  const auto steps = *rc::gen::container<std::vector<int>>(rc::gen::inRange(0, 1000));
  for (const int step : steps) {
    if (step % 3 == 0 && !model.empty()) {
      RC_ASSERT(ring.front() == model.front());
      ring.pop_front();
      model.pop_front();
    } else if (step == 1) {
      ring.clear();
      model.clear();
    } else {
      ring.push_back(step);
      model.push_back(step);
    }
    RC_ASSERT(ring.size() == model.size());
    RC_ASSERT(ring.empty() == model.empty());
    for (std::size_t i = 0; i < model.size(); ++i) RC_ASSERT(ring[i] == model[i]);
  }
}

TEST(Ring, keeps_its_memory_while_things_pass_through) {
  Ring<int> ring;
  for (int i = 0; i < 16; ++i) ring.push_back(i);
  const int* const first = &ring.front();
  for (int i = 0; i < 160; ++i) {
    ring.pop_front();
    ring.push_back(i);
  }
  EXPECT_EQ(&ring.front(), first);
}

TEST(RingDeathTest, an_empty_one_has_nothing_to_give) {
  Ring<int> ring;
  EXPECT_DEATH(ring.pop_front(), "empty ring");
}

}  // namespace
}  // namespace runnel::base
