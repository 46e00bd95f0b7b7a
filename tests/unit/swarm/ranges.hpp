// Chunk ranges and sets of them, written short.
#pragma once
#include <cstdint>
#include <initializer_list>
#include <set>

#include "core/tree/interval_set.hpp"

namespace runnel::test {

inline tree::ChunkRange range(std::uint64_t first, std::uint64_t last) { return {tree::ChunkIndex{first}, tree::ChunkIndex{last}}; }

inline tree::IntervalSet ranges(std::initializer_list<tree::ChunkRange> list) {
  tree::IntervalSet set;
  for (const tree::ChunkRange& r : list) set.insert(r);
  return set;
}

inline tree::IntervalSet chunks(const std::set<std::uint64_t>& indices) {
  tree::IntervalSet set;
  for (const std::uint64_t i : indices) set.insert(range(i, i));
  return set;
}

}  // namespace runnel::test
