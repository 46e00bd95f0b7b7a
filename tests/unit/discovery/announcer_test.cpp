// The announcer in made-up time against made-up trackers.
#include "core/discovery/announcer.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace runnel::discovery {
namespace {

using base::Duration;
using base::Endpoint;
using base::Time;
using namespace std::chrono_literals;

constexpr std::string_view kHttp = "http://192.0.2.9/announce";
constexpr std::string_view kUdp = "udp://192.0.2.9:6969";

class Bench {
 public:
  explicit Bench(std::string_view url, std::uint64_t seed = 1)
      : announcer({.url = *TrackerUrl::parse(url), .info_hash = {{std::byte{1}}}, .peer_id = {{std::byte{2}}}, .port = 6778, .key = 3},
                  base::Rng{seed}, {std::byte(seed)}, now) {
    drain();
  }

  void drain() {
    while (auto output = announcer.poll(now)) {
      if (auto* s = std::get_if<Announcer::SendHttp>(&*output)) http.push_back(*s), sent_at.push_back(now);
      if (auto* s = std::get_if<Announcer::SendUdp>(&*output)) udp.push_back(*s), sent_at.push_back(now);
      if (auto* p = std::get_if<Announcer::PeersFound>(&*output)) peers.insert(peers.end(), p->peers.begin(), p->peers.end());
      if (auto* s = std::get_if<Announcer::StateChanged>(&*output)) state = s->state;
      if (std::holds_alternative<Announcer::Finished>(*output)) finished = true;
    }
  }
  void input(const Announcer::Input& i) {
    announcer.handle(i, now);
    drain();
  }
  // To the next deadline.
  Duration wait() {
    const Time before = now;
    now = std::max(now, *announcer.next_deadline());
    drain();
    return now - before;
  }
  void pass(Duration d) {
    now += d;
    drain();
  }
  void answer_http(std::string_view body, unsigned status = 200) {
    input(Announcer::HttpAnswered{http.back().request, status, base::as_bytes(body)});
  }
  UdpRequest last_udp() const { return *decode_udp_request(udp.back().datagram); }
  void answer_udp(const base::Bytes& datagram) { input(Announcer::UdpReceived{datagram, true}); }
  void accept_connect(std::uint64_t id = 77) { answer_udp(encode(UdpConnected{std::get<UdpConnect>(last_udp()).transaction, id})); }
  void accept_announce(std::uint32_t interval_s = 120, std::vector<Endpoint> told = {}) {
    answer_udp(encode(UdpAnnounced{std::get<UdpAnnounce>(last_udp()).transaction, interval_s, 1, 0, std::move(told)}, true));
  }

  Time now{1000s};
  Announcer announcer;
  std::vector<Announcer::SendHttp> http;
  std::vector<Announcer::SendUdp> udp;
  std::vector<Time> sent_at;
  std::vector<Endpoint> peers;
  TrackerState state;
  bool finished = false;
};

bool says(const Announcer::SendHttp& sent, std::string_view what) { return sent.url.find(what) != std::string::npos; }

TEST(Announcer, says_started_at_once_then_nothing_special_at_each_interval) {
  Bench b(kHttp);
  ASSERT_EQ(b.http.size(), 1U);
  EXPECT_TRUE(says(b.http[0], "&event=started"));
  EXPECT_EQ(b.state.condition, TrackerCondition::announcing);
  b.answer_http("d8:completei1e10:incompletei2e8:intervali120e5:peers6:" + std::string("\xc0\0\2\1\0\x50", 6) + "e");
  EXPECT_EQ(b.peers, std::vector{*Endpoint::parse("192.0.2.1:80")});
  EXPECT_EQ(b.state.condition, TrackerCondition::working);
  EXPECT_EQ(b.state.text, "tracker 192.0.2.9:80: 1 peer");
  for (int i = 1; i < 20; ++i) {
    const Duration waited = b.wait();
    EXPECT_GE(waited, 120s);
    EXPECT_LE(waited, 132s);
    ASSERT_EQ(b.http.size(), 1U + static_cast<std::size_t>(i));
    EXPECT_FALSE(says(b.http.back(), "event="));
    b.answer_http("d8:intervali120e5:peers0:e");
  }
}

TEST(Announcer, holds_the_trackers_interval_within_bounds) {
  Bench hasty(kHttp), slow(kHttp);
  hasty.answer_http("d8:intervali0e5:peers0:e");
  EXPECT_GE(hasty.wait(), kMinAnnounceInterval);
  slow.answer_http("d8:intervali999999999e5:peers0:e");
  EXPECT_LE(slow.wait(), kMaxAnnounceInterval * 11 / 10);
}

TEST(Announcer, backs_off_from_15_seconds_to_30_minutes_while_http_fails) {
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Bench b(kHttp, seed);
    Duration plain = kRetryFirst;
    for (int failure = 1; failure <= 12; ++failure) {
      b.input(Announcer::SendFailed{b.http.back().request, "cannot reach it"});
      EXPECT_EQ(b.state.condition, TrackerCondition::failing);
      EXPECT_EQ(b.state.next_try, *b.announcer.next_deadline());
      const Duration waited = b.wait();
      EXPECT_GE(waited, plain);
      EXPECT_LE(waited, std::min<Duration>(plain * 5 / 4, kRetryMax));
      EXPECT_TRUE(says(b.http.back(), "&event=started")) << "it never came through";
      plain = std::min<Duration>(plain * 2, kRetryMax);
    }
    b.answer_http("d8:intervali120e5:peers0:e");
    EXPECT_EQ(b.state.condition, TrackerCondition::working);
    b.wait();
    b.input(Announcer::SendFailed{b.http.back().request, "gone again"});
    EXPECT_LE(b.wait(), 19s) << "success starts the back-off anew";
  }
}

