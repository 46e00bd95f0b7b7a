// runnel cast SOURCE
#include <CLI/CLI.hpp>
#include <filesystem>
#include <memory>

#include "cli/options.hpp"
#include "cli/report.hpp"
#include "cli/session.hpp"
#include "cli/verbs.hpp"
#include "node/channel_key.hpp"

namespace runnel::cli {
namespace {

constexpr std::uint32_t kMinChunk = 512;    // RFC 7574 8.1
constexpr std::uint32_t kMaxChunk = 1300;   // one datagram with its hashes on an Ethernet path over IPv6

struct CastOptions {
  NodeOptions node;
  std::string source;
  bool live = false;
  bool loop = false;
  std::string title;
  std::string key;
  std::string hash{crypto::name(crypto::HashAlgorithm::sha256)};
  std::uint32_t chunk_size = swarm::kDefaultChunkSize;
  bool compat = false;
  bool is_private = false;
  std::string record;
};

bool is_url(const std::string& source) { return source.find("://") != std::string::npos; }
bool is_live_source(const CastOptions& o) {
  return o.live || o.loop || o.source == "-" || o.source.starts_with("test:") || is_url(o.source);
}

std::string title_of(const CastOptions& o) {
  if (!o.title.empty()) return o.title;
  if (o.source == "-") return "Live";
  if (o.source.starts_with("test:")) return "Test picture";
  if (is_url(o.source)) return "Live";   // never the URL: it may hold a stream key
  return std::filesystem::path{o.source}.filename().string();
}

int run_cast(const CastOptions& options) {
  Report report{options.node.json};
  const bool live = is_live_source(options);
  if (!live && (options.chunk_size < kMinChunk || options.chunk_size > kMaxChunk))
    return report.wrong_usage("--chunk-size wants 512 to 1300 bytes: one datagram with its hashes");
  if (options.compat && options.is_private)
    return report.wrong_usage("--private and --compat exclude each other: older peers can not encrypt");
  if (!options.record.empty() && !live) return report.wrong_usage("--record keeps a live stream; a file is one already");
  if (!options.record.empty() && options.compat)
    return report.wrong_usage("--record and --compat exclude each other: older peers can not be told where the recording is");
  if (!options.key.empty() && !live) return report.wrong_usage("--key names a live channel; a file is named by its bytes");

  const crypto::HashAlgorithm hash = *crypto::hash_algorithm(options.hash);   // one of those that CLI11 let through

  // A channel keeps its ports with its key, so that links survive a restart.
  node::ChannelState remembered;
  if (!options.key.empty()) {
    const auto key = node::ChannelKey::open(options.key);
    if (!key) return report.failed(key.error());
    remembered = key->state();
  }
  auto config = node_config(options.node, {remembered.listen_port, remembered.http_port});
  if (!config) return report.wrong_usage(config.error());
  config->embedded_tracker = options.node.trackers.empty();
  config->tracker_port = remembered.tracker_port;

  Session session{report};
  auto node = session.start(*config, {});
  if (!node && (remembered.listen_port != 0 || remembered.http_port != 0)) {
    // The remembered ports are taken by now: others do as well, but old links stop to work.
    config = node_config(options.node, {});
    config->embedded_tracker = options.node.trackers.empty();
    node = session.start(*config, {});
  }
  if (!node) return report.failed(node.error());

  if (live) {
    node::CastLive cast;
    cast.source = options.source;
    cast.title = title_of(options);
    cast.loop = options.loop;
    cast.hash = hash;
    cast.is_private = options.is_private;
    cast.compat = options.compat;
    if (!options.key.empty()) cast.key_file = options.key;
    if (!options.record.empty()) cast.record = options.record;
    if (const auto stream = (*node)->cast(cast); !stream) session.fail(stream.error());
  } else {
    node::CastFile cast;
    cast.file = options.source;
    cast.title = title_of(options);
    cast.hash = hash;
    cast.chunk_size = options.chunk_size;
    cast.compat = options.compat;
    cast.is_private = options.is_private;
    cast.on_hashing = [&](std::uint64_t done, std::uint64_t total) { report.progress("Hashing", done, total); };
    cast.cancelled = [&] { return session.interrupted(); };
    if (const auto stream = (*node)->cast(cast); !stream && !session.interrupted()) session.fail(stream.error());
  }
  return session.run();
}

}  // namespace

Run add_cast(CLI::App& app) {
  auto options = std::make_shared<CastOptions>();
  CLI::App& cast = *app.add_subcommand("cast", "Share a film or a live stream; prints the link to send");
  cast.add_option("SOURCE", options->source,
                  "What to cast:\n"
                  "  a file            a film (or any file); watchers seek in it as they like\n"
                  "  a file with --live   the film in real time, as a channel\n"
                  "  -                 a stream on standard input (MPEG-TS, Matroska)\n"
                  "  test:             a moving test picture with a clock and a tone\n"
                  "  rtmp://ADDR:PORT/APP/KEY   wait for OBS to publish there with that stream key\n"
                  "  srt://ADDR:PORT?streamid=KEY   wait for an SRT publisher\n"
                  "  http(s):// or rtsp:// URL   pull a stream from there")
      ->required();
  cast.add_flag("--live", options->live, "Cast a file in real time");
  cast.add_flag("--loop", options->loop, "With --live: start the file again at its end");
  cast.add_option("--title", options->title, "What viewers see (default: the file's name)")->type_name("TITLE");
  cast.add_option("--key", options->key,
                  "The channel's key file, made when missing; the same key is the same link, also after a restart.\n"
                  "Made with ECDSA P-256; PEM files of P-384, Ed25519 and RSA (2048 to 4096 bits) will do as well,\n"
                  "like that of: openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out FILE")
      ->type_name("FILE");
  add_hash_option(cast, options->hash, "What makes the ids of chunks: sha1, sha224, sha256 (default), sha384 or sha512");
  cast.add_option("--chunk-size", options->chunk_size, "Bytes in a chunk of a file (default 1080)")->type_name("N");
  cast.add_flag("--compat", options->compat, "A swarm for older PPSPP peers: SHA-1, 1024-byte chunks; live, a plain MPEG transport stream")
      ->excludes("--hash");
  cast.add_flag("--private", options->is_private,
                "Only who has the link can join, or find out what is cast; cast again, it is the same link");
  add_node_options(cast, options->node);
  cast.add_option("--record", options->record,
                  "Live: keep what is cast in this folder, a file for each time that the source begins anew; when it has\n"
                  "ended for good, the same link plays the recording for as long as this program runs")
      ->type_name("DIR");
  add_later(cast, "--ladder");
  cast.footer(
      "Examples:\n"
      "  runnel cast film.mkv\n"
      "  runnel cast rtmp://0.0.0.0:1935/live/SECRET --key channel.key --title \"My channel\"\n"
      "  ffmpeg ... -f mpegts - | runnel cast -");
  return [options] { return run_cast(*options); };
}

}  // namespace runnel::cli
