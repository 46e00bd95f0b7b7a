// check() is for our own bugs, never for what a peer, a file or a user gave us.
#pragma once
#include <source_location>

namespace runnel::base {

[[noreturn]] void check_failed(const char* what, std::source_location where);

inline void check(bool holds, const char* what, std::source_location where = std::source_location::current()) {
  if (!holds) [[unlikely]]
    check_failed(what, where);
}

}  // namespace runnel::base
