// What RTMP and SRT ingest look like to the pipeline: a server that hands over one publisher's bytes after the other.
#pragma once
#include <expected>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/endpoint.hpp"
#include "media_helper/byte_queue.hpp"

namespace runnel::media_helper {

// One publisher, from its first byte to its last: one epoch of the stream. Owned by the demux thread; letting it go disconnects
// the publisher if it is still there.
struct Publication {
  Publication(std::shared_ptr<ByteQueue> queue, std::string_view demuxer, base::Endpoint from)
      : bytes(std::move(queue)), format(demuxer), remote(from) {}
  Publication(const Publication&) = delete;
  Publication& operator=(const Publication&) = delete;
  ~Publication() { bytes->abandon(); }

  std::shared_ptr<ByteQueue> bytes;  // shared with the server's thread, which pushes
  std::string format;                // libavformat's demuxer: "flv" or "mpegts"
  base::Endpoint remote;
};

// A line that a user should read: publisher came, went, was refused and why. Never holds a key. Called from the server's thread.
using NoticeCallback = std::function<void(std::string)>;

// Listens from its making to its destruction, with one thread of its own. At most one publisher is live at a time.
class PublishServer {
 public:
  virtual ~PublishServer() = default;
  // Where publishers connect: the real port, the secret left out. Any thread.
  [[nodiscard]] virtual std::string url() const = 0;
  // Blocks until a publisher with the right key is there; nullptr once stop() was called. One caller at a time.
  [[nodiscard]] virtual std::unique_ptr<Publication> wait_for_publisher() = 0;
  // Ends the live publication and every wait. Any thread, any number of times.
  virtual void stop() = 0;
};

// `source`: rtmp://ADDR:PORT/APP/KEY or srt://ADDR:PORT?streamid=KEY&latency=MS&passphrase=TEXT (ADDR numeric or "localhost",
// port 0: any free one). The error tells the user what is wrong with the URL, or that the address or port cannot be had.
[[nodiscard]] std::expected<std::unique_ptr<PublishServer>, std::string> start_publish_server(std::string_view source,
                                                                                              NoticeCallback on_notice);
// Whether `source` is of the kind that start_publish_server() takes.
[[nodiscard]] bool is_publish_source(std::string_view source);

}  // namespace runnel::media_helper
