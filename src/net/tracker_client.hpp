// Announces swarms to trackers and hands on the peers that they tell: drives discovery::Announcer with real sockets and time.
#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/endpoint.hpp"
#include "core/discovery/announcer.hpp"
#include "core/discovery/types.hpp"
#include "crypto/secret_rng.hpp"
#include "net/http_get.hpp"
#include "net/resolver.hpp"

namespace runnel::net {

constexpr std::size_t kMaxAnnouncers = 256;  // of one client; a link may name many trackers, a node may hold many swarms

enum class TrackerClientError : std::uint8_t { bad_url, too_many, stopping };
std::string message(TrackerClientError error);

// Owned and used by the thread that runs the io_context; destroyed before it. Callbacks run on that thread, never inside a
// call to this class, and may call it back, but must not destroy it.
class TrackerClient {
 public:
  struct Config {
    discovery::PeerId peer_id;
    std::uint16_t port = 0;  // where peers reach us, UDP
    // Addresses of this machine: with `port` they are ourselves and left out of what trackers tell.
    std::vector<base::IpAddress> own_addresses;
    std::uint32_t num_want = 50;
    std::uint64_t rng_seed = 0;           // for jitter
    crypto::SecretRng::Seed secret{};     // for transaction ids and keys
    std::string ca_file;                  // PEM, instead of the system's authorities
  };
  struct Callbacks {
    // Unicast endpoints that the tracker has a right to tell (discovery::may_believe), without ourselves; may repeat.
    std::function<void(const std::vector<base::Endpoint>&)> on_peers;
    std::function<void(const discovery::TrackerState&)> on_state;
  };

  TrackerClient(boost::asio::io_context& io, Config config);
  ~TrackerClient();
  TrackerClient(const TrackerClient&) = delete;
  TrackerClient& operator=(const TrackerClient&) = delete;

  // Announces at once, then as the tracker wishes. A host with IPv4 and IPv6 addresses gets an announce over each (BEP 7). The
  // same URL and swarm twice is one.
  std::expected<void, TrackerClientError> add(std::string_view url, const discovery::InfoHash& info_hash, Callbacks callbacks);
  // Says "stopped" to the swarm's trackers in the background.
  void remove(const discovery::InfoHash& info_hash);

  void set_stats(const discovery::InfoHash& info_hash, const discovery::TransferStats& stats);
  void set_stats(const discovery::TransferStats& stats);  // of all swarms
  void completed(const discovery::InfoHash& info_hash);   // the download ended
  void need_peers(const discovery::InfoHash& info_hash);  // ask again as soon as the trackers allow
  void add_own_address(const base::IpAddress& address);

  [[nodiscard]] std::vector<discovery::TrackerState> states() const;

  // Says "stopped" everywhere and then calls `done`, after at most about a second. Nothing can be added afterwards.
  void stop(std::function<void()> done);

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;  // with the handlers under way, which look whether it is still alive
};

}  // namespace runnel::net
