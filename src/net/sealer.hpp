// Stands between the socket and the engine: opens what comes in, seals what goes out, and holds the DTLS handshakes that this takes
// (design decisions 9 and 17). The engine says which datagrams are to be sealed and hears which were.
#pragma once
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/bytes.hpp"
#include "base/endpoint.hpp"
#include "base/time.hpp"
#include "core/swarm/io.hpp"
#include "core/swarm/sealing_key.hpp"
#include "net/datagram_socket.hpp"
#include "net/dtls.hpp"
#include "net/sealed_channel.hpp"
#include "net/sealed_train.hpp"

namespace runnel::net {

// Handshakes under way, each some 50 kB. Of one host (an IPv4 address, an IPv6 /64; loopback apart) so many that it takes eight to fill the
// table.
constexpr std::size_t kMaxHandshakesIn = 64;
constexpr std::size_t kMaxHandshakesInOfHost = 8;
constexpr std::size_t kMaxHandshakesOut = 64;
constexpr base::Duration kHandshakeLife = std::chrono::seconds{10};
// Begun by others, a second: each costs some 0.3 ms of computing.
constexpr unsigned kMaxHandshakesInPerSecond = 200;
constexpr unsigned kMaxHandshakesInPerSecondOfHost = 25;
// One of ours that is not through by then is begun anew: somebody may have forged a part of it, or the other side started again.
constexpr base::Duration kCallPatience{2'500'000};
// Calls that wait for a handshake with the same place to end; a node rarely joins more swarms of one peer at a time.
constexpr std::size_t kMaxCalls = 256;
// Whoever says nothing at all for so long may know nothing of DTLS (design decision 9).
constexpr base::Duration kSilence{500'000};

struct SealerStats {
  std::uint64_t handshakes = 0;  // finished
  std::uint64_t refused = 0;  // begun by others beyond a limit
  std::uint64_t rejected = 0;  // datagrams for a sealed channel that were forged, damaged or repeated
};

// One owner, not thread-safe: the engine's thread.
class Sealer {
 public:
  // `secret`: 32 random bytes.
  explicit Sealer(base::ByteView secret);
  Sealer(const Sealer&) = delete;
  Sealer& operator=(const Sealer&) = delete;

  void add_swarm(swarm::SwarmHandle swarm, const swarm::SealingKey& key);
  void remove_swarm(swarm::SwarmHandle swarm);

  // What the socket received. What the engine is to have of it is in received(), until the next call; sealed datagrams are opened
  // where they lie.
  void receive(std::span<const ReceivedDatagrams> trains, base::Time now);
  [[nodiscard]] std::span<const swarm::DatagramIn> received() const { return received_; }

  // What the engine wants sent: appended to `out`, sealed or as it is, or kept until a handshake is through.
  void send(const swarm::SendDatagrams& send, std::vector<Datagrams>& out, base::Time now);
  // Handshakes' own datagrams, appended to `out`.
  void take_flights(std::vector<Datagrams>& out);
  // All that was appended is sent or copied; its memory serves again.
  void sent();

  // The engine closed a channel whose datagrams it wanted sealed.
  void closed(wire::ChannelId local);

  void on_timer(base::Time now);
  [[nodiscard]] std::optional<base::Time> next_deadline(base::Time now) const;
  // Calls that lead nowhere. Each is told once.
  [[nodiscard]] std::vector<swarm::CallFailed> take_failed() { return std::exchange(failed_, {}); }

  [[nodiscard]] const SealerStats& stats() const { return stats_; }

 private:
  // A handshake with one place, and the calls and answers that travel inside it.
  struct Session {
    std::unique_ptr<DtlsHandshake> dtls;
    bool calls = false;  // we are DTLS's client
    bool heard = false;
    std::optional<swarm::SwarmHandle> swarm;  // answering: known when it is finished
    std::optional<DtlsSecrets> secrets;
    base::Time begun;
    std::optional<base::Time> timer;  // when it says something again; to ask DTLS with each read costs too much
    std::vector<wire::ChannelId> waiting;  // channels of ours whose first datagram got no answer yet
    bool resolved = false;  // one of them did

    [[nodiscard]] bool done() const { return resolved && waiting.empty(); }
  };
  using Sessions = std::map<base::Endpoint, Session>;
  // A channel whose datagrams are sealed, by our id.
  struct Channel {
    swarm::SwarmHandle swarm;
    base::Endpoint peer;
    DtlsSecrets secrets;  // until both directions have their keys
    bool calls = false;  // we are DTLS's client
    std::optional<SealedReceiver> receiver;  // once the other side's id is known
    std::optional<SealedSender> sender;
    bool met = false;  // both sides have had a first datagram inside the handshake
  };
  struct Call {
    swarm::SwarmHandle swarm;
    base::Endpoint to;
    base::Bytes datagram;
    bool told = false;  // that it leads nowhere
    base::Time not_before{};  // a handshake that failed is not begun anew at once
  };

  void on_datagram(const base::Endpoint& from, base::MutableByteView datagram, base::Time now);
  void on_sealed(const base::Endpoint& from, wire::ChannelId local, Channel& channel, base::MutableByteView datagram, base::Time now);
  void on_dtls(const base::Endpoint& from, base::ByteView datagram, base::Time now);
  void on_hello(const base::Endpoint& from, base::ByteView datagram, base::Time now);
  void on_progress(Sessions::iterator at, base::Time now);
  void on_inner(Sessions::iterator at, base::Bytes datagram);
  void resolved(const base::Endpoint& at, wire::ChannelId local, base::Time now);
  void end(Sessions::iterator at, base::Time now);
  void tell(wire::ChannelId local, Call& call, swarm::CallFailed::Why why);
  void meet(wire::ChannelId local, Channel& channel, wire::ChannelId remote);

  void seal_train(Channel& channel, const swarm::SendDatagrams& send, std::vector<Datagrams>& out);
  void call(const swarm::SendDatagrams& send, base::ByteView datagram, base::Time now);
  void answer(const swarm::SendDatagrams& send, base::ByteView datagram, base::Time now);
  void begin(Call& call, base::Time now);
  void send_calls(Sessions::iterator at);
  void send_inner(Sessions::iterator at, wire::ChannelId local, base::ByteView datagram);
  static void set_timer(Session& session, base::Time now);
  void gather_flight(Sessions::iterator at);

  [[nodiscard]] bool may_begin(const base::Endpoint& from, base::Time now);
  [[nodiscard]] std::size_t count(bool calls) const;
  [[nodiscard]] static base::Duration life_of(const Session& session) {
    return session.calls && !session.secrets ? kCallPatience : kHandshakeLife;
  }

  std::map<swarm::SwarmHandle, swarm::SealingKey> keys_;
  std::map<std::string, swarm::SwarmHandle, std::less<>> by_identity_;
  DtlsContext dtls_;
  std::unique_ptr<DtlsHandshake> listener_;
  Sessions sessions_;
  std::map<wire::ChannelId, Call> calls_;
  std::unordered_map<wire::ChannelId, Channel> channels_;
  std::vector<swarm::CallFailed> failed_;

  std::vector<swarm::DatagramIn> received_;
  base::Duration waited_{};  // what is being received
  std::deque<base::Bytes> inner_;  // what came inside handshakes, for received_
  struct Flight {
    base::Endpoint to;
    base::Bytes bytes;
  };
  std::vector<Flight> flights_;  // to be sent
  std::vector<Flight> leaving_;  // given away by take_flights(), until sent()
  SealedTrains sealed_;
  base::Time second_{};  // of kMaxHandshakesInPerSecond
  unsigned begun_in_second_ = 0;
  std::map<base::IpAddress, unsigned> begun_by_host_;  // in that second
  SealerStats stats_;
};

}  // namespace runnel::net
