// A viewer of a live swarm that carries a plain transport stream (docs/CONFORMANCE.md P9): verified munros in order become packets for the
// media helper, which makes of them what players get, and for the file.
#pragma once
#include <boost/asio/io_context.hpp>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <optional>

#include "media/sessions.hpp"
#include "media/transport.hpp"
#include "node/live_host.hpp"
#include "node/live_stream.hpp"

namespace runnel::node {

// Service thread.
class TransportViewer {
 public:
  struct Events {
    std::function<void(std::string line)> on_notice;
    std::function<void(std::string message)> on_error;
  };
  TransportViewer(boost::asio::io_context& io, media::HelperConfig helper, LiveStream& stream, Events events);

  // The packets as they come, from the first whole one on.
  [[nodiscard]] std::expected<void, std::string> record_to(const std::filesystem::path& file);
  void on_munro(const LiveHost::Munro& munro);

 private:
  void write(base::ByteView packets);

  LiveStream& stream_;
  Events events_;
  media::TransportAligner aligner_;
  std::optional<tree::ChunkIndex> next_;   // what would follow without a gap
  base::Duration delay_{};                 // from the source's signature to here, of the newest munro
  std::filesystem::path file_;
  std::ofstream out_;
  std::unique_ptr<media::IngestSession> session_;
};

}  // namespace runnel::node
