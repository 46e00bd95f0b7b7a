#include "core/swarm/link.hpp"

#include <algorithm>
#include <array>
#include <charconv>

#include "base/endpoint.hpp"
#include "core/discovery/tracker_url.hpp"
#include "core/swarm/link_text.hpp"
#include "crypto/sign.hpp"

namespace runnel::swarm {
namespace {

using Status = std::expected<void, LinkError>;

constexpr std::string_view kScheme = "runnel:";
constexpr std::array<std::string_view, 5> kTrackerSchemes{"udp", "http", "https", "ws", "wss"};
constexpr std::array<std::string_view, 2> kOriginSchemes{"http", "https"};

Status fail(LinkError error) { return std::unexpected(error); }

template <class Number>
std::optional<Number> parse_number(std::string_view text) {
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// The hash function whose roots have this length. No key that kind_of() takes has one of these.
std::optional<crypto::HashAlgorithm> hash_of_root(std::size_t size) {
  const auto* const found = std::ranges::find(crypto::kHashAlgorithms, size, crypto::digest_size);
  return found != crypto::kHashAlgorithms.end() ? std::optional{*found} : std::nullopt;
}

// Sizes count the algorithm byte (RFC 7574 6.1).
bool is_ecdsa_key(base::ByteView id, std::size_t coordinate_size) {
  const bool full = id.size() == 1 + 2 * coordinate_size;
  const bool compressed = id.size() == 2 + coordinate_size && (id[1] == std::byte{2} || id[1] == std::byte{3});  // SEC 1 2.3.3
  return full || compressed;
}

// RFC 3110 2: the exponent's length (one byte, or a zero and two bytes), the exponent, the modulus.
bool is_rsa_key(base::ByteView id) {
  constexpr std::size_t kMinModulusSize = 64;
  base::Reader reader{id.subspan(1)};
  std::size_t exponent_size = reader.read<std::uint8_t>().value_or(0);
  if (exponent_size == 0) exponent_size = reader.read<std::uint16_t>().value_or(0);
  return exponent_size > 0 && reader.read_view(exponent_size) && reader.remaining() >= kMinModulusSize;
}

std::expected<LinkKind, LinkError> kind_of(base::ByteView id) {
  using crypto::SignatureAlgorithm;
  if (hash_of_root(id.size())) return LinkKind::static_content;
  if (id.empty() || id.size() > kMaxLinkIdSize) return std::unexpected(LinkError::id_length);
  const auto live_if = [](bool fits) -> std::expected<LinkKind, LinkError> {
    if (fits) return LinkKind::live;
    return std::unexpected(LinkError::id_key);
  };
  switch (static_cast<SignatureAlgorithm>(id[0])) {
    case SignatureAlgorithm::rsa_sha1:
    case SignatureAlgorithm::rsa_sha256: return live_if(is_rsa_key(id));
    case SignatureAlgorithm::ecdsa_p256_sha256: return live_if(is_ecdsa_key(id, 32));
    case SignatureAlgorithm::ecdsa_p384_sha384: return live_if(is_ecdsa_key(id, 48));
    case SignatureAlgorithm::ed25519: return live_if(id.size() == 1 + 32);
  }
  return std::unexpected(LinkError::id_length);
}

Status read_id(std::string_view text, Link& link) {
  auto id = base::from_hex(text);
  const bool hex = std::ranges::all_of(text, [](char c) { return std::string_view{"0123456789abcdefABCDEF"}.contains(c); });
  if (!hex) return fail(LinkError::id_not_hex);
  if (!id) return fail(LinkError::id_length);  // an odd number of digits
  const auto kind = kind_of(*id);
  if (!kind) return fail(kind.error());
  link.kind = *kind;
  link.id_bytes = std::move(*id);
  return {};
}

Status read_size(std::string_view value, Link& link) {
  link.size = parse_number<std::uint64_t>(value);
  return link.size && *link.size > 0 ? Status{} : fail(LinkError::bad_size);
}

Status read_title(std::string_view value, Link& link) {
  if (value.size() > kMaxLinkTitleSize || !is_utf8(value)) return fail(LinkError::bad_title);
  link.title = value;
  return {};
}

Status read_tracker(std::string_view value, Link& link) {
  if (value.size() > kMaxLinkUrlSize || !is_url(value, kTrackerSchemes)) return fail(LinkError::bad_tracker);
  if (link.trackers.size() == kMaxLinkTrackers) return fail(LinkError::too_many_trackers);
  link.trackers.emplace_back(value);
  return {};
}

Status read_peer(std::string_view value, Link& link) {
  auto peer = parse_link_peer(value);
  if (!peer) return fail(LinkError::bad_peer);
  if (link.peers.size() == kMaxLinkPeers) return fail(LinkError::too_many_peers);
  link.peers.push_back(std::move(*peer));
  return {};
}

Status read_origin(std::string_view value, Link& link) {
  if (value.size() > kMaxLinkUrlSize || !is_url(value, kOriginSchemes)) return fail(LinkError::bad_origin);
  if (link.origins.size() == kMaxLinkOrigins) return fail(LinkError::too_many_origins);
  link.origins.emplace_back(value);
  return {};
}

Status read_secret(std::string_view value, Link& link) {
  auto secret = base::from_hex(value);
  if (!secret || secret->size() < kMinLinkSecretSize || secret->size() > kMaxLinkSecretSize) return fail(LinkError::bad_secret);
  link.secret = std::move(*secret);
  return {};
}

Status read_index(std::string_view value, Link& link) {
  const std::size_t colon = value.find(':');
  if (colon == std::string_view::npos) return fail(LinkError::bad_index);
  auto root = base::from_hex(value.substr(0, colon));
  const auto size = parse_number<std::uint64_t>(value.substr(colon + 1));
  if (!root || !hash_of_root(root->size()) || !size || *size == 0) return fail(LinkError::bad_index);
  link.index = LinkIndex{std::move(*root), *size};
  return {};
}

Status read_chunk_size(std::string_view value, Link& link) {
  link.chunk_size = parse_number<std::uint32_t>(value);
  return link.chunk_size && *link.chunk_size > 0 && *link.chunk_size <= kMaxLinkChunkSize ? Status{} : fail(LinkError::bad_chunk_size);
}

Status read_addressing(std::string_view value, Link& link) {
  const auto number = parse_number<std::uint8_t>(value);
  if (!number || *number > static_cast<std::uint8_t>(wire::AddressingMethod::chunks64)) return fail(LinkError::bad_addressing);
  link.addressing = static_cast<wire::AddressingMethod>(*number);
  return {};
}

Status read_hash(std::string_view value, Link& link) {
  const auto number = parse_number<std::uint8_t>(value);
  if (!number || *number > static_cast<std::uint8_t>(crypto::HashAlgorithm::sha512)) return fail(LinkError::bad_hash);
  link.hash = static_cast<crypto::HashAlgorithm>(*number);
  // The id of a static swarm is a hash and so tells its function by its length.
  if (link.kind == LinkKind::static_content && link.hash != hash_of_root(link.id_bytes.size())) return fail(LinkError::hash_against_id);
  return {};
}

Status read_integrity(std::string_view value, Link& link) {
  using Method = wire::IntegrityMethod;
  const auto number = parse_number<std::uint8_t>(value);
  const auto fits = [&](Method method) { return number == static_cast<std::uint8_t>(method); };
  const bool live = link.kind == LinkKind::live;
  if (live ? !fits(Method::sign_all) && !fits(Method::unified_merkle_tree) : !fits(Method::merkle_tree))
    return fail(LinkError::bad_integrity);
  link.integrity = static_cast<Method>(*number);
  return {};
}

struct Parameter {
  std::string_view name;
  bool may_repeat;
  Status (*read)(std::string_view value, Link& link);
};

constexpr std::array kParameters{
    Parameter{"xl", false, read_size},    Parameter{"dn", false, read_title},      Parameter{"tr", true, read_tracker},
    Parameter{"x.pe", true, read_peer},   Parameter{"ws", true, read_origin},      Parameter{"k", false, read_secret},
    Parameter{"x.ix", false, read_index}, Parameter{"cs", false, read_chunk_size}, Parameter{"ca", false, read_addressing},
    Parameter{"hf", false, read_hash},    Parameter{"im", false, read_integrity},
};

using Seen = std::array<bool, kParameters.size()>;

Status read_parameter(std::string_view text, Link& link, Seen& seen) {
  const std::size_t equals = text.find('=');
  const std::string_view name = text.substr(0, equals);
  const auto* parameter = std::ranges::find(kParameters, name, &Parameter::name);
  if (parameter == kParameters.end()) return {};
  bool& seen_before = seen[static_cast<std::size_t>(parameter - kParameters.begin())];
  if (seen_before && !parameter->may_repeat) return fail(LinkError::repeated);
  seen_before = true;
  const auto value = discovery::percent_decode(equals == std::string_view::npos ? std::string_view{} : text.substr(equals + 1));
  if (!value) return fail(LinkError::bad_percent);
  if (has_control_character(*value)) return fail(LinkError::control_character);
  return parameter->read(*value, link);
}

Status read_parameters(std::string_view query, Link& link) {
  Seen seen{};
  for (std::size_t count = 0; !query.empty(); ++count) {
    if (count == kMaxLinkParameters) return fail(LinkError::too_many_parameters);
    const std::size_t end = query.find('&');
    if (const Status status = read_parameter(query.substr(0, end), link, seen); !status) return status;
    query = end == std::string_view::npos ? std::string_view{} : query.substr(end + 1);
  }
  return {};
}

// The text behind "runnel:", or all of it where there is no scheme.
std::expected<std::string_view, LinkError> without_scheme(std::string_view text) {
  const auto same_letter = [](char a, char b) { return (a >= 'A' && a <= 'Z' ? static_cast<char>(a - 'A' + 'a') : a) == b; };
  if (text.size() >= kScheme.size() && std::ranges::equal(text.substr(0, kScheme.size()), kScheme, same_letter)) {
    return text.substr(kScheme.size());
  }
  if (text.substr(0, text.find('?')).contains(':')) return std::unexpected(LinkError::other_scheme);
  return text;
}

class Printer {
 public:
  explicit Printer(std::string start) : out_(std::move(start)) {}
  void parameter(std::string_view name, std::string_view value) {
    out_ += first_ ? '?' : '&';
    first_ = false;
    out_ += name;
    out_ += '=';
    out_ += percent_encode(value);
  }
  void number(std::string_view name, std::uint64_t value) { parameter(name, std::to_string(value)); }
  [[nodiscard]] std::string take() { return std::move(out_); }

 private:
  std::string out_;
  bool first_ = true;
};

}  // namespace

std::string LinkPeer::to_string() const {
  const bool v6 = host.contains(':');
  return (v6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

std::optional<LinkPeer> parse_link_peer(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  const auto port = parse_number<std::uint16_t>(text.substr(colon + 1));
  if (!port || *port == 0) return std::nullopt;
  std::string_view host = text.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) {
    host = host.substr(1, host.size() - 2);
    if (!host.contains(':') || !base::IpAddress::parse(host)) return std::nullopt;
  } else if (!is_host_name(host)) {
    return std::nullopt;
  }
  return LinkPeer{std::string{host}, *port};
}

crypto::HashAlgorithm Link::hash_algorithm() const {
  if (hash) return *hash;
  if (kind == LinkKind::live) return crypto::HashAlgorithm::sha256;
  return hash_of_root(id_bytes.size()).value_or(crypto::HashAlgorithm::sha256);
}

std::uint32_t Link::chunk_size_bytes() const {
  if (chunk_size) return *chunk_size;
  // The files of older peers. Live chunks tell their size themselves, and this is the most that one may have.
  return kind == LinkKind::static_content && hash_algorithm() == crypto::HashAlgorithm::sha1 ? kDefaultCompatChunkSize : kDefaultChunkSize;
}

wire::AddressingMethod Link::addressing_method() const {
  if (addressing) return *addressing;
  return kind == LinkKind::live ? wire::AddressingMethod::chunks64 : wire::AddressingMethod::chunks32;
}

wire::IntegrityMethod Link::integrity_method() const {
  if (integrity) return *integrity;
  return kind == LinkKind::live ? wire::IntegrityMethod::unified_merkle_tree : wire::IntegrityMethod::merkle_tree;
}

std::expected<Link, LinkError> parse_link(std::string_view text) {
  text = trim(text);
  if (text.empty()) return std::unexpected(LinkError::empty);
  if (text.size() > kMaxLinkSize) return std::unexpected(LinkError::too_long);
  const auto rest = without_scheme(text.substr(0, text.find('#')));
  if (!rest) return std::unexpected(rest.error());
  const std::size_t mark = rest->find('?');
  const std::string_view id = rest->substr(0, mark);
  if (id.empty()) return std::unexpected(LinkError::empty);
  Link link;
  if (const Status status = read_id(id, link); !status) return std::unexpected(status.error());
  if (mark == std::string_view::npos) return link;
  if (const Status status = read_parameters(rest->substr(mark + 1), link); !status) return std::unexpected(status.error());
  return link;
}

std::string to_string(const Link& link) {
  Printer out{std::string{kScheme} + base::to_hex(link.id_bytes)};
  if (link.size) out.number("xl", *link.size);
  if (!link.title.empty()) out.parameter("dn", link.title);
  for (const std::string& tracker : link.trackers) out.parameter("tr", tracker);
  for (const LinkPeer& peer : link.peers) out.parameter("x.pe", peer.to_string());
  for (const std::string& origin : link.origins) out.parameter("ws", origin);
  if (!link.secret.empty()) out.parameter("k", base::to_hex(link.secret));
  if (link.index) out.parameter("x.ix", base::to_hex(link.index->root) + ":" + std::to_string(link.index->size));
  if (link.chunk_size) out.number("cs", *link.chunk_size);
  if (link.addressing) out.number("ca", static_cast<std::uint8_t>(*link.addressing));
  if (link.hash) out.number("hf", static_cast<std::uint8_t>(*link.hash));
  if (link.integrity) out.number("im", static_cast<std::uint8_t>(*link.integrity));
  return out.take();
}

bool believable_size(const Link& link, std::uint64_t bytes) {
  if (link.kind == LinkKind::live) return true;
  if (link.size) return bytes == *link.size;
  return bytes != 2 * link.id_bytes.size();
}

}  // namespace runnel::swarm
