// HTTP trackers: announce and scrape URLs (BEP 3, 7, 23, 48) and their answers.
#pragma once
#include <expected>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/endpoint.hpp"
#include "base/time.hpp"
#include "core/discovery/tracker_url.hpp"
#include "core/discovery/types.hpp"

namespace runnel::discovery {

constexpr std::size_t kMaxPeersPerAnswer = 500;    // more are left unread; trackers send 50 to 200
constexpr std::size_t kMaxTrackerTextBytes = 200;  // of a failure reason or a warning that a user is shown
constexpr std::size_t kMaxTrackerIdBytes = 256;    // sent back with each announce (BEP 3 "tracker id")
constexpr std::size_t kMaxScrapeHashes = 64;       // BEP 15 fits 74 into a datagram

struct AnnounceParameters {
  InfoHash info_hash;
  PeerId peer_id;
  std::uint16_t port = 0;  // where peers reach us, UDP
  TransferStats stats;
  AnnounceEvent event = AnnounceEvent::none;
  std::uint32_t num_want = 50;
  std::uint32_t key = 0;  // the same in all announces of a session, so that a tracker knows us at a new address (BEP 7)
  std::optional<base::IpAddress> ipv4;  // hints (BEP 7); most trackers take the source address instead
  std::optional<base::IpAddress> ipv6;
  std::string tracker_id;
};

std::string announce_url(const TrackerUrl& tracker, const AnnounceParameters& parameters);

// nullopt when the tracker's path does not end in "announce...", which means that it has no scrape (BEP 48), or for no or
// more than kMaxScrapeHashes hashes.
std::optional<std::string> scrape_url(const TrackerUrl& tracker, std::span<const InfoHash> info_hashes);

struct AnnounceAnswer {
  base::Duration interval{};
  std::optional<base::Duration> min_interval;
  std::uint32_t seeders = 0;
  std::uint32_t leechers = 0;
  std::vector<base::Endpoint> peers;  // valid endpoints only, v4 and v6
  std::string warning;                // printable
  std::string tracker_id;
  std::optional<base::IpAddress> external_address;  // how the tracker sees us (BEP 24)
};

struct SwarmCounts {
  std::uint32_t seeders = 0;
  std::uint32_t completed = 0;  // downloads that ended since the swarm is known
  std::uint32_t leechers = 0;
};
struct ScrapeEntry {
  InfoHash info_hash;
  SwarmCounts counts;
};

struct AnswerError {
  enum class Kind { malformed, refused };
  Kind kind = Kind::malformed;
  std::string reason;  // the tracker's own words, made printable, or ours
};
std::string message(const AnswerError& error);

// `own_id`: entries of the dictionary form that carry it are ourselves and left out.
std::expected<AnnounceAnswer, AnswerError> parse_announce_answer(base::ByteView body, const PeerId& own_id);
std::expected<std::vector<ScrapeEntry>, AnswerError> parse_scrape_answer(base::ByteView body);

// The server's side. Compact peers only, as BEP 23 allows.
std::string encode_announce_answer(const AnnounceAnswer& answer);
std::string encode_scrape_answer(std::span<const ScrapeEntry> entries, base::Duration min_interval);
std::string encode_failure(std::string_view reason);

// Compact forms: 6 bytes for each IPv4 and 18 for each IPv6 peer (BEP 23, 7). Encoding skips the other family; decoding skips
// endpoints that nobody can be at (see usable_endpoint) and ignores what follows the last whole one.
std::string encode_compact(std::span<const base::Endpoint> peers, bool v4);
void decode_compact(base::ByteView bytes, bool v4, std::vector<base::Endpoint>& out);

// A unicast address and a port that is not zero.
bool usable_endpoint(const base::Endpoint& endpoint);

// Text from outside, for a user's eyes: printable ASCII, at most kMaxTrackerTextBytes.
std::string printable(base::ByteView text);

}  // namespace runnel::discovery
