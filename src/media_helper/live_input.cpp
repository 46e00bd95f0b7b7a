#include "media_helper/live_input.hpp"

#include <unistd.h>

#include <cerrno>
#include <utility>

namespace runnel::media_helper {
namespace {

constexpr int kIoBufferBytes = 32 << 10;
// Enough to see both streams of anything that is interleaved as live streams are; more would be start-up delay (media.md).
constexpr const char* kLiveProbeBytes = "500000";
constexpr const char* kLiveProbeMicroseconds = "1000000";
constexpr std::chrono::seconds kOpenTimeout{20};

void live_options(AVDictionary*& options) {
  av_dict_set(&options, "probesize", kLiveProbeBytes, 0);
  av_dict_set(&options, "analyzeduration", kLiveProbeMicroseconds, 0);
  av_dict_set(&options, "fpsprobesize", "0", 0);
}

}  // namespace

ReadBytes read_descriptor(int descriptor) {
  return [descriptor](base::MutableByteView to) -> std::size_t {
    for (;;) {
      const ssize_t got = ::read(descriptor, to.data(), to.size());
      if (got < 0 && errno == EINTR) continue;
      return got > 0 ? static_cast<std::size_t>(got) : 0;
    }
  };
}

LiveInput::LiveInput() = default;
LiveInput::~LiveInput() = default;

int LiveInput::expired(void* self) {
  const auto& input = *static_cast<LiveInput*>(self);
  return input.has_deadline_ && std::chrono::steady_clock::now() > input.deadline_ ? 1 : 0;
}

int LiveInput::fill(void* self, std::uint8_t* to, int size) {
  const auto& input = *static_cast<LiveInput*>(self);
  const std::size_t got = input.bytes_(std::as_writable_bytes(std::span{to, static_cast<std::size_t>(size)}));
  return got > 0 ? static_cast<int>(got) : AVERROR_EOF;
}

std::expected<void, std::string> LiveInput::open(const std::string& location, const AVInputFormat* format, AVDictionary* options,
                                                 const char* what) {
  AVFormatContext* made = avformat_alloc_context();
  made->interrupt_callback = {&LiveInput::expired, this};
  if (io_) made->pb = io_.get();
  deadline_ = std::chrono::steady_clock::now() + kOpenTimeout;
  int failed = avformat_open_input(&made, location.c_str(), format, &options);  // frees the context when it fails
  av_dict_free(&options);
  if (failed >= 0) {
    format_.reset(made);
    failed = avformat_find_stream_info(made, nullptr);
  }
  if (failed < 0) return std::unexpected{std::string{what} + ": " + error_text(failed)};
  return {};
}

std::expected<std::unique_ptr<LiveInput>, std::string> LiveInput::open_file(const std::string& path) {
  std::unique_ptr<LiveInput> input{new LiveInput};
  AVDictionary* options = nullptr;
  av_dict_set(&options, "protocol_whitelist", "file", 0);
  if (auto done = input->open("file:" + path, nullptr, options, ("cannot read " + path + " as media").c_str()); !done) {
    return std::unexpected{done.error()};
  }
  return input;
}

std::expected<std::unique_ptr<LiveInput>, std::string> LiveInput::open_url(const std::string& url) {
  std::unique_ptr<LiveInput> input{new LiveInput};
  input->has_deadline_ = true;
  AVDictionary* options = nullptr;
  // Nothing that a far server says makes us read a file.
  av_dict_set(&options, "protocol_whitelist", "http,https,tls,tcp,udp,rtp,rtsp,rtsps,crypto,data,httpproxy", 0);
  // TCP loses nothing and passes firewalls, but some servers (VLC's) have UDP alone.
  av_dict_set(&options, "rtsp_flags", "prefer_tcp", 0);
  live_options(options);
  if (auto done = input->open(url, nullptr, options, "cannot open the source"); !done) return std::unexpected{done.error()};
  return input;
}

std::expected<std::unique_ptr<LiveInput>, std::string> LiveInput::open_bytes(ReadBytes read, const std::string& format) {
  std::unique_ptr<LiveInput> input{new LiveInput};
  input->bytes_ = std::move(read);
  auto* buffer = static_cast<unsigned char*>(av_malloc(kIoBufferBytes));
  input->io_.reset(avio_alloc_context(buffer, kIoBufferBytes, 0, input.get(), &LiveInput::fill, nullptr, nullptr));
  AVDictionary* options = nullptr;
  av_dict_set(&options, "protocol_whitelist", "none", 0);
  live_options(options);
  const AVInputFormat* demuxer = format.empty() ? nullptr : av_find_input_format(format.c_str());
  if (auto done = input->open("", demuxer, options, "the input is not media that can be read as a stream"); !done) {
    return std::unexpected{done.error()};
  }
  return input;
}

int LiveInput::read(AVPacket& packet) {
  if (has_deadline_) deadline_ = std::chrono::steady_clock::now() + kPullSilence;
  return av_read_frame(format_.get(), &packet);
}

}  // namespace runnel::media_helper
