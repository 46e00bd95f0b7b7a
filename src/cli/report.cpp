#include "cli/report.hpp"

#include <unistd.h>

#include <algorithm>
#include <boost/json.hpp>
#include <cstdio>
#include <fstream>
#include <sstream>

#include "cli/verbs.hpp"

namespace runnel::cli {
namespace {

void print_json(const boost::json::object& object) {
  std::string text = boost::json::serialize(object);
  text += '\n';
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
}

std::string human_bytes(double bytes) {
  constexpr const char* kUnits[] = {"B", "kB", "MB", "GB", "TB"};
  std::size_t unit = 0;
  while (bytes >= 999.5 && unit + 1 < std::size(kUnits)) bytes /= 1000, ++unit;
  char text[32];
  std::snprintf(text, sizeof text, unit == 0 || bytes >= 99.5 ? "%.0f %s" : "%.1f %s", bytes, kUnits[unit]);
  return text;
}

std::string bar(double share) {
  constexpr int kWidth = 24;
  const int full = static_cast<int>(std::clamp(share, 0.0, 1.0) * kWidth);
  return '[' + std::string(static_cast<std::size_t>(full), '=') + std::string(static_cast<std::size_t>(kWidth - full), ' ') + ']';
}

std::string fixed(double value, int digits) {
  char text[32];
  std::snprintf(text, sizeof text, "%.*f", digits, value);
  return text;
}

}  // namespace

std::chrono::system_clock::time_point process_start() {
  // Field 22 of /proc/self/stat: clock ticks after boot (proc(5)).
  std::ifstream stat{"/proc/self/stat"};
  std::ifstream uptime{"/proc/uptime"};
  std::string text((std::istreambuf_iterator<char>(stat)), {});
  double up = 0;
  const std::size_t paren = text.rfind(')');
  if (paren == std::string::npos || !(uptime >> up)) return std::chrono::system_clock::now();
  std::istringstream fields{text.substr(paren + 2)};
  std::string field;
  for (int i = 3; i <= 22; ++i) fields >> field;
  const double started = std::atof(field.c_str()) / static_cast<double>(::sysconf(_SC_CLK_TCK));
  return std::chrono::system_clock::now() - std::chrono::milliseconds{static_cast<int>(std::max(0.0, up - started) * 1000)};
}

Report::Report(bool json) : json_(json), terminal_(::isatty(STDERR_FILENO) == 1), started_(process_start()) {}

double Report::seconds_since_start() const { return std::chrono::duration<double>(std::chrono::system_clock::now() - started_).count(); }

void Report::ready(const player::Stream& stream, const std::string& listen, const std::string& http, const std::string& lan) {
  if (json_) {
    boost::json::object object{{"event", "ready"}, {"link", stream.link()}, {"id", stream.id()}, {"listen", listen}, {"http", http}};
    if (!lan.empty()) object["lan"] = lan;
    print_json(object);
    return;
  }
  if (stream.role() == "cast") {
    clear_status();
    std::printf("%s\n", stream.link().c_str());
    std::fflush(stdout);
    line("Casting \"" + stream.title() + "\". Send the link above to whoever shall watch: runnel watch 'LINK'");
  } else {
    line("Watching \"" + (stream.title().empty() ? stream.id().substr(0, 16) : stream.title()) + "\"");
  }
  line("Page: " + http + "/" + (lan.empty() ? "" : "   in the local network: " + lan + "/"));
  line("Ctrl-C ends.");
}

void Report::ready_tracker(const std::string& http, const std::string& udp) {
  if (json_) {
    print_json({{"event", "ready"}, {"http", http}, {"udp", udp}, {"ws", nullptr}});
    return;
  }
  for (const std::string& url : {http, udp}) {
    if (!url.empty()) std::printf("%s\n", url.c_str());
  }
  std::fflush(stdout);
  line("The tracker is running. Ctrl-C ends.");
}

void Report::playable(const std::string& url) {
  if (json_) {
    print_json({{"event", "playable"}, {"url", url}, {"startup_s", seconds_since_start()}});
    return;
  }
  line("Playable after " + fixed(seconds_since_start(), 1) + " s: " + url);
}

void Report::stats(const player::Stream& stream) {
  const player::StreamStatus status = stream.status();
  if (json_) {
    boost::json::object object{{"event", "stats"},
                               {"peers", status.peers.size()},
                               {"down_bytes", status.down_bytes},
                               {"up_bytes", status.up_bytes},
                               {"origin_bytes", status.origin_bytes},
                               {"caster_bytes", status.caster_bytes},
                               {"verified", status.verified},
                               {"rejected", status.rejected},
                               {"buffer_s", status.buffer_s},
                               {"lag_s", nullptr}};
    if (status.lag_s) object["lag_s"] = *status.lag_s;
    print_json(object);
    return;
  }
  std::string text;
  if (!stream.is_live() && status.total_bytes > 0 && stream.role() == "watch") {
    const double share = static_cast<double>(status.have_bytes) / static_cast<double>(status.total_bytes);
    text = bar(share) + ' ' + fixed(share * 100, 1) + " %  ";
  } else {
    text = status.state + "  ";
  }
  text += std::to_string(status.peers.size()) + (status.peers.size() == 1 ? " peer  " : " peers  ");
  text +=
      "down " + human_bytes(static_cast<double>(status.down_rate)) + "/s  up " + human_bytes(static_cast<double>(status.up_rate)) + "/s";
  if (status.lag_s) text += "  " + fixed(*status.lag_s, 1) + " s behind live";
  if (!status.problem.empty()) text += "  " + status.problem;
  status_line(text);
}

void Report::complete(std::uint64_t bytes, const std::string& sha256, double transfer_s) {
  if (json_) {
    print_json({{"event", "complete"}, {"bytes", bytes}, {"sha256", sha256}, {"transfer_s", transfer_s}});
    return;
  }
  line("Complete: " + human_bytes(static_cast<double>(bytes)) + ", SHA-256 " + sha256);
}

void Report::error(const std::string& message) {
  if (json_) print_json({{"event", "error"}, {"message", message}});
  line("runnel: " + message);
}

int Report::wrong_usage(const std::string& message) {
  error(message);
  return kWrongUsage;
}

int Report::failed(const std::string& message) {
  error(message);
  return kFailed;
}

void Report::notice(const std::string& text) { line(text); }

void Report::progress(std::string_view what, std::uint64_t done, std::uint64_t total) {
  const double share = total == 0 ? 1 : static_cast<double>(done) / static_cast<double>(total);
  const int tenth = static_cast<int>(share * 10);
  if (terminal_) {
    status_line(std::string{what} + ' ' + bar(share) + ' ' + fixed(share * 100, 0) + " %");
  } else if (tenth != last_tenth_ && total > 100'000'000) {
    line(std::string{what} + ' ' + std::to_string(tenth * 10) + " %");
  }
  last_tenth_ = tenth;
}

void Report::line(const std::string& text) {
  clear_status();
  std::fprintf(stderr, "%s\n", text.c_str());
}

void Report::status_line(const std::string& text) {
  if (!terminal_) return;
  std::fprintf(stderr, "\r\033[K%s", text.c_str());
  std::fflush(stderr);
  status_shown_ = true;
}

void Report::clear_status() {
  if (status_shown_) std::fprintf(stderr, "\r\033[K");
  status_shown_ = false;
}

}  // namespace runnel::cli
