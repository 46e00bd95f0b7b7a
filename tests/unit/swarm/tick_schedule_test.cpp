#include "core/swarm/tick_schedule.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <map>

namespace runnel::swarm {
namespace {

base::Time at(unsigned ms) { return base::Time{std::chrono::milliseconds{ms}}; }

RC_GTEST_PROP(TickSchedule, knows_the_next_and_those_whose_time_has_come, ()) {
  TickSchedule schedule;
  std::map<SwarmHandle, base::Time> model;
  const auto steps = *rc::gen::container<std::vector<std::tuple<unsigned, unsigned, bool>>>(
      rc::gen::tuple(rc::gen::inRange(0U, 8U), rc::gen::inRange(0U, 20U), rc::gen::weightedElement<bool>({{4, true}, {1, false}})));
  for (const auto& [number, time, set] : steps) {
    const SwarmHandle swarm{number};
    if (set) {
      schedule.set(swarm, at(time));
      model[swarm] = at(time);
    } else {
      schedule.remove(swarm);
      model.erase(swarm);
    }
    std::optional<base::Time> next;
    for (const auto& [handle, when] : model) next = std::min(next.value_or(when), when);
    RC_ASSERT(schedule.next() == next);
  }
  const base::Time now = at(*rc::gen::inRange(0U, 20U));
  std::vector<SwarmHandle> due;
  schedule.due(now, due);
  RC_ASSERT(std::ranges::is_sorted(due, {}, [&](SwarmHandle swarm) { return model.at(swarm); }));
  RC_ASSERT(static_cast<std::size_t>(std::ranges::count_if(model, [&](const auto& item) { return item.second <= now; })) == due.size());
}

}  // namespace
}  // namespace runnel::swarm
