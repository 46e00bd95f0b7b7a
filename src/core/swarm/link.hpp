// Links: the text that names a swarm, and all that is needed to join it.
//
//   runnel:<id>?xl=<bytes>&dn=<title>&tr=<tracker>&x.pe=<host:port>&ws=<origin>&k=<secret>&x.ix=<root>:<bytes>&cs=&ca=&hf=&im=
//
// The names are those of magnet links where magnet has one. A bare id is a link too.
#pragma once
#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.hpp"
#include "core/wire/types.hpp"
#include "crypto/hash.hpp"

namespace runnel::swarm {

// Limits on what a stranger's link can make us hold. All in bytes unless they count something.
constexpr std::size_t kMaxLinkSize = 16 * 1024;
constexpr std::size_t kMaxLinkParameters = 256;  // unknown ones included
constexpr std::size_t kMaxLinkIdSize = 1024;     // as in a handshake; RSA keys are the long ones
constexpr std::size_t kMaxLinkTitleSize = 256;
constexpr std::size_t kMaxLinkUrlSize = 1024;  // one tracker or origin
constexpr std::size_t kMaxLinkHostSize = 253;  // a name in the DNS (RFC 1035 2.3.4)
constexpr std::size_t kMaxLinkTrackers = 32;
constexpr std::size_t kMaxLinkPeers = 64;
constexpr std::size_t kMaxLinkOrigins = 16;
constexpr std::size_t kMinLinkSecretSize = 16;
constexpr std::size_t kMaxLinkSecretSize = 64;

constexpr std::uint32_t kDefaultChunkSize = 1080;        // bytes; one datagram with one hash, also inside SCTP and on IPv6
constexpr std::uint32_t kDefaultCompatChunkSize = 1024;  // what SHA-1 swarms have always had (RFC 7574 8.1)
constexpr std::uint32_t kMaxLinkChunkSize = 60'000;      // a chunk and its messages travel in one UDP datagram

enum class LinkKind : std::uint8_t {
  static_content,  // a finite file; the id is the root of its hash tree
  live,            // an endless stream; the id is its publisher's public key
};

// Where a peer may be found; the host is a name or a numeric address (IPv6 without brackets).
struct LinkPeer {
  std::string host;
  std::uint16_t port = 0;
  [[nodiscard]] std::string to_string() const;  // host:port, IPv6 in brackets
  friend bool operator==(const LinkPeer&, const LinkPeer&) = default;
};

// "host:port" with a name, an IPv4 address or a bracketed IPv6 address; nullopt for anything else and for port 0.
std::optional<LinkPeer> parse_link_peer(std::string_view text);

// The small static swarm that holds the seek index of a film whose container has none.
struct LinkIndex {
  base::Bytes root;
  std::uint64_t size = 0;  // bytes
  friend bool operator==(const LinkIndex&, const LinkIndex&) = default;
};

struct Link {
  LinkKind kind = LinkKind::static_content;
  // As printed: a root hash, or algorithm byte and key with P-256 usually compressed. crypto::expand_key() turns a live id into
  // the form that goes on the wire.
  base::Bytes id_bytes;
  std::optional<std::uint64_t> size;                 // xl: bytes of a static swarm, never 0
  std::string title;                                 // dn: UTF-8 without control characters; empty if not given
  std::vector<std::string> trackers;                 // tr: udp, http, https, ws or wss URLs
  std::vector<LinkPeer> peers;                       // x.pe
  std::vector<std::string> origins;                  // ws: http or https URLs of servers that hold the same bytes
  base::Bytes secret;                                // k: empty if the swarm is not private
  std::optional<LinkIndex> index;                    // x.ix
  std::optional<std::uint32_t> chunk_size;           // cs: bytes
  std::optional<wire::AddressingMethod> addressing;  // ca: the number of RFC 7574 7.8
  std::optional<crypto::HashAlgorithm> hash;         // hf: the number of RFC 7574 7.6; the root of a file tells it by its length
  std::optional<wire::IntegrityMethod> integrity;    // im: the number of RFC 7574 7.5; of a file 1, of a live stream 2 or 3

  // What holds when the link does not say.
  [[nodiscard]] crypto::HashAlgorithm hash_algorithm() const;
  [[nodiscard]] std::uint32_t chunk_size_bytes() const;
  [[nodiscard]] wire::AddressingMethod addressing_method() const;
  [[nodiscard]] wire::IntegrityMethod integrity_method() const;

  friend bool operator==(const Link&, const Link&) = default;
};

enum class LinkError : std::uint8_t {
  empty,
  too_long,
  too_many_parameters,
  other_scheme,
  id_not_hex,
  id_length,
  id_key,
  bad_percent,
  control_character,
  repeated,
  bad_size,
  bad_title,
  bad_tracker,
  too_many_trackers,
  bad_peer,
  too_many_peers,
  bad_origin,
  too_many_origins,
  bad_secret,
  bad_index,
  bad_chunk_size,
  bad_addressing,
  bad_hash,
  hash_against_id,
  bad_integrity,
};

// A sentence for the one who pasted the link. The text lives for ever.
std::string_view message(LinkError error);

// Spaces around the link are ignored, as are parameters that are not known and a fragment (#...).
std::expected<Link, LinkError> parse_link(std::string_view text);

// The link's only printed form: lowercase id, parameters in the order above, only those that are set.
std::string to_string(const Link& link);

// Whether content of `bytes` may be what the link names. Leaves and nodes are hashed alike in RFC 7574, so the root's two
// children joined would pass as a whole file of exactly two hashes. A link that carries its size rules that out; for a bare id
// such a size is never believed, and the full link is needed.
bool believable_size(const Link& link, std::uint64_t bytes);

}  // namespace runnel::swarm
