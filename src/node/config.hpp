// What a node is told by the command line or by the program that embeds it.
#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/endpoint.hpp"
#include "base/time.hpp"
#include "core/swarm/link.hpp"

namespace runnel::node {

// A player that begins wants a key frame and what follows it, and encoders take ten seconds for one.
constexpr std::chrono::seconds kShortestWindow{20};
constexpr std::chrono::seconds kLongestWindow{120};   // the engine's tables have room for so much

struct NodeConfig {
  base::Endpoint listen;                      // peers, UDP; port 0: any
  base::Endpoint http;                        // the local HTTP server
  bool lan = false;
  bool embedded_tracker = false;              // cast with no tracker named
  std::uint16_t tracker_port = 0;             // of the embedded one; 0: any
  std::vector<std::string> trackers;          // for every stream, besides those of its link
  std::uint64_t max_upload = 0;               // bytes per second; 0: no limit
  std::uint64_t max_download = 0;
  bool no_upload = false;
  base::Duration live_window = std::chrono::seconds{60};   // kept of each live stream, to go back to and to pass on
  bool sealed_only = false;                   // peers that can not seal are not spoken to
  bool plain = false;                         // nothing is sealed, but what is private
  std::string helper;                         // path of runnel-media
  std::filesystem::path cache_folder;         // see xdg.hpp
  std::uint64_t cache_quota = 20ULL << 30;    // bytes
};

struct CastFile {
  std::filesystem::path file;
  std::string title;                          // empty: the file's name
  crypto::HashAlgorithm hash = crypto::HashAlgorithm::sha256;
  std::uint32_t chunk_size = swarm::kDefaultChunkSize;
  bool compat = false;                        // SHA-1, 1024-byte chunks, whatever the two above say
  bool is_private = false;                    // only who has the link can join, or find out that it is served
  std::function<void(std::uint64_t done, std::uint64_t total)> on_hashing;   // on the calling thread
  std::function<bool()> cancelled;
};

struct CastLive {
  std::string source;
  std::string title;
  bool loop = false;
  std::optional<std::filesystem::path> key_file;
  crypto::HashAlgorithm hash = crypto::HashAlgorithm::sha256;
  bool is_private = false;                    // as above
  std::optional<std::filesystem::path> record;   // a folder, made if missing: what is cast becomes a file there, and the file a swarm
  bool compat = false;                        // as older peers have live swarms: SHA-1, 1024-byte chunks, a plain transport stream
};

struct Watch {
  swarm::Link link;
  std::vector<swarm::LinkPeer> peers;         // besides those of the link
  std::optional<std::filesystem::path> out;
  std::uint32_t chunk_size = 0;               // for a bare id; 0: as the link says
};

}  // namespace runnel::node
