// A folder that goes with the test.
#pragma once
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <string>

namespace runnel::test {

// Memory where there is some to write to: the tests wait for fsync a thousand times, and what is tested does not depend on the disk.
inline std::filesystem::path test_parent() {
  return ::access("/dev/shm", W_OK) == 0 ? std::filesystem::path{"/dev/shm"} : std::filesystem::temp_directory_path();
}

class TempFolder {
 public:
  explicit TempFolder(const std::filesystem::path& parent = test_parent()) {
    std::string name = (parent / "runnel-test-XXXXXX").string();
    path_ = ::mkdtemp(name.data());
  }
  ~TempFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  [[nodiscard]] std::filesystem::path operator/(const std::string& name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

}  // namespace runnel::test
