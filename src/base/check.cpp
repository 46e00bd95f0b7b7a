#include "base/check.hpp"

#include <cstdio>
#include <cstdlib>

namespace runnel::base {

void check_failed(const char* what, std::source_location where) {
  std::fprintf(stderr, "runnel: a bug: %s (%s:%u, %s)\n", what, where.file_name(), static_cast<unsigned>(where.line()),
               where.function_name());
  std::abort();
}

}  // namespace runnel::base
