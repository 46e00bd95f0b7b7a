#include "net/dtls.hpp"

#include <gtest/gtest.h>

#include <thread>

#include "unit/net/sealing_fixture.hpp"

namespace runnel::net {
namespace {

using base::Bytes;
using test::key_of;
using test::place;

const base::Time kNow{std::chrono::hours{1}};

struct Dtls : testing::Test {
  test::Keys keys{{key_of("film")}};
  DtlsContext caller_context{test::secret_of(1), [](std::string_view) { return nullptr; }};
  DtlsContext answerer_context{test::secret_of(2), [this](std::string_view identity) { return keys.find(identity); }};
  std::unique_ptr<DtlsHandshake> answerer = DtlsHandshake::answer(answerer_context);
  std::vector<std::size_t> sizes;   // of what went over the wire, both ways

  // The answerer's side of one datagram; what it says.
  Bytes to_answerer(const Bytes& datagram, bool& listening) {
    if (listening) {
      if (answerer->listen(place(1), datagram, kNow)) {
        listening = false;
        answerer->proceed();
      }
    } else {
      answerer->receive(datagram);
    }
    return answerer->take_output();
  }

  // Until nobody has anything to say.
  void talk(DtlsHandshake& caller) {
    bool listening = true;
    for (Bytes out = caller.take_output(); !out.empty(); out = caller.take_output()) {
      sizes.push_back(out.size());
      const Bytes back = to_answerer(out, listening);
      sizes.push_back(back.size());
      if (!back.empty()) caller.receive(back);
    }
  }
};

TEST_F(Dtls, who_share_a_key_get_the_same_secrets) {
  const auto caller = DtlsHandshake::call(caller_context, keys.known[0]);
  talk(*caller);
  ASSERT_TRUE(caller->finished());
  ASSERT_TRUE(answerer->finished());
  const DtlsSecrets a = caller->secrets();
  const DtlsSecrets b = answerer->secrets();
  EXPECT_EQ(a.caller, b.caller);
  EXPECT_EQ(a.answerer, b.answerer);
  EXPECT_NE(a.caller, a.answerer);
  EXPECT_EQ(a.algorithm, b.algorithm);
  EXPECT_EQ(answerer->identity(), keys.known[0].identity);
}

TEST_F(Dtls, each_handshake_has_secrets_of_its_own) {
  const auto first = DtlsHandshake::call(caller_context, keys.known[0]);
  talk(*first);
  const DtlsSecrets old = first->secrets();
  answerer = DtlsHandshake::answer(answerer_context);
  const auto second = DtlsHandshake::call(caller_context, keys.known[0]);
  talk(*second);
  EXPECT_NE(second->secrets().caller, old.caller);
}

TEST_F(Dtls, datagrams_travel_inside_and_keep_their_bounds) {
  const auto caller = DtlsHandshake::call(caller_context, keys.known[0]);
  talk(*caller);
  caller->write(Bytes(100, std::byte{1}));
  caller->write(Bytes(1200, std::byte{2}));
  answerer->receive(caller->take_output());
  EXPECT_EQ(answerer->read(), Bytes(100, std::byte{1}));
  EXPECT_EQ(answerer->read(), Bytes(1200, std::byte{2}));
  EXPECT_EQ(answerer->read(), std::nullopt);
}

// The second handshake is with somebody who has the identity, seen on the wire once, and not the key.
TEST_F(Dtls, a_wrong_key_and_an_unknown_one_get_the_same_answers) {
  swarm::SealingKey thief = keys.known[0];
  thief.shared = key_of("another").shared;
  const auto wrong = DtlsHandshake::call(caller_context, thief);
  talk(*wrong);
  EXPECT_FALSE(wrong->finished());
  EXPECT_FALSE(answerer->finished());
  const auto to_wrong = std::exchange(sizes, {});

  answerer = DtlsHandshake::answer(answerer_context);
  const auto unknown = DtlsHandshake::call(caller_context, key_of("nobody has it"));
  talk(*unknown);
  EXPECT_FALSE(unknown->finished());
  EXPECT_FALSE(answerer->finished());
  EXPECT_EQ(sizes, to_wrong);
}

TEST_F(Dtls, a_private_swarms_key_needs_its_secret) {
  EXPECT_NE(key_of("film").shared, key_of("film", "0123456789abcdef").shared);
  EXPECT_NE(key_of("film").identity, key_of("film", "0123456789abcdef").identity);
  EXPECT_NE(key_of("film", "0123456789abcdef").shared, key_of("series", "0123456789abcdef").shared);
}

// ---- cookies --------------------------------------------------------------------------------------------------------

TEST_F(Dtls, a_stranger_gets_less_than_it_sent_and_costs_no_state) {
  for (std::uint8_t i = 1; i < 100; ++i) {
    const auto caller = DtlsHandshake::call(caller_context, keys.known[0]);
    const Bytes hello = caller->take_output();
    EXPECT_FALSE(answerer->listen(place(i), hello, kNow)) << "the same listener serves them all";
    const Bytes cookie = answerer->take_output();
    EXPECT_FALSE(cookie.empty());
    EXPECT_LE(cookie.size(), hello.size());
  }
}

struct Cookie : Dtls {
  std::unique_ptr<DtlsHandshake> caller = DtlsHandshake::call(caller_context, keys.known[0]);
  // The caller's second datagram, with the cookie that it got at place(1).
  Bytes with_cookie() {
    EXPECT_FALSE(answerer->listen(place(1), caller->take_output(), kNow));
    caller->receive(answerer->take_output());
    return caller->take_output();
  }
};

TEST_F(Cookie, is_good_for_two_minutes_at_most) {
  const Bytes hello = with_cookie();
  EXPECT_FALSE(answerer->listen(place(1), hello, kNow + std::chrono::minutes{2}));
  EXPECT_FALSE(answerer->take_output().empty()) << "a new one";
  EXPECT_TRUE(answerer->listen(place(1), hello, kNow + std::chrono::seconds{50}));
}

TEST_F(Cookie, is_good_at_one_address_only) {
  const Bytes hello = with_cookie();
  EXPECT_FALSE(answerer->listen(place(2), hello, kNow));
  base::Endpoint other_port = place(1);
  ++other_port.port;
  EXPECT_FALSE(answerer->listen(other_port, hello, kNow));
  EXPECT_TRUE(answerer->listen(place(1), hello, kNow));
}

TEST_F(Cookie, cannot_be_made_up) {
  Bytes hello = with_cookie();
  // It stands behind the random and an empty session id.
  constexpr std::size_t kAt = 13 + 12 + 2 + 32 + 1 + 1;
  hello[kAt] ^= std::byte{1};
  EXPECT_FALSE(answerer->listen(place(1), hello, kNow));
}

TEST_F(Dtls, noise_is_not_listened_to) {
  for (std::size_t size = 0; size < 300; size += 7) {
    for (const unsigned first : {20U, 21U, 22U, 23U, 63U}) {
      Bytes noise(size, std::byte{0x11});
      if (size > 0) noise[0] = static_cast<std::byte>(first);
      EXPECT_FALSE(answerer->listen(place(1), noise, kNow));
      EXPECT_LE(answerer->take_output().size(), size);
    }
  }
  const auto caller = DtlsHandshake::call(caller_context, keys.known[0]);
  talk(*caller);
  EXPECT_TRUE(caller->finished()) << "it still listens";
}

// ---- trouble on the way ---------------------------------------------------------------------------------------------

TEST_F(Dtls, an_alert_that_nobody_signed_ends_nothing) {
  const auto caller = DtlsHandshake::call(caller_context, keys.known[0]);
  const Bytes hello = caller->take_output();
  // fatal, handshake_failure, in the clear (RFC 5246 7.2)
  const Bytes alert = base::from_hex(
                          "15fefd0000000000000001"
                          "0002"
                          "0228")
                          .value();
  caller->receive(alert);
  EXPECT_FALSE(caller->failed());
  EXPECT_FALSE(answerer->listen(place(1), hello, kNow));
  caller->receive(answerer->take_output());
  talk(*caller);
  EXPECT_TRUE(caller->finished());
}

TEST_F(Dtls, what_was_lost_is_sent_again) {
  const auto caller = DtlsHandshake::call(caller_context, keys.known[0]);
  bool listening = true;
  int lost = 0;
  // Every second datagram of each side is lost. The clock is OpenSSL's own, so this waits for it.
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds{30};
  int sent = 0;
  while (!(caller->finished() && answerer->finished()) && std::chrono::steady_clock::now() < deadline) {
    if (const Bytes out = caller->take_output(); !out.empty()) {
      if (++sent % 2 == 0) {
        ++lost;
      } else if (const Bytes back = to_answerer(out, listening); !back.empty()) {
        if (sent % 4 == 1)
          caller->receive(back);
        else
          ++lost;
      }
      continue;
    }
    for (DtlsHandshake* side : {caller.get(), answerer.get()}) {
      if (side->until_timer() == base::Duration{}) side->on_timer();
    }
    if (const Bytes back = answerer->take_output(); !back.empty()) caller->receive(back);
    std::this_thread::yield();
  }
  EXPECT_TRUE(caller->finished() && answerer->finished());
  EXPECT_GT(lost, 0);
}

// ---- both call ------------------------------------------------------------------------------------------------------

TEST_F(Dtls, of_two_that_call_each_other_one_yields) {
  for (int i = 0; i < 20; ++i) {
    const auto a = DtlsHandshake::call(caller_context, keys.known[0]);
    const auto b = DtlsHandshake::call(answerer_context, keys.known[0]);
    const Bytes hello_a = a->take_output();
    const Bytes hello_b = b->take_output();
    EXPECT_NE(a->yields_to(hello_b), b->yields_to(hello_a));
    EXPECT_TRUE(a->is_repeated(hello_a));
    EXPECT_FALSE(a->is_repeated(hello_b));
  }
}

}  // namespace
}  // namespace runnel::net