TEST(Announcer, tells_the_user_what_is_wrong_and_when_it_tries_again) {
  Bench b(kHttp);
  b.input(Announcer::SendFailed{b.http.back().request, "cannot reach 192.0.2.9:80: Connection refused"});
  EXPECT_TRUE(b.state.text.starts_with("tracker 192.0.2.9:80: cannot reach 192.0.2.9:80: Connection refused: next try in 1"))
      << b.state.text;
  b.wait();
  b.answer_http("d14:failure reason14:not registerede");
  EXPECT_NE(b.state.text.find("the tracker refused: not registered: next try in"), std::string::npos) << b.state.text;
  b.wait();
  b.answer_http("<html>busy</html>", 503);
  EXPECT_NE(b.state.text.find("HTTP status 503: next try in"), std::string::npos) << b.state.text;
  b.wait();
  b.answer_http("d14:failure reason9:slow downe", 429);
  EXPECT_NE(b.state.text.find("slow down"), std::string::npos) << b.state.text;
  b.wait();
  b.answer_http("<html>hello</html>");
  EXPECT_NE(b.state.text.find("cannot be read"), std::string::npos) << b.state.text;
  b.wait();
  b.pass(kHttpAnswerTimeout);
  EXPECT_NE(b.state.text.find("no answer: next try in"), std::string::npos) << b.state.text;
}

TEST(Announcer, an_answer_to_an_old_request_is_not_believed) {
  Bench b(kHttp);
  const std::uint64_t old = b.http.back().request;
  b.input(Announcer::SendFailed{old, "x"});
  b.wait();
  b.input(Announcer::HttpAnswered{old, 200, base::as_bytes("d8:intervali120e5:peers0:e")});
  EXPECT_NE(b.state.condition, TrackerCondition::working);
}

TEST(Announcer, says_completed_once_and_at_once) {
  Bench b(kHttp);
  b.answer_http("d8:intervali120e5:peers0:e");
  b.input(Announcer::StatsChanged{{.uploaded = 1, .downloaded = 2, .left = 3}});
  b.input(Announcer::Completed{});
  b.input(Announcer::Completed{});
  ASSERT_EQ(b.http.size(), 2U);
  EXPECT_TRUE(says(b.http[1], "&left=0&"));
  EXPECT_TRUE(says(b.http[1], "&event=completed"));
  b.input(Announcer::SendFailed{b.http.back().request, "x"});
  b.wait();
  EXPECT_TRUE(says(b.http.back(), "&event=completed")) << "until it came through";
  b.answer_http("d8:intervali120e5:peers0:e");
  b.wait();
  EXPECT_FALSE(says(b.http.back(), "event="));
}

