// What a verb says: JSON lines for scripts on stdout, or words for people on stderr with the link alone on stdout.
#pragma once
#include <chrono>
#include <string>
#include <string_view>

#include "player/stream.hpp"

namespace runnel::cli {

class Report {
 public:
  explicit Report(bool json);

  void ready(const player::Stream& stream, const std::string& listen, const std::string& http, const std::string& lan);
  void ready_tracker(const std::string& http, const std::string& udp);
  void playable(const std::string& url);
  void stats(const player::Stream& stream);
  void complete(std::uint64_t bytes, const std::string& sha256, double transfer_s);
  void error(const std::string& message);
  // The same, and the exit status that goes with it.
  int wrong_usage(const std::string& message);
  int failed(const std::string& message);
  void notice(const std::string& line);
  // Long work on a terminal: one line, written over; every tenth otherwise.
  void progress(std::string_view what, std::uint64_t done, std::uint64_t total);
  [[nodiscard]] double seconds_since_start() const;

 private:
  void line(const std::string& text);    // to stderr, under what is there
  void status_line(const std::string& text);
  void clear_status();

  bool json_;
  bool terminal_;
  bool status_shown_ = false;
  int last_tenth_ = -1;
  std::chrono::system_clock::time_point started_;
};

// The process's own start, by the kernel's clock: what a user waits for begins there.
std::chrono::system_clock::time_point process_start();

}  // namespace runnel::cli
