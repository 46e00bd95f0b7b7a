// Shared by the tests of the RTMP and the SRT server.
#pragma once
#include <gtest/gtest.h>

#include <array>
#include <condition_variable>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <sstream>
#include <string>
#include <vector>

#include "media_helper/publish_server.hpp"
#include "test_process.hpp"

namespace runnel::media_helper::test {

constexpr std::chrono::seconds kPatience{20};  // longer than anything here takes on a busy machine

// Notices as they come, to wait for.
class Notices {
 public:
  NoticeCallback callback() {
    return [this](std::string line) {
      const std::scoped_lock lock(mutex_);
      lines_.push_back(std::move(line));
      changed_.notify_all();
    };
  }
  // True once `count` lines contain `text`.
  bool wait_for(std::string_view text, std::size_t count = 1) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, kPatience, [&] { return count_locked(text) >= count; });
  }
  std::size_t count(std::string_view text) {
    const std::scoped_lock lock(mutex_);
    return count_locked(text);
  }

 private:
  std::size_t count_locked(std::string_view text) const {
    return static_cast<std::size_t>(
        std::ranges::count_if(lines_, [&](const std::string& line) { return line.find(text) != std::string::npos; }));
  }
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> lines_;
};

inline base::Bytes read_all(ByteQueue& queue) {
  base::Bytes out;
  std::array<std::byte, 65536> part{};
  while (const std::size_t size = queue.read(part)) out.insert(out.end(), part.begin(), part.begin() + static_cast<std::ptrdiff_t>(size));
  return out;
}

// What ffprobe says of the streams in `media`: "h264,320,180" and "aac" lines.
inline std::string probe(const base::Bytes& media, const std::string& format) {
  std::string name = (std::filesystem::temp_directory_path() / "runnel-probe-XXXXXX").string();
  const int descriptor = ::mkstemp(name.data());
  if (descriptor < 0) return "no temporary file";
  ::close(descriptor);
  std::ofstream{name, std::ios::binary}.write(reinterpret_cast<const char*>(media.data()), static_cast<std::streamsize>(media.size()));
  const std::string report = name + ".txt";
  TestProcess probe{{"ffprobe", "-v", "error", "-f", format, "-show_entries", "stream=codec_name,width,height", "-of", "csv=p=0", name},
                    report};
  probe.wait();
  std::stringstream text;
  text << std::ifstream{report}.rdbuf();
  std::filesystem::remove(name);
  std::filesystem::remove(report);
  return text.str();
}

inline std::uint16_t port_of(const PublishServer& server) {
  const std::string url = server.url();
  const std::size_t colon = url.rfind(':');
  return static_cast<std::uint16_t>(std::strtoul(url.c_str() + colon + 1, nullptr, 10));
}

}  // namespace runnel::media_helper::test
