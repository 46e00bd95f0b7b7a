#include "core/discovery/udp_announce.hpp"

namespace runnel::discovery {
namespace {

enum class Action : std::uint32_t { connect = 0, announce = 1, scrape = 2, error = 3 };

// BEP 41
constexpr std::uint8_t kOptionEnd = 0;
constexpr std::uint8_t kOptionNop = 1;
constexpr std::uint8_t kOptionUrlData = 2;
constexpr std::size_t kMaxPathBytes = 1024;

constexpr std::uint32_t kDefaultNumWant = 0xffff'ffff;  // -1

void write_action(base::Writer& writer, Action action, std::uint32_t transaction) {
  writer.write(static_cast<std::uint32_t>(action));
  writer.write(transaction);
}

void write_path(base::Writer& writer, std::string_view path) {
  path = path.substr(0, kMaxPathBytes);
  while (!path.empty()) {
    const std::string_view part = path.substr(0, 255);
    writer.write(kOptionUrlData);
    writer.write(static_cast<std::uint8_t>(part.size()));
    writer.write_view(base::as_bytes(part));
    path.remove_prefix(part.size());
  }
}

// Options that we do not know have a length too, so they are passed over; a broken one ends the list.
std::string read_path(base::Reader& reader) {
  std::string path;
  while (const auto type = reader.read<std::uint8_t>()) {
    if (*type == kOptionEnd) break;
    if (*type == kOptionNop) continue;
    const auto length = reader.read<std::uint8_t>();
    const auto data = length ? reader.read_view(*length) : std::nullopt;
    if (!data) break;
    if (*type == kOptionUrlData && path.size() + data->size() <= kMaxPathBytes) path += base::as_text(*data);
  }
  return path;
}

std::optional<UdpRequest> decode_announce(base::Reader& reader, std::uint64_t connection, std::uint32_t transaction) {
  if (reader.remaining() < kUdpAnnounceSize - 16) return std::nullopt;
  UdpAnnounce request{.connection = connection, .transaction = transaction};
  AnnounceParameters& p = request.parameters;
  p.info_hash = *InfoHash::from(*reader.read_view(kIdSize));
  p.peer_id = *PeerId::from(*reader.read_view(kIdSize));
  p.stats.downloaded = *reader.read<std::uint64_t>();
  p.stats.left = *reader.read<std::uint64_t>();
  p.stats.uploaded = *reader.read<std::uint64_t>();
  const auto event = *reader.read<std::uint32_t>();
  if (event > static_cast<std::uint32_t>(AnnounceEvent::stopped)) return std::nullopt;
  p.event = static_cast<AnnounceEvent>(event);
  if (const auto ip = *reader.read<std::uint32_t>(); ip != 0) {
    p.ipv4 = base::IpAddress::v4({static_cast<std::uint8_t>(ip >> 24), static_cast<std::uint8_t>(ip >> 16),
                                  static_cast<std::uint8_t>(ip >> 8), static_cast<std::uint8_t>(ip)});
  }
  p.key = *reader.read<std::uint32_t>();
  p.num_want = *reader.read<std::uint32_t>();
  p.port = *reader.read<std::uint16_t>();
  request.path = read_path(reader);
  return request;
}

std::optional<UdpRequest> decode_scrape(base::Reader& reader, std::uint64_t connection, std::uint32_t transaction) {
  UdpScrape request{.connection = connection, .transaction = transaction};
  while (request.info_hashes.size() < kMaxScrapeHashes) {
    const auto info_hash = reader.read_view(kIdSize);
    if (!info_hash) break;
    request.info_hashes.push_back(*InfoHash::from(*info_hash));
  }
  if (request.info_hashes.empty()) return std::nullopt;
  return request;
}

std::optional<UdpAnswer> decode_announced(base::Reader& reader, std::uint32_t transaction, bool v4) {
  const auto interval = reader.read<std::uint32_t>();
  const auto leechers = reader.read<std::uint32_t>();
  const auto seeders = reader.read<std::uint32_t>();
  if (!interval || !leechers || !seeders) return std::nullopt;
  UdpAnnounced answer{.transaction = transaction, .interval_s = *interval, .leechers = *leechers, .seeders = *seeders};
  decode_compact(reader.rest(), v4, answer.peers);
  return answer;
}

UdpScraped decode_scraped(base::Reader& reader, std::uint32_t transaction) {
  UdpScraped answer{.transaction = transaction};
  while (answer.counts.size() < kMaxScrapeHashes) {
    const auto seeders = reader.read<std::uint32_t>();
    const auto completed = reader.read<std::uint32_t>();
    const auto leechers = reader.read<std::uint32_t>();
    if (!seeders || !completed || !leechers) break;
    answer.counts.push_back({*seeders, *completed, *leechers});
  }
  return answer;
}

}  // namespace

base::Bytes encode(const UdpConnect& request) {
  base::Bytes out;
  base::Writer writer(out);
  writer.write(kUdpProtocolId);
  write_action(writer, Action::connect, request.transaction);
  return out;
}

base::Bytes encode(const UdpAnnounce& request) {
  const AnnounceParameters& p = request.parameters;
  base::Bytes out;
  base::Writer writer(out);
  writer.write(request.connection);
  write_action(writer, Action::announce, request.transaction);
  writer.write_view(p.info_hash.view());
  writer.write_view(p.peer_id.view());
  writer.write(p.stats.downloaded);
  writer.write(p.stats.left);
  writer.write(p.stats.uploaded);
  writer.write(static_cast<std::uint32_t>(p.event));
  if (p.ipv4 && p.ipv4->is_v4()) {
    writer.write_view(std::as_bytes(std::span{p.ipv4->v6_octets()}).last(4));
  } else {
    writer.write(std::uint32_t{0});
  }
  writer.write(p.key);
  writer.write(p.num_want > 0x7fff'ffff ? kDefaultNumWant : p.num_want);
  writer.write(p.port);
  write_path(writer, request.path);
  return out;
}

base::Bytes encode(const UdpScrape& request) {
  base::Bytes out;
  base::Writer writer(out);
  writer.write(request.connection);
  write_action(writer, Action::scrape, request.transaction);
  const std::size_t count = std::min(request.info_hashes.size(), kMaxScrapeHashes);
  for (const InfoHash& info_hash : std::span{request.info_hashes}.first(count)) writer.write_view(info_hash.view());
  return out;
}

std::optional<UdpRequest> decode_udp_request(base::ByteView datagram) {
  base::Reader reader(datagram);
  const auto connection = reader.read<std::uint64_t>();
  const auto action = reader.read<std::uint32_t>();
  const auto transaction = reader.read<std::uint32_t>();
  if (!connection || !action || !transaction) return std::nullopt;
  if (*action == static_cast<std::uint32_t>(Action::connect)) {
    if (*connection != kUdpProtocolId) return std::nullopt;
    return UdpConnect{*transaction};
  }
  if (*action == static_cast<std::uint32_t>(Action::announce)) return decode_announce(reader, *connection, *transaction);
  if (*action == static_cast<std::uint32_t>(Action::scrape)) return decode_scrape(reader, *connection, *transaction);
  return std::nullopt;
}

base::Bytes encode(const UdpConnected& answer) {
  base::Bytes out;
  base::Writer writer(out);
  write_action(writer, Action::connect, answer.transaction);
  writer.write(answer.connection);
  return out;
}

base::Bytes encode(const UdpAnnounced& answer, bool v4) {
  base::Bytes out;
  base::Writer writer(out);
  write_action(writer, Action::announce, answer.transaction);
  writer.write(answer.interval_s);
  writer.write(answer.leechers);
  writer.write(answer.seeders);
  writer.write_view(base::as_bytes(encode_compact(answer.peers, v4)));
  return out;
}

base::Bytes encode(const UdpScraped& answer) {
  base::Bytes out;
  base::Writer writer(out);
  write_action(writer, Action::scrape, answer.transaction);
  for (const SwarmCounts& counts : answer.counts) {
    writer.write(counts.seeders);
    writer.write(counts.completed);
    writer.write(counts.leechers);
  }
  return out;
}

base::Bytes encode(const UdpError& answer) {
  base::Bytes out;
  base::Writer writer(out);
  write_action(writer, Action::error, answer.transaction);
  writer.write_view(base::as_bytes(answer.reason));
  return out;
}

std::optional<UdpAnswer> decode_udp_answer(base::ByteView datagram, bool v4) {
  base::Reader reader(datagram);
  const auto action = reader.read<std::uint32_t>();
  const auto transaction = reader.read<std::uint32_t>();
  if (!action || !transaction) return std::nullopt;
  if (*action == static_cast<std::uint32_t>(Action::connect)) {
    const auto connection = reader.read<std::uint64_t>();
    if (!connection) return std::nullopt;
    return UdpConnected{*transaction, *connection};
  }
  if (*action == static_cast<std::uint32_t>(Action::announce)) return decode_announced(reader, *transaction, v4);
  if (*action == static_cast<std::uint32_t>(Action::scrape)) return decode_scraped(reader, *transaction);
  if (*action == static_cast<std::uint32_t>(Action::error)) return UdpError{*transaction, printable(reader.rest())};
  return std::nullopt;
}

std::uint32_t transaction_of(const UdpAnswer& answer) {
  return std::visit([](const auto& a) { return a.transaction; }, answer);
}

}  // namespace runnel::discovery
