// runnel watch LINK
#include <CLI/CLI.hpp>
#include <filesystem>
#include <fstream>
#include <memory>

#include "cli/options.hpp"
#include "cli/play.hpp"
#include "cli/report.hpp"
#include "cli/session.hpp"
#include "cli/verbs.hpp"
#include "crypto/hash.hpp"

namespace runnel::cli {
namespace {

struct WatchOptions {
  NodeOptions node;
  std::string link;
  std::vector<std::string> peers;
  std::string player;
  std::string out;
  bool until_complete = false;
  std::string max_download;
  bool no_upload = false;
  bool compat = false;
  std::uint32_t chunk_size = 0;
};

std::expected<node::Watch, std::string> read_link(const WatchOptions& options) {
  const auto link = swarm::parse_link(options.link);
  if (!link) return std::unexpected("this link can not be used: " + std::string{swarm::message(link.error())});
  node::Watch watch;
  watch.link = *link;
  watch.chunk_size = options.compat && options.chunk_size == 0 ? swarm::kDefaultCompatChunkSize : options.chunk_size;
  if (options.compat && link->kind == swarm::LinkKind::live) {
    // What the id alone can not tell; a link says it by itself.
    if (!watch.link.hash) watch.link.hash = crypto::HashAlgorithm::sha1;
    if (!watch.link.chunk_size) watch.link.chunk_size = swarm::kDefaultCompatChunkSize;
    if (!watch.link.addressing) watch.link.addressing = wire::AddressingMethod::chunks32;
  }
  for (const std::string& text : options.peers) {
    const auto peer = swarm::parse_link_peer(text);
    if (!peer) return std::unexpected("--peer wants a host and a port of 1 to 65535, like 192.0.2.7:7000, not \"" + text + "\"");
    watch.peers.push_back(*peer);
  }
  if (!options.out.empty()) watch.out = options.out;
  if (options.until_complete && link->kind == swarm::LinkKind::live)
    return std::unexpected("--until-complete: a live stream has no end to wait for");
  return watch;
}

// Read back from what was stored, not from what was received.
std::string sha256_of(const std::filesystem::path& file) {
  std::ifstream in{file, std::ios::binary};
  crypto::RunningHash hash{crypto::HashAlgorithm::sha256};
  std::vector<char> buffer(1 << 20);
  while (in.read(buffer.data(), static_cast<std::streamsize>(buffer.size())) || in.gcount() > 0) {
    hash.add(std::as_bytes(std::span{buffer}.first(static_cast<std::size_t>(in.gcount()))));
  }
  return base::to_hex(hash.finish().view());
}

int run_watch(const WatchOptions& options) {
  Report report{options.node.json};
  const auto watch = read_link(options);
  if (!watch) return report.wrong_usage(watch.error());
  if (options.player == "sdl") return report.wrong_usage("--player sdl is not part of this version: use mpv, vlc, browser or none");
  auto config = node_config(options.node, {});
  if (!config) return report.wrong_usage(config.error());
  const auto download = parse_rate("--max-download", options.max_download);
  if (!download) return report.wrong_usage(download.error());
  config->max_download = *download;
  config->no_upload = options.no_upload;

  Session session{report};
  node::Node* node = nullptr;
  Session::Hooks hooks;
  const std::string player = options.player.empty() ? default_player() : options.player;
  hooks.on_playable = [&](player::Stream& stream, const std::string& url) {
    // A film's own bytes seek best in mpv and VLC.
    const bool film = !stream.is_live();
    const std::string bytes = node->http_url() + "/streams/" + stream.id() + "/media";
    if (const auto started = start_player(player, film ? bytes : url, node->http_url() + "/"); !started) report.notice(started.error());
  };
  hooks.on_complete = [&](player::Stream& stream) {
    const auto file = node->stored_file(stream);
    report.stats(stream);
    report.complete(stream.content() != nullptr ? stream.content()->size() : std::filesystem::file_size(file), sha256_of(file),
                    stream.status().transfer_s);
    if (options.until_complete) session.finish(kDone);
  };
  const auto started = session.start(*config, std::move(hooks));
  if (!started) {
    report.error(started.error());
    return kFailed;
  }
  node = *started;
  if (const auto stream = node->watch(*watch); !stream) session.fail(stream.error());
  return session.run();
}

}  // namespace

Run add_watch(CLI::App& app) {
  auto options = std::make_shared<WatchOptions>();
  CLI::App& watch = *app.add_subcommand("watch", "Open a link: watch it, and serve it to others meanwhile");
  watch.add_option("LINK", options->link, "The link that `runnel cast` printed (runnel:...), or a bare id")->required();
  watch.add_option("--peer", options->peers, "A peer to begin with, besides those of the link; may be repeated")->type_name("HOST:PORT");
  watch.add_option("--player", options->player, "mpv, vlc, browser or none (default: the browser where there is a screen)")
      ->check(CLI::IsMember({"mpv", "vlc", "sdl", "browser", "none"}))
      ->type_name("PLAYER");
  watch.add_option("--out", options->out, "Keep the file here (default: the cache); of a live stream, a recording")->type_name("FILE");
  watch.add_flag("--until-complete", options->until_complete, "End when the whole file is here");
  watch.add_option("--max-download", options->max_download, "Take at most so many bytes a second")->type_name("RATE");
  watch.add_flag("--no-upload", options->no_upload, "Give nothing to others");
  watch.add_option("--chunk-size", options->chunk_size, "Bytes in a chunk, for a bare id whose swarm has another size than the default")
      ->type_name("N");
  watch.add_flag("--compat", options->compat,
                 "For a bare id, of a file or a live stream: the swarm of an older PPSPP peer, of 1024-byte chunks");
  add_node_options(watch, options->node);
  watch.footer(
      "The stream is also at http://127.0.0.1:PORT/streams/ID/master.m3u8 for any player; the page shows the swarm.\n"
      "Examples:\n"
      "  runnel watch 'runnel:...'\n"
      "  runnel watch 'runnel:...' --player mpv\n"
      "  runnel watch 'runnel:...' --out film.mkv --until-complete");
  return [options] { return run_watch(*options); };
}

}  // namespace runnel::cli
