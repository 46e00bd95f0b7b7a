// Everything that may go wrong, in amounts that the seed draws: for long runs over many seeds.
#pragma once
#include "base/rng.hpp"
#include "sim/scenario.hpp"

namespace runnel::sim {

// Adds to the scenario a network of some badness, enemies, store errors, clocks that are off, churn and one or two events in
// the second quarter of the run, so that there is time to recover.
void draw_faults(Scenario& scenario, base::Rng rng);

}  // namespace runnel::sim