TEST(Announcer, a_download_that_ends_before_the_first_answer_is_told_after_it) {
  Bench b(kHttp);
  b.input(Announcer::Completed{});
  EXPECT_EQ(b.http.size(), 1U);
  b.answer_http("d8:intervali120e5:peers0:e");
  ASSERT_EQ(b.http.size(), 2U);
  EXPECT_TRUE(says(b.http[1], "&event=completed"));
}

TEST(Announcer, asks_early_for_peers_only_as_early_as_the_tracker_allows) {
  Bench b(kHttp);
  b.answer_http("d8:intervali1800e12:min intervali100e5:peers0:e");
  for (int i = 0; i < 50; ++i) b.pass(1s), b.input(Announcer::NeedPeers{});
  EXPECT_EQ(b.http.size(), 1U);
  b.wait();
  EXPECT_EQ(b.http.size(), 2U);
  EXPECT_GE(b.sent_at[1] - b.sent_at[0], 100s);
  b.input(Announcer::SendFailed{b.http.back().request, "x"});
  b.input(Announcer::NeedPeers{});
  EXPECT_GE(b.wait(), kRetryFirst) << "a failing tracker is not asked earlier";
}

TEST(Announcer, says_stopped_and_finishes_on_the_answer) {
  Bench b(kHttp);
  b.answer_http("d8:intervali120e5:peers0:e");
  b.input(Announcer::Stop{});
  EXPECT_TRUE(says(b.http.back(), "&event=stopped"));
  EXPECT_FALSE(b.finished);
  b.answer_http("d8:intervali120e5:peers0:e");
  EXPECT_TRUE(b.finished);
  EXPECT_FALSE(b.announcer.next_deadline());
  EXPECT_EQ(b.state.condition, TrackerCondition::stopped);
}

TEST(Announcer, waits_a_second_at_most_for_a_goodbye) {
  for (const std::string_view url : {kHttp, kUdp}) {
    Bench b(url);
    b.input(Announcer::Stop{});
    EXPECT_FALSE(b.finished) << "the first announce may have arrived";
    EXPECT_LE(b.wait(), kStopTimeout);
    EXPECT_TRUE(b.finished);
  }
}

TEST(Announcer, does_not_say_goodbye_to_a_tracker_that_never_answered) {
  Bench b(kHttp);
  b.input(Announcer::SendFailed{b.http.back().request, "x"});
  b.input(Announcer::Stop{});
  EXPECT_TRUE(b.finished);
  EXPECT_EQ(b.http.size(), 1U);
}

TEST(Announcer, connects_then_announces_over_udp) {
  Bench b(kUdp);
  ASSERT_EQ(b.udp.size(), 1U);
  EXPECT_EQ(b.udp[0].host, "192.0.2.9");
  EXPECT_EQ(b.udp[0].port, 6969);
  b.accept_connect(0x1234);
  ASSERT_EQ(b.udp.size(), 2U);
  const auto announce = std::get<UdpAnnounce>(b.last_udp());
  EXPECT_EQ(announce.connection, 0x1234U);
  EXPECT_EQ(announce.parameters.event, AnnounceEvent::started);
  EXPECT_EQ(announce.parameters.port, 6778);
  b.accept_announce(120, {*Endpoint::parse("192.0.2.1:80")});
  EXPECT_EQ(b.peers.size(), 1U);
  EXPECT_EQ(b.state.condition, TrackerCondition::working);
}

TEST(Announcer, uses_a_connection_id_for_a_minute_and_no_longer) {
  Bench b(kUdp);
  b.accept_connect(1);
  b.accept_announce(kMinAnnounceInterval / 1s);
  EXPECT_LT(b.wait(), kUdpConnectionLife);
  EXPECT_EQ(std::get<UdpAnnounce>(b.last_udp()).connection, 1U);
  b.accept_announce(120);
  b.wait();
  EXPECT_TRUE(std::holds_alternative<UdpConnect>(b.last_udp()));
}

