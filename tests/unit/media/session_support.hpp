// What the tests of sessions share: an event loop with a deadline, a folder that goes away, commands, recorded streams.
#pragma once
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "media/sessions.hpp"

namespace runnel::media::test {

inline const HelperConfig kHelper{RUNNEL_MEDIA_PROGRAM};

// Runs the loop until `holds`, at most `limit`. True if it held.
template <class Predicate>
bool run_until(boost::asio::io_context& io, Predicate holds, std::chrono::seconds limit = std::chrono::seconds{60}) {
  const auto end = std::chrono::steady_clock::now() + limit;
  while (!holds()) {
    if (std::chrono::steady_clock::now() > end) return false;
    io.restart();
    io.run_one_for(std::chrono::milliseconds{50});
  }
  return true;
}

class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "runnel-test-XXXXXX").string();
    if (::mkdtemp(pattern.data()) != nullptr) path_ = pattern;
  }
  ~TemporaryFolder() { std::filesystem::remove_all(path_); }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  [[nodiscard]] std::string operator/(const std::string& name) const { return (path_ / name).string(); }

 private:
  std::filesystem::path path_;
};

struct CommandResult {
  int status = -1;
  std::string output;  // both streams, in the order they came
};
inline CommandResult run_command(const std::string& command) {
  CommandResult result;
  FILE* pipe = ::popen(("{ " + command + "; } 2>&1 </dev/null").c_str(), "r");
  std::array<char, 4096> buffer{};
  for (std::size_t got = 0; pipe != nullptr && (got = std::fread(buffer.data(), 1, buffer.size(), pipe)) > 0;) {
    result.output.append(buffer.data(), got);
  }
  const int status = pipe != nullptr ? ::pclose(pipe) : -1;
  result.status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return result;
}
inline void write_file(const std::string& path, const std::vector<base::ByteView>& parts) {
  std::ofstream file{path, std::ios::binary};
  for (const base::ByteView part : parts) file.write(reinterpret_cast<const char*>(part.data()), static_cast<std::streamsize>(part.size()));
}
// Decodes all of it; empty if without a complaint.
inline std::string decode_errors(const std::string& path) {
  const CommandResult r = run_command("ffmpeg -v error -xerror -i '" + path + "' -f null -");
  return r.status == 0 ? r.output : "status " + std::to_string(r.status) + ": " + r.output;
}

// Our children that run the media helper and have not ended.
inline std::vector<int> helper_pids() {
  std::vector<int> found;
  std::ifstream children{"/proc/self/task/" + std::to_string(::getpid()) + "/children"};
  for (int pid = 0; children >> pid;) {
    std::string name;
    std::ifstream{"/proc/" + std::to_string(pid) + "/cmdline"} >> name;  // empty once it has ended
    if (name.starts_with(RUNNEL_MEDIA_PROGRAM)) found.push_back(pid);
  }
  return found;
}

// What an ingest session hands out.
struct Recording {
  std::vector<InitSegment> inits;
  std::vector<MediaChunk> chunks;
  std::vector<std::string> notices;
  std::string error;
  std::string url;
  bool ended = false;
  [[nodiscard]] bool over() const { return ended || !error.empty(); }

  IngestEvents events() {
    return {.on_listening = [this](std::string at) { url = std::move(at); },
            .on_init = [this](const InitSegment& i) { inits.push_back(i); },
            .on_chunk = [this](const MediaChunk& c) { chunks.push_back(c); },
            .on_notice = [this](std::string line) { notices.push_back(std::move(line)); },
            .on_end = [this] { ended = true; },
            .on_error = [this](std::string message) { error = std::move(message); }};
  }
  [[nodiscard]] std::vector<const MediaChunk*> of_epoch(std::uint32_t epoch) const {
    std::vector<const MediaChunk*> found;
    for (const MediaChunk& c : chunks) {
      if (c.epoch == epoch) found.push_back(&c);
    }
    return found;
  }
  // Header and chunks of one epoch, from its `first`-th chunk on.
  void save(const std::string& path, std::size_t epoch_position, std::size_t first = 0) const {
    const InitSegment& init = inits.at(epoch_position);
    std::vector<base::ByteView> parts{*init.bytes};
    const auto list = of_epoch(init.epoch);
    for (std::size_t i = first; i < list.size(); ++i) parts.push_back(*list[i]->bytes);
    write_file(path, parts);
  }
};

}  // namespace runnel::media::test
