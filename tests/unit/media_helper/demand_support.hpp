// Films made with the ffmpeg program, and what came out of cutting them looked at from outside.
#pragma once
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/bytes.hpp"
#include "media_helper/film.hpp"
#include "media_helper/random_reader.hpp"

namespace runnel::media_helper::test {

struct Outcome {
  int status = -1;
  std::string output;   // stdout and stderr
};
inline Outcome run(const std::string& command) {
  Outcome outcome;
  FILE* pipe = ::popen((command + " 2>&1").c_str(), "r");
  if (pipe == nullptr) return outcome;
  char buffer[4096];
  for (std::size_t got = 0; (got = std::fread(buffer, 1, sizeof buffer, pipe)) > 0;) outcome.output.append(buffer, got);
  const int status = ::pclose(pipe);
  outcome.status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return outcome;
}

// A folder that goes with its owner.
class Folder {
 public:
  Folder() {
    std::string path = (std::filesystem::temp_directory_path() / "runnel-demand-XXXXXX").string();
    path_ = ::mkdtemp(path.data());
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  [[nodiscard]] std::string operator/(const std::string& name) const { return (path_ / name).string(); }

 private:
  std::filesystem::path path_;
};

constexpr double kFilmSeconds = 24;
inline const std::string kPicture = "-f lavfi -i testsrc2=size=320x180:rate=25:duration=24 ";
inline const std::string kTone = "-f lavfi -i sine=frequency=440:sample_rate=48000:duration=24 ";

// ffmpeg's arguments between its inputs and the output file. False if this ffmpeg cannot make it; its words are then in the log.
inline void make_film(const std::string& arguments, const std::string& path) {
  const Outcome made = run("ffmpeg -v error -nostdin -y " + arguments + " '" + path + "'");
  ASSERT_EQ(made.status, 0) << made.output;
  ASSERT_TRUE(std::filesystem::exists(path));
}

// A file, and how many bytes were read of it.
class CountingReader : public RandomReader {
 public:
  explicit CountingReader(const std::string& path) {
    auto opened = FileReader::open(path);
    EXPECT_TRUE(opened.has_value());
    file_ = std::move(*opened);
  }
  [[nodiscard]] std::uint64_t size() const override { return file_->size(); }
  [[nodiscard]] std::expected<std::size_t, ReadError> read(std::uint64_t offset, base::MutableByteView into) override {
    EXPECT_LE(offset + into.size(), size());
    if (cancel_at && bytes >= *cancel_at) return std::unexpected{ReadError::cancelled};
    bytes += into.size();
    ++reads;
    return file_->read(offset, into);
  }
  std::uint64_t bytes = 0;
  std::uint64_t reads = 0;
  std::optional<std::uint64_t> cancel_at;   // bytes after which reads are cancelled

 private:
  std::unique_ptr<FileReader> file_;
};

struct BytesReader : RandomReader {
  explicit BytesReader(base::Bytes b) : bytes(std::move(b)) {}
  [[nodiscard]] std::uint64_t size() const override { return bytes.size(); }
  [[nodiscard]] std::expected<std::size_t, ReadError> read(std::uint64_t offset, base::MutableByteView into) override {
    std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(offset), into.size(), into.begin());
    return into.size();
  }
  base::Bytes bytes;
};

inline base::Bytes read_whole(const std::string& path) {
  std::ifstream in{path, std::ios::binary};
  const std::string text{std::istreambuf_iterator<char>{in}, {}};
  return base::to_bytes(base::as_bytes(text));
}
inline void write_whole(const std::string& path, const std::vector<base::Bytes>& parts) {
  std::ofstream out{path, std::ios::binary | std::ios::trunc};
  for (const base::Bytes& part : parts) out.write(reinterpret_cast<const char*>(part.data()), static_cast<std::streamsize>(part.size()));
}

// What a fragment's boxes say, in ticks of the track.
struct FragmentTimes {
  std::int64_t decode_time = 0;
  std::int64_t decode_end = 0;
  std::int64_t first_shown = 0;
  std::int64_t shown_end = 0;      // of the last picture shown, its duration being that of its sample
  std::int64_t longest = 0;        // longest sample
  std::size_t samples = 0;
  bool begins_with_key = false;
};
FragmentTimes parse_fragment(base::ByteView fragment);
// Ticks per second of a header's only track.
std::uint32_t timescale_of(base::ByteView header);

}  // namespace runnel::media_helper::test
