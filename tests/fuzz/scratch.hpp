// A file for a target to spoil, one for each process; in memory where there is some to write to.
#pragma once
#include <unistd.h>

#include <filesystem>
#include <string>

namespace runnel::fuzz {

inline std::filesystem::path scratch_file(const std::string& target) {
  const std::filesystem::path folder =
      access("/dev/shm", W_OK) == 0 ? std::filesystem::path{"/dev/shm"} : std::filesystem::temp_directory_path();
  return folder / ("runnel-fuzz-" + target + "-" + std::to_string(getpid()));
}

}  // namespace runnel::fuzz
