// Every target of this folder over its corpus, and over corpus entries with a few bytes changed: so that targets keep building and what the
// fuzzer once found stays found, without clang. ./run fuzz looks for more.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <vector>

#include "base/bytes.hpp"
#include "base/rng.hpp"

// Each target's function has the target's name here (CMakeLists.txt).
#define RUNNEL_FUZZ_TARGET(name) extern "C" int fuzz_##name(const std::uint8_t* data, std::size_t size);
#include "fuzz_targets.inc"
#undef RUNNEL_FUZZ_TARGET
extern "C" int fuzz_canary(const std::uint8_t* data, std::size_t size);

namespace runnel::fuzz {
namespace {

struct Target {
  const char* name;
  int (*run)(const std::uint8_t*, std::size_t);
};
constexpr Target kTargets[] = {
#define RUNNEL_FUZZ_TARGET(name) {#name, fuzz_##name},
#include "fuzz_targets.inc"
#undef RUNNEL_FUZZ_TARGET
};

constexpr std::uint64_t kChangedEach = 2;  // copies of each entry that are run changed
constexpr Target kCanary{"canary-found", fuzz_canary};  // what the fuzzer finds of the planted bug

std::vector<std::filesystem::path> corpus_of(std::string_view target) {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator{std::filesystem::path{RUNNEL_FUZZ_CORPUS} / target})
    files.push_back(entry.path());
  std::ranges::sort(files);
  return files;
}

std::string read(const std::filesystem::path& path) {
  std::ifstream file{path, std::ios::binary};
  return {std::istreambuf_iterator<char>{file}, {}};
}

void run(const Target& target, std::string_view bytes) { target.run(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()); }

class Corpus : public testing::TestWithParam<Target> {};

// A fault ends the program; the last line it wrote names the entry.
TEST_P(Corpus, leads_to_no_fault) {
  const Target& target = GetParam();
  const auto files = corpus_of(target.name);
  EXPECT_FALSE(files.empty()) << "a target without a corpus begins from nothing";
  base::Rng rng{1};
  for (const auto& file : files) {
    std::string bytes = read(file);
    std::fprintf(stderr, "%s %s\n", target.name, file.filename().c_str());
    run(target, bytes);
    if (bytes.empty()) continue;
    for (std::uint64_t i = 0; i < kChangedEach; ++i) {
      std::string changed = bytes;
      changed[rng.below(changed.size())] = static_cast<char>(rng.below(256));
      if (i % 2 == 1) changed.resize(rng.below(changed.size() + 1));
      run(target, changed);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Targets, Corpus, testing::ValuesIn(kTargets), [](const auto& one) { return std::string{one.param.name}; });

TEST(CanaryDeathTest, has_a_bug_that_its_reproducer_finds) {
  const auto files = corpus_of(kCanary.name);
  ASSERT_FALSE(files.empty());
  EXPECT_DEATH(run(kCanary, read(files.front())), "");
}

}  // namespace
}  // namespace runnel::fuzz