TEST(Announcer, makes_a_new_connection_at_once_when_the_tracker_forgot_the_old) {
  Bench b(kUdp);
  b.accept_connect(1);
  b.accept_announce(30);
  b.wait();
  const auto refused = [&] {
    b.answer_udp(encode(UdpError{transaction_of(UdpAnswer{UdpError{std::get<UdpAnnounce>(b.last_udp()).transaction, ""}}), "bad id"}));
  };
  refused();
  EXPECT_TRUE(std::holds_alternative<UdpConnect>(b.last_udp()));
  b.accept_connect(2);
  refused();
  EXPECT_EQ(b.state.condition, TrackerCondition::failing) << "a new id that is refused is a refusal";
  EXPECT_NE(b.state.text.find("bad id"), std::string::npos);
}

TEST(Announcer, resends_over_udp_after_15_seconds_doubled_each_time_up_to_30_minutes) {
  Bench b(kUdp, 5);
  Duration plain = kRetryFirst;
  for (int i = 0; i < 12; ++i) {
    const Duration waited = b.wait();
    EXPECT_GE(waited, plain);
    EXPECT_LE(waited, std::min<Duration>(plain * 5 / 4, kRetryMax));
    EXPECT_EQ(b.udp.size(), 2U + static_cast<std::size_t>(i)) << "one datagram each time";
    EXPECT_EQ(b.state.condition, TrackerCondition::failing);
    plain = std::min<Duration>(plain * 2, kRetryMax);
  }
  EXPECT_NE(b.state.text.find("next try in"), std::string::npos) << b.state.text;
}

TEST(Announcer, believes_only_answers_with_its_transaction_id) {
  Bench b(kUdp);
  const auto transaction = std::get<UdpConnect>(b.last_udp()).transaction;
  b.answer_udp(encode(UdpConnected{transaction + 1, 1}));
  b.answer_udp(encode(UdpError{transaction + 1, "no"}));
  b.answer_udp(encode(UdpAnnounced{.transaction = transaction}, true));
  EXPECT_EQ(b.udp.size(), 1U);
  b.accept_connect();
  b.answer_udp(encode(UdpAnnounced{.transaction = transaction}, true));
  EXPECT_EQ(b.state.condition, TrackerCondition::announcing) << "transaction ids are used once";
  b.accept_announce();
  EXPECT_EQ(b.state.condition, TrackerCondition::working);
}

TEST(Announcer, the_same_seed_makes_the_same_run) {
  Bench a(kUdp, 9), b(kUdp, 9), c(kUdp, 10);
  for (int i = 0; i < 5; ++i) a.wait(), b.wait(), c.wait();
  EXPECT_EQ(a.sent_at, b.sent_at);
  EXPECT_NE(a.sent_at, c.sent_at);
}

// Whatever a tracker answers and whenever, there are never more than a few sends in a minute.
RC_GTEST_PROP(Announcer, never_hammers, ()) {
  const bool udp = *rc::gen::arbitrary<bool>();
  Bench b(udp ? kUdp : kHttp, *rc::gen::arbitrary<std::uint64_t>());
  std::size_t announces = 0;
  const Time start = b.now;
  for (int i = 0; i < 200; ++i) {
    const std::size_t before = b.http.size() + b.udp.size();
    const int what = *rc::gen::inRange(0, 7);
    if (what == 0) b.wait();
    if (what == 1) b.input(Announcer::NeedPeers{});
    if (what == 2 && !udp)
      b.answer_http(*rc::gen::element<std::string>("d8:intervali0e12:min intervali0ee", "de", "x", "d14:failure reason0:e"));
    if (what == 3 && !udp) b.input(Announcer::SendFailed{b.http.back().request, "x"});
    if (what == 4 && udp && std::holds_alternative<UdpConnect>(b.last_udp())) b.accept_connect();
    if (what == 5 && udp && std::holds_alternative<UdpAnnounce>(b.last_udp())) b.accept_announce(0);
    if (what == 6 && udp) {
      const auto answer = decode_udp_request(b.udp.back().datagram);
      const auto id = std::visit([](const auto& r) { return r.transaction; }, *answer);
      b.answer_udp(encode(UdpError{id, "x"}));
    }
    announces += b.http.size() + b.udp.size() - before;
  }
  const double minutes = std::chrono::duration<double>(b.now - start).count() / 60;
  // At most one try each 15 s, over UDP each of up to three datagrams, and the first.
  RC_ASSERT(static_cast<double>(announces) <= (minutes * 4 + 2) * (udp ? 3 : 1));
}

}  // namespace
}  // namespace runnel::discovery
