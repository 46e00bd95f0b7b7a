// Where the time that the machines are handed comes from.
#pragma once
#include "base/time.hpp"

namespace runnel::net {

base::Time steady_now();
base::WallTime wall_now();

}  // namespace runnel::net
