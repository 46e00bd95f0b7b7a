#include "core/discovery/http_announce.hpp"

#include "core/discovery/bencode.hpp"

namespace runnel::discovery {
namespace {

using base::Endpoint;
using base::IpAddress;

constexpr std::int64_t kMaxSeconds = 7 * 24 * 3600;  // longer intervals are cut before they become a Duration

std::string_view event_name(AnnounceEvent event) {
  switch (event) {
    case AnnounceEvent::none: return "";
    case AnnounceEvent::completed: return "completed";
    case AnnounceEvent::started: return "started";
    case AnnounceEvent::stopped: return "stopped";
  }
  return "";
}

std::optional<base::Duration> find_seconds(const BencodeValue& dict, std::string_view key) {
  const std::int64_t* value = dict.find_integer(key);
  if (value == nullptr || *value < 0) return std::nullopt;
  return std::chrono::seconds{std::min(*value, kMaxSeconds)};
}

std::uint32_t find_count(const BencodeValue& dict, std::string_view key) {
  const std::int64_t* value = dict.find_integer(key);
  if (value == nullptr || *value < 0) return 0;
  return static_cast<std::uint32_t>(std::min<std::int64_t>(*value, 0xffff'ffff));
}

void add_peer(const Endpoint& endpoint, std::vector<Endpoint>& out) {
  if (usable_endpoint(endpoint) && out.size() < kMaxPeersPerAnswer) out.push_back(endpoint);
}

// The first form of BEP 3: a list of dictionaries. Names instead of addresses are not looked up.
void decode_dictionary_peers(const BencodeValue::List& list, const PeerId& own_id, std::vector<Endpoint>& out) {
  for (const BencodeValue& peer : list) {
    const auto* ip = peer.find_string("ip");
    const auto* port = peer.find_integer("port");
    const auto* id = peer.find_string("peer id");
    if (ip == nullptr || port == nullptr || *port < 1 || *port > 65535) continue;
    if (id != nullptr && base::equal(*id, own_id.view())) continue;
    if (const auto address = IpAddress::parse(base::as_text(*ip))) add_peer({*address, static_cast<std::uint16_t>(*port)}, out);
  }
}

std::expected<BencodeValue, AnswerError> decode_answer(base::ByteView body) {
  auto root = decode_bencode(body, BencodeKeys::any_order);
  if (!root) return std::unexpected(AnswerError{AnswerError::Kind::malformed, message(root.error())});
  if (root->dict() == nullptr) return std::unexpected(AnswerError{AnswerError::Kind::malformed, "not a dictionary"});
  if (const auto* reason = root->find_string("failure reason")) {
    return std::unexpected(AnswerError{AnswerError::Kind::refused, printable(*reason)});
  }
  return std::move(*root);
}

}  // namespace

bool usable_endpoint(const Endpoint& endpoint) {
  if (endpoint.port == 0 || endpoint.address.is_unspecified() || endpoint.address.is_multicast()) return false;
  if (!endpoint.address.is_v4()) return true;
  const auto octets = endpoint.address.v4_octets();
  return octets[0] != 0 && octets[0] < 224;  // RFC 1122 3.2.1.3, RFC 1112 4: this network, multicast, reserved, broadcast
}

std::string printable(base::ByteView text) {
  std::string out;
  for (const std::byte b : text.first(std::min(text.size(), kMaxTrackerTextBytes))) {
    const char c = static_cast<char>(b);
    out += c >= 0x20 && c < 0x7f ? c : '?';
  }
  return out;
}

std::string announce_url(const TrackerUrl& tracker, const AnnounceParameters& p) {
  std::string url = tracker.to_string();
  url += tracker.target.find('?') == std::string::npos ? '?' : '&';
  url += "info_hash=" + percent_encode(base::as_text(p.info_hash.view()));
  url += "&peer_id=" + percent_encode(base::as_text(p.peer_id.view()));
  url += "&port=" + std::to_string(p.port);
  url += "&uploaded=" + std::to_string(p.stats.uploaded);
  url += "&downloaded=" + std::to_string(p.stats.downloaded);
  url += "&left=" + std::to_string(p.stats.left);
  url += "&compact=1&numwant=" + std::to_string(p.event == AnnounceEvent::stopped ? 0 : p.num_want);
  std::byte key[4];
  base::store_big_endian(key, p.key);
  url += "&key=" + base::to_hex(key);
  if (p.event != AnnounceEvent::none) url += "&event=" + std::string{event_name(p.event)};
  if (p.ipv4) url += "&ipv4=" + percent_encode(p.ipv4->to_string());
  if (p.ipv6) url += "&ipv6=" + percent_encode(p.ipv6->to_string());
  if (!p.tracker_id.empty()) url += "&trackerid=" + percent_encode(p.tracker_id);
  return url;
}

std::optional<std::string> scrape_url(const TrackerUrl& tracker, std::span<const InfoHash> info_hashes) {
  if (info_hashes.empty() || info_hashes.size() > kMaxScrapeHashes) return std::nullopt;
  constexpr std::string_view kAnnounce = "announce";
  TrackerUrl scrape = tracker;
  const std::size_t path_end = std::min(scrape.target.find('?'), scrape.target.size());
  const std::size_t segment = scrape.target.rfind('/', path_end) + 1;
  if (scrape.target.compare(segment, kAnnounce.size(), kAnnounce) != 0) return std::nullopt;
  scrape.target.replace(segment, kAnnounce.size(), "scrape");
  std::string url = scrape.to_string();
  char separator = scrape.target.find('?') == std::string::npos ? '?' : '&';
  for (const InfoHash& info_hash : info_hashes) {
    url += separator;
    url += "info_hash=" + percent_encode(base::as_text(info_hash.view()));
    separator = '&';
  }
  return url;
}

std::string message(const AnswerError& error) {
  switch (error.kind) {
    case AnswerError::Kind::malformed: return "the tracker's answer cannot be read: " + error.reason;
    case AnswerError::Kind::refused: return "the tracker refused: " + error.reason;
  }
  return error.reason;
}

std::expected<AnnounceAnswer, AnswerError> parse_announce_answer(base::ByteView body, const PeerId& own_id) {
  const auto root = decode_answer(body);
  if (!root) return std::unexpected(root.error());
  const auto interval = find_seconds(*root, "interval");
  if (!interval) return std::unexpected(AnswerError{AnswerError::Kind::malformed, "no interval"});
  AnnounceAnswer answer;
  answer.interval = *interval;
  answer.min_interval = find_seconds(*root, "min interval");
  answer.seeders = find_count(*root, "complete");
  answer.leechers = find_count(*root, "incomplete");
  if (const BencodeValue* peers = root->find("peers")) {
    if (peers->string() != nullptr) decode_compact(*peers->string(), true, answer.peers);
    if (peers->list() != nullptr) decode_dictionary_peers(*peers->list(), own_id, answer.peers);
  }
  if (const auto* peers6 = root->find_string("peers6")) decode_compact(*peers6, false, answer.peers);
  if (const auto* warning = root->find_string("warning message")) answer.warning = printable(*warning);
  if (const auto* id = root->find_string("tracker id"); id != nullptr && id->size() <= kMaxTrackerIdBytes) {
    answer.tracker_id = base::as_text(*id);
  }
  if (const auto* external = root->find_string("external ip")) {
    std::vector<Endpoint> one;
    const std::string text = std::string{base::as_text(*external)} + std::string("\0\1", 2);
    if (external->size() == 4 || external->size() == 16) decode_compact(base::as_bytes(text), external->size() == 4, one);
    if (!one.empty()) answer.external_address = one.front().address;
  }
  return answer;
}

std::expected<std::vector<ScrapeEntry>, AnswerError> parse_scrape_answer(base::ByteView body) {
  const auto root = decode_answer(body);
  if (!root) return std::unexpected(root.error());
  const BencodeValue* files = root->find("files");
  if (files == nullptr || files->dict() == nullptr) return std::unexpected(AnswerError{AnswerError::Kind::malformed, "no files"});
  std::vector<ScrapeEntry> entries;
  for (const BencodeEntry& file : *files->dict()) {
    const auto info_hash = InfoHash::from(base::as_bytes(file.key));
    if (!info_hash || entries.size() == kMaxScrapeHashes) continue;
    entries.push_back({*info_hash,
                       {.seeders = find_count(file.value, "complete"),
                        .completed = find_count(file.value, "downloaded"),
                        .leechers = find_count(file.value, "incomplete")}});
  }
  return entries;
}

std::string encode_announce_answer(const AnnounceAnswer& answer) {
  const auto seconds = [](base::Duration d) { return std::chrono::duration_cast<std::chrono::seconds>(d).count(); };
  std::string out;
  BencodeWriter writer(out);
  writer.begin_dict();
  writer.string("complete"), writer.integer(answer.seeders);
  if (answer.external_address) {
    const Endpoint external{*answer.external_address, 1};
    const std::string compact = encode_compact({&external, 1}, external.address.is_v4());
    writer.string("external ip"), writer.string(std::string_view{compact}.substr(0, compact.size() - 2));
  }
  writer.string("incomplete"), writer.integer(answer.leechers);
  writer.string("interval"), writer.integer(seconds(answer.interval));
  if (answer.min_interval) writer.string("min interval"), writer.integer(seconds(*answer.min_interval));
  writer.string("peers"), writer.string(encode_compact(answer.peers, true));
  if (const std::string peers6 = encode_compact(answer.peers, false); !peers6.empty()) writer.string("peers6"), writer.string(peers6);
  if (!answer.tracker_id.empty()) writer.string("tracker id"), writer.string(answer.tracker_id);
  if (!answer.warning.empty()) writer.string("warning message"), writer.string(answer.warning);
  writer.end();
  return out;
}

std::string encode_scrape_answer(std::span<const ScrapeEntry> entries, base::Duration min_interval) {
  std::vector<ScrapeEntry> sorted(entries.begin(), entries.end());
  std::ranges::sort(sorted, {}, &ScrapeEntry::info_hash);
  const auto repeated = std::ranges::unique(sorted, {}, &ScrapeEntry::info_hash);
  sorted.erase(repeated.begin(), repeated.end());
  std::string out;
  BencodeWriter writer(out);
  writer.begin_dict();
  writer.string("files"), writer.begin_dict();
  for (const ScrapeEntry& entry : sorted) {
    writer.string(entry.info_hash.view()), writer.begin_dict();
    writer.string("complete"), writer.integer(entry.counts.seeders);
    writer.string("downloaded"), writer.integer(entry.counts.completed);
    writer.string("incomplete"), writer.integer(entry.counts.leechers);
    writer.end();
  }
  writer.end();
  writer.string("flags"), writer.begin_dict();
  writer.string("min_request_interval"), writer.integer(std::chrono::duration_cast<std::chrono::seconds>(min_interval).count());
  writer.end();
  writer.end();
  return out;
}

std::string encode_failure(std::string_view reason) {
  std::string out;
  BencodeWriter writer(out);
  writer.begin_dict();
  writer.string("failure reason"), writer.string(reason);
  writer.end();
  return out;
}

std::string encode_compact(std::span<const Endpoint> peers, bool v4) {
  base::Bytes out;
  base::Writer writer(out);
  for (const Endpoint& peer : peers) {
    if (peer.address.is_v4() != v4) continue;
    const base::ByteView octets = std::as_bytes(std::span{peer.address.v6_octets()});
    writer.write_view(v4 ? octets.last(4) : octets);
    writer.write(peer.port);
  }
  return std::string{base::as_text(out)};
}

void decode_compact(base::ByteView bytes, bool v4, std::vector<Endpoint>& out) {
  base::Reader reader(bytes);
  while (out.size() < kMaxPeersPerAnswer) {
    const auto octets = reader.read_view(v4 ? 4 : 16);
    const auto port = reader.read<std::uint16_t>();
    if (!octets || !port) return;
    if (v4) {
      std::array<std::uint8_t, 4> address{};
      std::ranges::transform(*octets, address.begin(), [](std::byte b) { return std::to_integer<std::uint8_t>(b); });
      add_peer({IpAddress::v4(address), *port}, out);
    } else {
      std::array<std::uint8_t, 16> address{};
      std::ranges::transform(*octets, address.begin(), [](std::byte b) { return std::to_integer<std::uint8_t>(b); });
      add_peer({IpAddress::v6(address), *port}, out);
    }
  }
}

}  // namespace runnel::discovery
