// The composition root: wires engine, stores, media and player, owns their threads and their ends.
//
// Two threads: the engine's (net::EngineLoop: sockets of peers, chunks, trees) and the service thread, which runs the
// io_context given (HTTP, trackers, media helpers). They speak in posted tasks. Everything below is the service thread's.
#pragma once
#include <boost/asio/io_context.hpp>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "node/config.hpp"
#include "player/stream.hpp"

namespace runnel::node {

struct NodeEvents {
  std::function<void(player::Stream&)> on_ready;                        // its link is complete: it can be shared
  std::function<void(player::Stream&, std::string url)> on_playable;    // once per stream
  std::function<void(player::Stream&)> on_complete;                     // on demand: every byte is here, verified and stored
  std::function<void(std::string message)> on_error;                    // a stream can not go on; the message says what to do
  std::function<void(std::string line)> on_notice;                      // worth reading
};

class Node {
 public:
  // The error is a text for the user: a port taken, no permission.
  static std::expected<std::unique_ptr<Node>, std::string> start(boost::asio::io_context& service, NodeConfig config, NodeEvents events);
  virtual ~Node() = default;   // after stop() has called back

  // Hashes the file if it is new, which takes its time on the calling thread. The error is a text for the user.
  virtual std::expected<player::Stream*, std::string> cast(const CastFile& cast) = 0;
  virtual std::expected<player::Stream*, std::string> cast(const CastLive& cast) = 0;
  virtual std::expected<player::Stream*, std::string> watch(const Watch& watch) = 0;

  // Where an on-demand stream's bytes lie.
  [[nodiscard]] virtual std::filesystem::path stored_file(const player::Stream& stream) const = 0;

  [[nodiscard]] virtual base::Endpoint listen() const = 0;
  [[nodiscard]] virtual std::string http_url() const = 0;
  [[nodiscard]] virtual std::string lan_url() const = 0;   // empty without --lan
  // Says good-bye to trackers and peers, writes everything down, and calls `done` after at most about two seconds.
  virtual void stop(std::function<void()> done) = 0;
};

}  // namespace runnel::node
