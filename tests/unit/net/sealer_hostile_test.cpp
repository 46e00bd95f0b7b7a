// What strangers can do to a node that seals, and how much of it.
#include <openssl/ssl.h>

#include <cstring>

#include "unit/net/sealer_fixture.hpp"

namespace runnel::net {
namespace {

using namespace test;

// ---- limits ---------------------------------------------------------------------------------------------------------

// Strangers with addresses of their own that begin handshakes and leave them.
struct Crowd : Pair {
  DtlsContext strangers{test::secret_of(9), [](std::string_view) { return nullptr; }};
  // Up to the point where B has the cookie back.
  void begin_from(const base::Endpoint& from) {
    const auto caller = DtlsHandshake::call(strangers, key_of("film"));
    deliver({&b, from, caller->take_output()});
    caller->receive(wire.back().bytes);
    wire.clear();
    deliver({&b, from, caller->take_output()});
  }
};

TEST_F(Crowd, no_more_than_so_many_handshakes_are_held_and_they_are_let_go) {
  for (std::size_t i = 0; i < kMaxHandshakesIn; ++i) {
    wire.clear();
    begin_from({base::IpAddress::v4({198, 51, 100, static_cast<std::uint8_t>(i)}), 1000});
    ASSERT_FALSE(wire.empty()) << "handshake " << i << " goes on";
  }
  wire.clear();
  begin_from(place(200));
  EXPECT_TRUE(wire.empty());
  EXPECT_EQ(b.sealer->stats().refused, 1U);
  now += kHandshakeLife;
  b.sealer->on_timer(now);
  flush(b);
  wire.clear();
  begin_from(place(201));
  EXPECT_FALSE(wire.empty());
}

TEST_F(Crowd, no_more_than_so_many_begin_in_a_second) {
  std::size_t answered = 0;
  for (unsigned i = 0; i < kMaxHandshakesInPerSecond + 20; ++i) {
    wire.clear();
    // One place begins anew again and again: it holds one handshake at a time. Others come and go.
    begin_from({base::IpAddress::v4({198, 51, 100, static_cast<std::uint8_t>(i % 50)}), static_cast<std::uint16_t>(1000 + i % 50)});
    if (!wire.empty()) ++answered;
  }
  EXPECT_LE(answered, kMaxHandshakesInPerSecond);
  now += std::chrono::seconds{1};
  wire.clear();
  begin_from(place(202));
  EXPECT_FALSE(wire.empty());
}

TEST_F(Pair, no_more_than_so_many_calls_wait_and_so_many_are_under_way) {
  std::vector<Datagrams> out;
  for (std::size_t i = 0; i < kMaxCalls + 10; ++i) {
    const base::Endpoint to{base::IpAddress::v4({203, 0, 113, static_cast<std::uint8_t>(i)}), static_cast<std::uint16_t>(1000 + i)};
    const Bytes bytes = call_datagram();
    a.sealer->send(SendDatagrams{to, bytes, 0, Sealing{kFilm, ChannelId{0xc500'0000U + static_cast<std::uint32_t>(i)}}}, out, now);
  }
  a.sealer->take_flights(out);
  EXPECT_EQ(out.size(), kMaxHandshakesOut);
}

// ---- hostile callers ------------------------------------------------------------------------------------------------

// A caller whose OpenSSL does as the test says.
class RawCaller {
 public:
  explicit RawCaller(swarm::SealingKey with) : key_(std::move(with)) {
    SSL_CTX_set_cipher_list(context_, "ECDHE-PSK-CHACHA20-POLY1305");
    SSL_CTX_set_options(context_, SSL_OP_NO_QUERY_MTU);
    SSL_CTX_set_psk_client_callback(context_, [](SSL* s, const char*, char* id, unsigned, unsigned char* psk, unsigned) -> unsigned {
      const auto& k = *static_cast<swarm::SealingKey*>(SSL_get_app_data(s));
      std::memcpy(id, k.identity.c_str(), k.identity.size() + 1);
      std::memcpy(psk, k.shared.data(), k.shared.size());
      return static_cast<unsigned>(k.shared.size());
    });
    ssl = SSL_new(context_);
    SSL_set_app_data(ssl, &key_);
    const std::string name = "runnel-seal/1 chacha20-poly1305";
    const std::string alpn = std::string(1, static_cast<char>(name.size())) + name;
    SSL_set_alpn_protos(ssl, reinterpret_cast<const unsigned char*>(alpn.data()), static_cast<unsigned>(alpn.size()));
    BIO* const in = BIO_new(BIO_s_mem());
    BIO* const out = BIO_new(BIO_s_mem());
    BIO_set_mem_eof_return(in, -1);
    BIO_set_mem_eof_return(out, -1);
    SSL_set_bio(ssl, in, out);
    SSL_set_mtu(ssl, 1200);
    SSL_set_connect_state(ssl);
    SSL_do_handshake(ssl);
  }
  ~RawCaller() {
    SSL_free(ssl);
    SSL_CTX_free(context_);
  }
  RawCaller(const RawCaller&) = delete;
  RawCaller& operator=(const RawCaller&) = delete;

  Bytes take() {
    Bytes bytes(BIO_ctrl_pending(SSL_get_wbio(ssl)));
    if (!bytes.empty()) BIO_read(SSL_get_wbio(ssl), bytes.data(), static_cast<int>(bytes.size()));
    return bytes;
  }
  void give(const Bytes& bytes) {
    BIO_write(SSL_get_rbio(ssl), bytes.data(), static_cast<int>(bytes.size()));
    SSL_do_handshake(ssl);
  }

  SSL* ssl = nullptr;

 private:
  swarm::SealingKey key_;
  SSL_CTX* context_ = SSL_CTX_new(DTLS_client_method());
};

TEST_F(Pair, a_handshake_begun_inside_a_finished_one_ends_nothing) {
  RawCaller stranger{key_of("film")};
  for (int i = 0; i < 6 && SSL_is_init_finished(stranger.ssl) == 0; ++i) {
    if (const Bytes out = stranger.take(); !out.empty()) deliver({&b, place(66), out});
    for (; !wire.empty(); wire.pop_front()) stranger.give(wire.front().bytes);
  }
  ASSERT_TRUE(SSL_is_init_finished(stranger.ssl));
  const Bytes call = call_datagram();
  ASSERT_GT(SSL_write(stranger.ssl, call.data(), static_cast<int>(call.size())), 0);
  Bytes datagram = stranger.take();
  SSL_set_cipher_list(stranger.ssl, "ALL");   // a hello of two records
  SSL_set_mtu(stranger.ssl, 256);
  SSL_renegotiate(stranger.ssl);
  SSL_do_handshake(stranger.ssl);
  const Bytes hello = stranger.take();
  const std::size_t first = 13U + base::load_big_endian<std::uint16_t>(hello.data() + 11);
  ASSERT_LT(first, hello.size());
  datagram.insert(datagram.end(), hello.begin(), hello.begin() + static_cast<std::ptrdiff_t>(first));
  deliver({&b, place(66), datagram});
  ASSERT_EQ(b.got.size(), 1U);
  std::vector<Datagrams> out;
  const Bytes answer = answer_datagram(kA, kB);
  b.sealer->send(SendDatagrams{place(66), answer, 0, Sealing{kFilm, kB}}, out, now);   // lives
}

TEST_F(Crowd, one_host_does_not_keep_the_others_out) {
  for (std::size_t i = 0; i < kMaxHandshakesIn; ++i) {
    wire.clear();
    begin_from({base::IpAddress::v4({198, 51, 100, 7}), static_cast<std::uint16_t>(1000 + i)});
    EXPECT_EQ(!wire.empty(), i < kMaxHandshakesInOfHost) << i;
  }
  wire.clear();
  begin_from(place(200));
  EXPECT_FALSE(wire.empty());
}

TEST_F(Crowd, a_network_of_ipv6_is_one_host) {
  for (std::uint8_t i = 0; i < 2 * kMaxHandshakesInOfHost; ++i) {
    wire.clear();
    begin_from({base::IpAddress::v6({0x20, 1, 0x0d, 0xb8, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, i}), 1000});
  }
  EXPECT_TRUE(wire.empty());
}

struct Forged : Pair, testing::WithParamInterface<const char*> {};

TEST_P(Forged, in_the_clear_ends_no_handshake) {
  send(a, call_datagram(), Sealing{kFilm, kA});
  for (int i = 0; i < 3; ++i) {
    Packet packet = wire.front();
    wire.pop_front();
    deliver(packet);
  }
  deliver({&b, a.at, base::from_hex(GetParam()).value()});
  deliver_all();
  EXPECT_EQ(b.got.size(), 1U);
}
// Application data, a false change of cipher, a type that is not ours, and alerts behind other records.
INSTANTIATE_TEST_SUITE_P(Records, Forged,
                         testing::Values("17fefd0000000000000009000411223344", "14fefd0000000000000009000102",
                                         "18fefd0000000000000009000401020304", "14fefd000000000000000900010115fefd000000000000000a00020228",
                                         "16fefd0000000000000009000d1000000100090000000000010015fefd000000000000000a00020228"));

TEST_F(Pair, a_call_that_was_given_up_does_not_hold_the_place) {
  for (std::uint32_t i = 0; i < 20; ++i) {
    for (Side* side : {&a, &b}) {
      side->start(test::secret_of(static_cast<std::uint8_t>(40 + i)));
      side->sealer->add_swarm(kOther, key_of("other"));
      side->got.clear();
    }
    const ChannelId local_a{0xc100'0000U + i};
    const ChannelId local_b{0xc200'0000U + i};
    const ChannelId answer{0xc300'0000U + i};
    const ChannelId second{0xc400'0000U + i};
    send(a, call_datagram(3), Sealing{kFilm, local_a});
    send(b, call_datagram(4), Sealing{kFilm, local_b});
    deliver_all();
    b.sealer->closed(local_b);   // the engines settle on A's call
    send(b, answer_datagram(local_a, answer), Sealing{kFilm, answer});
    deliver_all();
    send(a, channel_datagram(answer), Sealing{kFilm, local_a});
    deliver_all();
    EXPECT_FALSE(a.sealer->next_deadline(now) || b.sealer->next_deadline(now)) << "a handshake lingers";
    send(a, call_datagram(9), Sealing{kOther, second});
    deliver_all();
    now += kSilence;
    a.sealer->on_timer(now);
    EXPECT_TRUE(a.sealer->take_failed().empty()) << "it would be called in the clear";
    flush(a);
    wire.clear();
  }
}

TEST_F(Pair, a_peer_that_starts_again_before_it_answered_is_heard) {
  for (std::uint8_t i = 0; i < 20; ++i) {
    for (Side* side : {&a, &b}) {
      side->start(test::secret_of(static_cast<std::uint8_t>(40 + i)));
      side->got.clear();
    }
    send(a, call_datagram(), Sealing{kFilm, kA});
    deliver_all();
    b.start(test::secret_of(99));
    send(b, call_datagram(7), Sealing{kFilm, kB});
    deliver_all();
    EXPECT_EQ(a.got.size(), 1U);
  }
}

TEST_F(Pair, a_call_is_not_begun_anew_for_each_wrong_answer) {
  send(a, call_datagram(), Sealing{kFilm, kA});
  wire.clear();
  int begun = 0;
  for (int i = 0; i < 1000; ++i) {
    deliver({&a, b.at, base::from_hex("16fefd00000000000000000010020000040000000000000004fefd0000").value()});
    a.sealer->on_timer(now);
    flush(a);
    for (const Packet& packet : wire) begun += DtlsHandshake::is_first_datagram(packet.bytes) ? 1 : 0;
    wire.clear();
  }
  EXPECT_LE(begun, 10);
}

TEST_F(Pair, a_call_that_comes_back_to_its_caller_is_told) {
  send(a, call_datagram(), Sealing{kFilm, kA});
  deliver({&a, b.at, wire.front().bytes});
  const auto failed = a.sealer->take_failed();
  ASSERT_EQ(failed.size(), 1U);
  EXPECT_EQ(failed[0].why, swarm::CallFailed::Why::ourselves);
}

TEST_F(Pair, a_handshake_that_gets_stuck_is_begun_anew) {
  send(a, call_datagram(), Sealing{kFilm, kA});
  const Packet hello = wire.front();
  wire.clear();
  deliver(hello);
  deliver(wire.front());
  wire.clear();
  b.start(test::secret_of(3));   // the other side forgets what was
  now += kCallPatience;
  a.sealer->on_timer(now);
  flush(a);
  deliver_all();
  EXPECT_EQ(b.got.size(), 1U);
}

TEST_F(Pair, noise_is_not_an_answer) {
  send(a, call_datagram(), Sealing{kFilm, kA});
  wire.clear();
  deliver({&a, b.at, Bytes(50, std::byte{22})});
  now += kSilence;
  a.sealer->on_timer(now);
  EXPECT_EQ(a.sealer->take_failed().size(), 1U);
}

}  // namespace
}  // namespace runnel::net
