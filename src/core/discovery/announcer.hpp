// One swarm at one tracker: when to announce what, over HTTP or UDP, and what to tell the user meanwhile. Pure.
#pragma once
#include <deque>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/endpoint.hpp"
#include "base/rng.hpp"
#include "base/time.hpp"
#include "core/discovery/http_announce.hpp"
#include "core/discovery/tracker_url.hpp"
#include "core/discovery/types.hpp"
#include "core/discovery/udp_announce.hpp"
#include "crypto/secret_rng.hpp"

namespace runnel::discovery {

// What a tracker asks for is kept within these.
constexpr base::Duration kMinAnnounceInterval = std::chrono::seconds{30};
constexpr base::Duration kMaxAnnounceInterval = std::chrono::hours{1};       // a tracker's mistake must not lose us for a day
constexpr base::Duration kDefaultMinInterval = std::chrono::seconds{60};     // where the tracker names none (UDP never does)
constexpr base::Duration kRetryFirst = std::chrono::seconds{15};             // BEP 15: 15 * 2^n; for HTTP as well
constexpr base::Duration kRetryMax = std::chrono::minutes{30};
constexpr base::Duration kUdpConnectionLife = std::chrono::seconds{60};      // BEP 15: a client uses an id for a minute
constexpr base::Duration kHttpAnswerTimeout = std::chrono::seconds{60};      // beyond what the driver allows itself
constexpr base::Duration kStopTimeout = std::chrono::seconds{1};             // nobody waits longer for a goodbye
constexpr double kRetryJitter = 0.25;                                        // added, never taken off
constexpr double kIntervalJitter = 0.1;

enum class TrackerCondition : std::uint8_t { announcing, working, failing, stopped };

struct TrackerState {
  std::string url;
  TrackerCondition condition = TrackerCondition::announcing;
  std::string text;  // for the user: "tracker HOST:PORT does not answer: next try in 30 s"
  std::uint32_t seeders = 0;   // as the tracker counts
  std::uint32_t leechers = 0;
  std::optional<base::Time> next_try;
};

// One owner, not thread-safe. One handle(), then poll() until empty, before the next handle(). It announces as soon as it is
// first polled.
class Announcer {
 public:
  struct Config {
    TrackerUrl url;
    InfoHash info_hash;
    PeerId peer_id;
    std::uint16_t port = 0;  // where peers reach us, UDP
    std::uint32_t key = 0;
    std::uint32_t num_want = 50;
    std::optional<base::IpAddress> ipv4;  // hints for the tracker (BEP 7)
    std::optional<base::IpAddress> ipv6;
  };

  // --- inputs. Views need to live only for the call.
  struct HttpAnswered {
    std::uint64_t request = 0;
    unsigned status = 0;
    base::ByteView body;
  };
  struct SendFailed {  // no name, no route, no connection, no valid certificate, timeout; of SendHttp and SendUdp
    std::uint64_t request = 0;
    std::string reason;  // for the user
  };
  struct UdpReceived {  // from the endpoint that the last SendUdp went to
    base::ByteView datagram;
    bool v4 = true;
  };
  struct StatsChanged {
    TransferStats stats;
  };
  struct Completed {};  // a download ended (not: was whole from the start): told at once, and once
  struct NeedPeers {};  // announce as soon as the tracker's minimum interval allows
  struct Stop {};       // say goodbye; Finished follows within kStopTimeout
  using Input = std::variant<HttpAnswered, SendFailed, UdpReceived, StatsChanged, Completed, NeedPeers, Stop>;

  // --- outputs
  struct SendHttp {
    std::uint64_t request = 0;
    std::string url;
  };
  struct SendUdp {
    std::uint64_t request = 0;
    std::string host;
    std::uint16_t port = 0;
    base::Bytes datagram;
  };
  struct PeersFound {
    std::vector<base::Endpoint> peers;
    std::optional<base::IpAddress> external_address;  // how the tracker sees us
  };
  struct StateChanged {
    TrackerState state;
  };
  struct Finished {};  // after Stop; nothing follows
  using Output = std::variant<SendHttp, SendUdp, PeersFound, StateChanged, Finished>;

  // `rng` for jitter; `secrets` for transaction ids, which an off-path sender must not guess.
  Announcer(Config config, base::Rng rng, const crypto::SecretRng::Seed& secrets, base::Time now);

  void handle(const Input& input, base::Time now);
  [[nodiscard]] std::optional<Output> poll(base::Time now);
  // When to poll again without an input; nullopt once finished.
  [[nodiscard]] std::optional<base::Time> next_deadline() const;

 private:
  struct InFlight {
    std::uint64_t request = 0;
    AnnounceEvent event = AnnounceEvent::none;
    std::uint32_t transaction = 0;  // UDP
    bool connecting = false;        // UDP
    bool reused_connection = false; // UDP: the id is older than this announce
    base::Time deadline;
  };
  struct Connection {
    std::uint64_t id = 0;
    base::Time expires;
  };

  void on(const HttpAnswered& input, base::Time now);
  void on(const SendFailed& input, base::Time now);
  void on(const UdpReceived& input, base::Time now);
  void on(const StatsChanged& input, base::Time now);
  void on(const Completed& input, base::Time now);
  void on(const NeedPeers& input, base::Time now);
  void on(const Stop& input, base::Time now);

  void advance(base::Time now);
  void send(AnnounceEvent event, base::Time now);
  void send_udp(AnnounceEvent event, base::Time now);
  void send_connect(base::Time now);
  void send_udp_announce(base::Time now, bool reused);
  void succeeded(AnnounceAnswer answer, base::Time now);
  void failed(const std::string& reason, base::Time now);
  void timed_out(base::Time now);
  void finish();
  void report(TrackerCondition condition, std::string text);
  [[nodiscard]] AnnounceEvent next_event() const;
  [[nodiscard]] AnnounceParameters parameters(AnnounceEvent event) const;
  [[nodiscard]] base::Duration back_off(unsigned doublings);  // kRetryFirst * 2^doublings, jittered, at most kRetryMax
  [[nodiscard]] base::Duration with_jitter(base::Duration d, double share);
  [[nodiscard]] bool is_udp() const { return config_.url.scheme == TrackerScheme::udp; }

  Config config_;
  base::Rng rng_;
  crypto::SecretRng secrets_;
  TransferStats stats_;
  TrackerState state_;
  std::deque<Output> outputs_;  // at most a send, peers and a state for each input
  std::optional<InFlight> in_flight_;
  std::optional<Connection> connection_;
  base::Time next_at_;
  base::Time last_success_;
  base::Duration min_interval_ = kDefaultMinInterval;
  std::string tracker_id_;
  std::uint64_t requests_ = 0;
  unsigned failures_ = 0;       // in a row
  bool registered_ = false;     // "started" was answered
  bool maybe_known_ = false;    // something was sent that the tracker may have taken in
  bool completed_pending_ = false;
  bool stopping_ = false;
  bool finished_ = false;
};

}  // namespace runnel::discovery
