// runnel inspect X
#include <CLI/CLI.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/json.hpp>
#include <cstdio>
#include <filesystem>
#include <memory>

#include "cli/options.hpp"
#include "cli/report.hpp"
#include "cli/verbs.hpp"
#include "core/discovery/info_hash.hpp"
#include "core/swarm/link.hpp"
#include "crypto/openssl.hpp"
#include "crypto/sign.hpp"
#include "net/clock.hpp"
#include "net/http_get.hpp"
#include "node/xdg.hpp"
#include "store/static_store.hpp"

namespace runnel::cli {
namespace {

struct InspectOptions {
  std::string subject;
  std::string hash{crypto::name(crypto::HashAlgorithm::sha256)};
  bool json = false;
};

std::string text_of(const boost::json::value& value) {
  return value.is_string() ? std::string{value.get_string()} : boost::json::serialize(value);
}

// One fact a line, or the object as it is.
void print(const boost::json::object& facts, bool json) {
  if (json) {
    std::printf("%s\n", boost::json::serialize(facts).c_str());
    return;
  }
  for (const auto& [name, value] : facts) {
    if (const auto* list = value.if_array()) {
      for (const auto& item : *list) std::printf("%-14s %s\n", std::string{name}.c_str(), text_of(item).c_str());
    } else {
      std::printf("%-14s %s\n", std::string{name}.c_str(), text_of(value).c_str());
    }
  }
}

int inspect_link(const swarm::Link& link, bool json, Report& report) {
  const bool live = link.kind == swarm::LinkKind::live;
  base::Bytes wire_id = link.id_bytes;
  if (live) {
    const auto key = crypto::expand_key(link.id_bytes);
    if (!key) {
      report.error("the link's id is no key: " + crypto::message(key.error()));
      return kFailed;
    }
    wire_id = *key;
  }
  boost::json::object facts{{"kind", live ? "live" : "static"},
                            {"id", base::to_hex(link.id_bytes)},
                            {"hash", crypto::name(link.hash_algorithm())},
                            {"chunk_size", link.chunk_size_bytes()}};
  if (!link.title.empty()) facts["title"] = link.title;
  if (link.size) {
    facts["bytes"] = *link.size;
    facts["chunks"] = (*link.size + link.chunk_size_bytes() - 1) / link.chunk_size_bytes();
  }
  facts["info_hash"] = base::to_hex(discovery::info_hash(wire_id).view());
  boost::json::array trackers, peers, origins;
  for (const std::string& url : link.trackers) trackers.emplace_back(url);
  for (const swarm::LinkPeer& peer : link.peers) peers.emplace_back(peer.to_string());
  for (const std::string& url : link.origins) origins.emplace_back(url);
  if (!trackers.empty()) facts["tracker"] = trackers;
  if (!peers.empty()) facts["peer"] = peers;
  if (!origins.empty()) facts["origin"] = origins;
  if (link.index) facts["seek_index"] = base::to_hex(link.index->root) + " (" + std::to_string(link.index->size) + " bytes)";
  facts["private"] = !link.secret.empty();
  print(facts, json);
  return kDone;
}

int inspect_file(const std::filesystem::path& file, const InspectOptions& asked, Report& report) {
  const auto hasher = crypto::make_hasher(*crypto::hash_algorithm(asked.hash));   // one of those that CLI11 let through
  store::SeedOptions options;
  options.file = file;
  options.cache_folder = node::cache_folder();
  options.chunk_size = swarm::kDefaultChunkSize;
  options.progress.report = [&](std::uint64_t done, std::uint64_t total) { report.progress("Hashing", done, total); };
  const auto opened = store::StaticStore::open_seed(options, *hasher, net::steady_now());
  if (!opened) {
    report.error(message(opened.error()));
    return kFailed;
  }
  swarm::Link link;
  link.id_bytes = base::to_bytes((*opened)->root().view());
  link.size = (*opened)->size();
  link.title = file.filename().string();
  if (options.chunk_size != link.chunk_size_bytes()) link.chunk_size = options.chunk_size;
  boost::json::object facts{{"kind", "file"},
                            {"id", base::to_hex(link.id_bytes)},
                            {"hash", asked.hash},
                            {"bytes", *link.size},
                            {"chunks", *(*opened)->chunk_count()},
                            {"chunk_size", options.chunk_size},
                            {"link", swarm::to_string(link)}};
  print(facts, asked.json);
  return kDone;
}

int inspect_node(const std::string& url, bool json, Report& report) {
  boost::asio::io_context io{1};
  net::HttpClient client{io, {}};
  int status = kFailed;
  net::HttpRequest request;
  request.url = url + (url.ends_with('/') ? "" : "/") + "api/status";
  request.timeout = std::chrono::seconds{5};
  const auto transfer = client.get(request, [&](std::expected<net::HttpResponse, net::HttpError> answer) {
    boost::system::error_code error;
    const auto value = answer && answer->status == 200 ? boost::json::parse(answer->body, error) : boost::json::value{};
    if (!answer) {
      report.error("no node answers at " + url + ": " + message(answer.error()));
    } else if (error || !value.is_object()) {
      report.error("what answers at " + url + " is not a node of ours");
    } else {
      if (json) {
        print(value.get_object(), true);
      } else if (const auto* streams = value.get_object().if_contains("streams"); streams != nullptr && streams->is_array()) {
        for (const auto& stream : streams->get_array()) {
          boost::json::object facts;
          for (const auto& [name, fact] : stream.get_object()) {
            if (!fact.is_array() && !fact.is_object()) facts[name] = fact;
          }
          print(facts, false);
        }
      }
      status = kDone;
    }
    io.stop();
  });
  io.run();
  return status;
}

int run_inspect(const InspectOptions& options) {
  Report report{options.json};
  const std::string& subject = options.subject;
  if (subject.starts_with("http://") || subject.starts_with("https://")) return inspect_node(subject, options.json, report);
  if (std::error_code none; std::filesystem::exists(subject, none)) return inspect_file(subject, options, report);
  const auto link = swarm::parse_link(subject);
  if (!link) {
    report.error("\"" + subject.substr(0, 80) +
                 "\" is no file and no node, and as a link it can not be read: " + std::string{swarm::message(link.error())});
    return kFailed;
  }
  return inspect_link(*link, options.json, report);
}

}  // namespace

Run add_inspect(CLI::App& app) {
  auto options = std::make_shared<InspectOptions>();
  CLI::App& inspect = *app.add_subcommand("inspect", "Tell what a link, a file or a running node is");
  inspect.add_option("X", options->subject, "A link or id, a file (its id and link are computed), or a node's http address")->required();
  add_hash_option(inspect, options->hash, "Of a file: compute its id by sha1, sha224, sha256 (default), sha384 or sha512");
  inspect.add_flag("--json", options->json, "One JSON object on stdout");
  inspect.footer(
      "Examples:\n"
      "  runnel inspect 'runnel:...'\n"
      "  runnel inspect film.mkv\n"
      "  runnel inspect http://127.0.0.1:8080");
  return [options] { return run_inspect(*options); };
}

}  // namespace runnel::cli
