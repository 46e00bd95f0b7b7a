// Opening what a live stream is read from: files, pulled URLs, and bytes that someone hands over.
#pragma once
#include <chrono>
#include <expected>
#include <functional>
#include <memory>
#include <string>

#include "base/bytes.hpp"
#include "media_helper/ffmpeg.hpp"

namespace runnel::media_helper {

// Fills from the front, waits for at least one byte; 0 at the end.
using ReadBytes = std::function<std::size_t(base::MutableByteView)>;
// Reads a descriptor to its end (standard input).
ReadBytes read_descriptor(int descriptor);

// A demuxer with what it reads from. One owner; reading blocks. Errors are words for a user.
class LiveInput {
 public:
  // A file of the caster's own. Only the file itself is opened, whatever it refers to.
  [[nodiscard]] static std::expected<std::unique_ptr<LiveInput>, std::string> open_file(const std::string& path);
  // http, https, rtsp, rtsps. Silence of kPullSilence ends it.
  [[nodiscard]] static std::expected<std::unique_ptr<LiveInput>, std::string> open_url(const std::string& url);
  // `format`: the demuxer's name ("flv", "mpegts"), or empty to find out.
  [[nodiscard]] static std::expected<std::unique_ptr<LiveInput>, std::string> open_bytes(ReadBytes read, const std::string& format);

  ~LiveInput();
  LiveInput(const LiveInput&) = delete;
  LiveInput& operator=(const LiveInput&) = delete;

  [[nodiscard]] AVFormatContext& format() { return *format_; }
  // As av_read_frame.
  [[nodiscard]] int read(AVPacket& packet);
  // The source has no more bytes: what read() still gives was inside the demuxer.
  [[nodiscard]] bool bytes_ended() const { return format_->pb != nullptr && format_->pb->eof_reached != 0; }

  static constexpr std::chrono::seconds kPullSilence{10};

 private:
  LiveInput();
  std::expected<void, std::string> open(const std::string& location, const AVInputFormat* format, AVDictionary* options, const char* what);
  static int expired(void* self);
  static int fill(void* self, std::uint8_t* to, int size);

  ReadBytes bytes_;
  Io io_;
  Input format_;
  bool has_deadline_ = false;
  std::chrono::steady_clock::time_point deadline_;
};

}  // namespace runnel::media_helper
