// One DTLS 1.2 handshake between two nodes that share a key (RFC 6347, RFC 4279, RFC 5489), by OpenSSL: datagrams in, datagrams out.
// What it leaves behind are secrets for sealed channels (RFC 5705); then it goes, for it holds some 50 kB.
#pragma once
#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.hpp"
#include "base/endpoint.hpp"
#include "base/time.hpp"
#include "core/swarm/sealing_key.hpp"
#include "crypto/seal.hpp"

namespace runnel::net {

// The first byte of a DTLS record (RFC 7983 7).
constexpr bool is_dtls(std::byte first) { return first >= std::byte{20} && first <= std::byte{63}; }

// What a finished handshake gives.
struct DtlsSecrets {
  crypto::SealAlgorithm algorithm = crypto::SealAlgorithm::chacha20_poly1305;
  std::array<std::byte, 32> caller{};      // for what the caller sends
  std::array<std::byte, 32> answerer{};
};

// What the handshakes of one node share. Outlives them. One owner, not thread-safe.
class DtlsContext {
 public:
  // Gives the key that an identity names; nullptr: none is known by that name.
  using FindKey = std::function<const swarm::SealingKey*(std::string_view identity)>;
  // `secret` is behind cookies, and behind the keys of identities that are not known.
  DtlsContext(base::ByteView secret, FindKey find_key);
  ~DtlsContext();
  DtlsContext(const DtlsContext&) = delete;
  DtlsContext& operator=(const DtlsContext&) = delete;

  struct State;   // dtls.cpp
  [[nodiscard]] State& state() const { return *state_; }

 private:
  std::unique_ptr<State> state_;
};

// One owner, not thread-safe.
class DtlsHandshake {
 public:
  // The side that calls: its first datagram waits in take_output() at once.
  static std::unique_ptr<DtlsHandshake> call(DtlsContext& context, const swarm::SealingKey& key);
  // The side that is called. It keeps nothing until listen() has said true.
  static std::unique_ptr<DtlsHandshake> answer(DtlsContext& context);
  ~DtlsHandshake();

  // Answering: a stranger's first datagram. False: it gets a cookie to send back (take_output(), not longer than what came), or
  // nothing; this may listen to others. True: the cookie was ours, so that it is where it says; proceed() goes on from there.
  [[nodiscard]] bool listen(const base::Endpoint& from, base::ByteView datagram, base::Time now);
  void proceed();

  // False: it has no place in this handshake, and was not looked at.
  bool receive(base::ByteView datagram);
  [[nodiscard]] bool finished() const;
  // It cannot finish any more.
  [[nodiscard]] bool failed() const;

  // Once finished: a datagram to the other side (it may fail all the same), and one of those that came from it.
  void write(base::ByteView datagram);
  [[nodiscard]] std::optional<base::Bytes> read();
  [[nodiscard]] DtlsSecrets secrets() const;
  // Names the key that both sides hold, once finished.
  [[nodiscard]] const std::string& identity() const;

  // What is to be sent, at most one datagram; empty: nothing.
  [[nodiscard]] base::Bytes take_output();
  // Datagrams may be lost: call on_timer() after so long.
  [[nodiscard]] std::optional<base::Duration> until_timer() const;
  void on_timer();

  // A handshake's first datagram (ClientHello).
  [[nodiscard]] static bool is_first_datagram(base::ByteView datagram);
  // It is the one that this handshake began with.
  [[nodiscard]] bool is_repeated(base::ByteView first_datagram) const;
  // Calling, while the other side calls as well: whether ours is to be given up. The two sides never say the same.
  [[nodiscard]] bool yields_to(base::ByteView their_first_datagram) const;

  struct State;   // dtls.cpp

 private:
  explicit DtlsHandshake(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace runnel::net
