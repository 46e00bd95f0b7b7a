// Peer exchange by certificates (RFC 7574 3.10.1, 8.13, 12.2.2) in live swarms of whole engines, in virtual time.
#include <gtest/gtest.h>

#include <set>

#include "core/discovery/certified_peers.hpp"
#include "core/discovery/membership.hpp"
#include "core/swarm/engine.hpp"
#include "core/swarm/handshake.hpp"
#include "core/wire/decoder.hpp"
#include "core/wire/encoder.hpp"
#include "crypto/certificate.hpp"
#include "support/virtual_swarm.hpp"

namespace runnel::swarm {
namespace {

using base::Endpoint;
using test::LinkModel;
using test::VirtualNetwork;
using test::VirtualNode;
using tree::ChunkIndex;
using namespace std::chrono_literals;

constexpr SwarmHandle kSwarm{1};
constexpr base::Duration kInterval{66'000};

// Documentation's addresses (RFC 5737): public ones, for the code.
Endpoint open_internet(unsigned number) { return {base::IpAddress::v4({203, 0, 113, static_cast<std::uint8_t>(number)}), 6'778}; }
Endpoint at_home(unsigned number) { return {base::IpAddress::v4({192, 168, 0, static_cast<std::uint8_t>(number)}), 6'778}; }

// What stands in a live datagram of a swarm by P-256 and SHA-256.
template <class Message>
std::size_t count(base::ByteView datagram) {
  const auto parts = wire::split_datagram(datagram);
  wire::Decoder decoder{parts->messages, {wire::AddressingMethod::chunks64, 32, 64}};
  std::size_t found = 0;
  while (true) {
    const auto message = decoder.next();
    if (!message || !*message) return found;
    found += std::holds_alternative<Message>(**message) ? 1 : 0;
  }
}

struct Member {
  VirtualNode* node = nullptr;
  base::Duration clock_wrong{};
  std::unique_ptr<crypto::CertificateIssuer> issuer;
  std::unique_ptr<crypto::CertificateChecker> checker;
  std::map<Endpoint, std::size_t> asked;       // PEX_REQ sent to
  std::map<Endpoint, std::size_t> certified;   // PEX_REScert sent to
  std::size_t plain = 0;                       // PEX_RES sent

  [[nodiscard]] std::size_t all_certified() const {
    std::size_t sum = 0;
    for (const auto& [to, certificates] : certified) sum += certificates;
    return sum;
  }
};

// A source that publishes, and viewers that know no other address than those they are given.
class LiveSwarm {
 public:
  explicit LiveSwarm(const Endpoint& at, bool compat = false) {
    signer_ = crypto::generate_signer(crypto::SignatureAlgorithm::ecdsa_p256_sha256);
    if (compat) {
      Link link;
      link.kind = LinkKind::live;
      link.hash = crypto::HashAlgorithm::sha1;
      link.chunk_size = kDefaultCompatChunkSize;
      link.addressing = wire::AddressingMethod::chunks32;
      metadata = live_metadata(link, signer_->public_key());
    } else {
      metadata.id = signer_->public_key();
      metadata.live = true;
      metadata.addressing = wire::AddressingMethod::chunks64;
    }
    source.issuer = crypto::make_certificate_issuer(*signer_);
    join(source, at, signer_.get());
    if (!compat) run();
  }
  Member& watch(const Endpoint& at, std::vector<Endpoint> knows, base::Duration clock_wrong = {}, bool trusts = true) {
    Member& viewer = viewers.emplace_back();
    viewer.clock_wrong = clock_wrong;
    join(viewer, at, nullptr);
    net.input(*viewer.node, AddPeers{kSwarm, std::move(knows), trusts});
    return viewer;
  }
  void wait(base::Duration time) {
    net.run_until([] { return false; }, time);
  }
  [[nodiscard]] std::set<Endpoint> met(const Member& member) const {
    std::set<Endpoint> all;
    const auto state = member.node->engine.state(kSwarm, net.now);
    for (const PeerState& peer : state->peers) all.insert(peer.endpoint);
    return all;
  }
  [[nodiscard]] base::WallTime wall() const { return base::WallTime{1'700'000'000s + net.now.time_since_epoch()}; }
  // By the source's key.
  [[nodiscard]] base::Bytes certify(const Endpoint& peer) const {
    const auto begins = std::chrono::floor<std::chrono::seconds>(wall());
    return source.issuer->issue({discovery::membership_uri(peer, metadata.id), begins, begins + discovery::kCertificateLife});
  }

  VirtualNetwork net{7, LinkModel{20ms, 5ms, 0}};
  Metadata metadata;
  Member source;
  std::deque<Member> viewers;
  bool publishes = true;

 private:
  void join(Member& member, const Endpoint& at, crypto::Signer* signer) {
    VirtualNode& node = net.add(at);
    member.node = &node;
    node.hasher = crypto::make_hasher(metadata.hash);
    node.verifier = crypto::make_verifier(metadata.id).value();
    if (signer == nullptr) member.checker = crypto::make_certificate_checker(*node.verifier);
    node.on_send = [&member](const Endpoint& to, base::ByteView datagram) {
      member.asked[to] += count<wire::PexReq>(datagram);
      member.certified[to] += count<wire::PexResCert>(datagram);
      member.plain += count<wire::PexResV4>(datagram);
    };
    tell_clock(member);
    net.input(node, AddSwarm{kSwarm,
                             metadata,
                             {&node.nodes, node.hasher.get(), node.verifier.get(), signer, member.issuer.get(), member.checker.get()},
                             {},
                             true,
                             SealPolicy::never,
                             true});
  }
  void tell_clock(Member& member) {
    if (member.node->gone) return;
    net.input(*member.node, WallClock{wall() + member.clock_wrong});
    net.at(1s, [this, &member] { tell_clock(member); });
  }
  void run() {
    if (publishes && !source.node->gone) {
      const base::Bytes record(5'000, std::byte{1});
      const ChunkIndex first = indexer_.start_at(wall());
      indexer_.advance(first, record.size());
      net.input(*source.node, Publish{kSwarm, first, record, wall()});
    }
    net.at(kInterval, [this] { run(); });
  }

  std::unique_ptr<crypto::Signer> signer_;
  LiveIndexer indexer_{tree::kDefaultMunroWidth, kDefaultChunkSize, std::nullopt};
};

// ---- among friends --------------------------------------------------------------------------------------------------

TEST(CertificatesOnTheOpenInternet, make_viewers_of_a_live_stream_meet_who_know_the_source_alone) {
  LiveSwarm swarm{open_internet(1)};
  for (unsigned i = 2; i <= 5; ++i) swarm.watch(open_internet(i), {open_internet(1)});
  swarm.wait(10s);
  for (const Member& viewer : swarm.viewers) EXPECT_EQ(swarm.met(viewer).size(), 4U) << viewer.node->endpoint.to_string();
  EXPECT_GT(swarm.source.all_certified(), 0U);
  EXPECT_TRUE(swarm.source.asked.empty() || swarm.source.asked.begin()->second == 0) << "a source asks nobody (RFC 7574 12.2.3)";
  std::size_t plain = swarm.source.plain;
  for (const Member& viewer : swarm.viewers) plain += viewer.plain;
  EXPECT_EQ(plain, 0U) << "RFC 7574 3.10.1";
}

// So the source need not be asked by all.
TEST(CertificatesOnTheOpenInternet, are_passed_on_by_viewers_when_the_source_is_gone) {
  LiveSwarm swarm{open_internet(1)};
  for (unsigned i = 2; i <= 4; ++i) swarm.watch(open_internet(i), {open_internet(1)});
  swarm.wait(10s);
  swarm.source.node->gone = true;
  Member& late = swarm.watch(open_internet(5), {open_internet(2)});
  swarm.wait(10s);
  EXPECT_TRUE(swarm.met(late).contains(open_internet(3)));
  EXPECT_TRUE(swarm.met(late).contains(open_internet(4)));
  EXPECT_GT(swarm.viewers[0].certified[open_internet(5)], 0U);
}

// RFC 7574 3.10.1: heard from within 60 s.
TEST(CertificatesOnTheOpenInternet, are_not_told_of_who_fell_silent) {
  LiveSwarm swarm{open_internet(1)};
  Member& gone = swarm.watch(open_internet(2), {open_internet(1)});
  swarm.wait(5s);
  gone.node->gone = true;
  swarm.wait(61s);
  Member& late = swarm.watch(open_internet(3), {open_internet(1)});
  swarm.wait(20s);
  EXPECT_GT(late.asked[open_internet(1)], 0U);
  EXPECT_EQ(swarm.source.certified[open_internet(3)], 0U);
  EXPECT_EQ(late.asked[open_internet(2)], 0U);
}

// RFC 7574 8.13.
TEST(CertificatesOnTheOpenInternet, leak_no_private_address) {
  LiveSwarm swarm{open_internet(1)};
  swarm.watch(at_home(2), {open_internet(1)});
  Member& stranger = swarm.watch(open_internet(3), {open_internet(1)});
  swarm.wait(20s);
  EXPECT_GT(stranger.asked[open_internet(1)], 0U);
  EXPECT_EQ(swarm.source.certified[open_internet(3)], 0U);
  EXPECT_FALSE(swarm.met(stranger).contains(at_home(2)));
}

// Viewers' clocks are often wrong: the stream tells the time.
TEST(CertificatesOnTheOpenInternet, are_believed_by_who_has_a_wrong_clock) {
  for (const base::Duration wrong : {-1h, 1h}) {
    LiveSwarm swarm{open_internet(1)};
    swarm.watch(open_internet(2), {open_internet(1)});
    Member& wrong_clock = swarm.watch(open_internet(3), {open_internet(1)}, wrong);
    swarm.wait(30s);
    EXPECT_GT(wrong_clock.asked[open_internet(1)], 0U);
    EXPECT_TRUE(swarm.met(wrong_clock).contains(open_internet(2)));
    Member& late = swarm.watch(open_internet(4), {open_internet(3)});
    swarm.wait(10s);
    EXPECT_TRUE(swarm.met(late).contains(open_internet(2))) << "and it passes them on";
  }
}

TEST(CertificatesAtHome, are_not_needed) {
  LiveSwarm swarm{at_home(1)};
  for (unsigned i = 2; i <= 4; ++i) swarm.watch(at_home(i), {at_home(1)});
  swarm.wait(10s);
  for (const Member& viewer : swarm.viewers) EXPECT_EQ(swarm.met(viewer).size(), 3U);
  EXPECT_EQ(swarm.source.all_certified(), 0U);
  EXPECT_GT(swarm.source.plain, 0U);
}

// ---- strangers ------------------------------------------------------------------------------------------------------

// A peer by hand in a live swarm whose source is elsewhere: it answers each PEX_REQ with what the test gives it.
class Teller {
 public:
  // A viewer that is told of `at` alone, where this is.
  explicit Teller(LiveSwarm& swarm, const Endpoint& at = open_internet(9)) : swarm_(swarm), at_(at) {
    constexpr bool kTrusts = false;   // else it would be called again and again, and asked each time
    viewer = &swarm.watch(open_internet(2), {at}, {}, kTrusts);
    viewer->node->on_send = [this](const Endpoint& to, base::ByteView datagram) {
      if (to == at_) sent_.push_back(base::to_bytes(datagram));
      if (to != at_) called.insert(to);
    };
  }
  // Until then; all that comes is answered, and it keeps alive.
  void live(base::Duration time) {
    for (const base::Time end = swarm_.net.now + time; swarm_.net.now < end;) {
      swarm_.wait(50ms);
      if (theirs_ != wire::kNoChannel) say([](wire::Encoder&) {});
      for (const base::Bytes& datagram : std::exchange(sent_, {})) hear(datagram);
    }
  }
  void say(const std::function<void(wire::Encoder&)>& write) {
    base::Bytes bytes(1'428);
    wire::Encoder encoder{bytes, format_};
    encoder.channel(theirs_);
    write(encoder);
    const DatagramIn datagram{at_, base::ByteView{bytes}.first(encoder.size()), std::nullopt};
    swarm_.net.input(*viewer->node, DatagramsIn{{&datagram, 1}});
  }
  void say_invalid() {
    base::Bytes bytes(wire::kChannelSize + 1, std::byte{0x7f});   // no message begins so
    base::store_big_endian(bytes.data(), theirs_.value());
    const DatagramIn datagram{at_, bytes, std::nullopt};
    swarm_.net.input(*viewer->node, DatagramsIn{{&datagram, 1}});
  }
  void tell(const std::vector<base::Bytes>& certificates) {
    for (const base::Bytes& certificate : certificates) {
      say([&](wire::Encoder& e) { ASSERT_TRUE(e.pex_res_cert(certificate)); });
    }
  }
  [[nodiscard]] bool banned() const {
    return std::ranges::any_of(events, [](const Event& event) { return std::holds_alternative<PeerBanned>(event); });
  }

  Member* viewer;
  std::function<void()> on_asked = [] {};
  std::size_t asked = 0;
  std::set<Endpoint> called;   // by the viewer, but for this
  std::vector<Event> events;

 private:
  void hear(base::ByteView datagram) {
    const auto parts = wire::split_datagram(datagram);
    wire::Decoder decoder{parts->messages, format_};
    for (auto message = decoder.next(); message && *message; message = decoder.next()) {
      if (const auto* call = std::get_if<wire::Handshake>(&**message); call != nullptr && !call->is_close()) {
        theirs_ = call->source;
        wire::Handshake answer{wire::ChannelId{0x01020304}, replying_options(swarm_.metadata, call->options)};
        answer.options.version = wire::kVersionRfc;
        answer.options.supported_messages = wire::MessageSet::rfc();
        say([&](wire::Encoder& e) { e.handshake(answer); });
      } else if (std::holds_alternative<wire::PexReq>(**message)) {
        ++asked;
        on_asked();
      }
    }
  }

  LiveSwarm& swarm_;
  Endpoint at_;
  wire::Format format_{wire::AddressingMethod::chunks64, 32, 64};
  wire::ChannelId theirs_{};
  std::vector<base::Bytes> sent_;
};

struct CertificatesOfStrangers : testing::Test {
  CertificatesOfStrangers() {
    swarm.publishes = false;
    teller.viewer->node->on_event = [this](const Event& event) { teller.events.push_back(event); };
  }
  LiveSwarm swarm{open_internet(1)};
  Teller teller{swarm};
  const Endpoint told = open_internet(7);
};

TEST_F(CertificatesOfStrangers, lead_to_the_peer_that_the_source_certified) {
  teller.on_asked = [&] { teller.tell({swarm.certify(told)}); };
  teller.live(5s);
  EXPECT_TRUE(teller.called.contains(told));
  EXPECT_FALSE(teller.banned());
}

TEST_F(CertificatesOfStrangers, lead_nowhere_when_nobody_asked) {
  base::Time asked_at = swarm.net.now;
  teller.on_asked = [&] { asked_at = swarm.net.now; };
  const base::Time end = swarm.net.now + 100s;
  while (swarm.net.now - asked_at < 11s && swarm.net.now < end) teller.live(100ms);   // answers are waited for no longer than ten
  ASSERT_LT(swarm.net.now, end);
  ASSERT_GT(teller.asked, 0U);
  teller.tell({swarm.certify(told)});
  swarm.wait(2s);
  EXPECT_FALSE(teller.called.contains(told));
}

// RFC 7574 12.2.2.
TEST_F(CertificatesOfStrangers, are_looked_at_no_more_once_one_was_bad) {
  const auto other = crypto::generate_signer(crypto::SignatureAlgorithm::ecdsa_p256_sha256);
  const base::Bytes forged = crypto::make_certificate_issuer(*other)->issue(
      {discovery::membership_uri(open_internet(8), swarm.metadata.id), swarm.wall(), swarm.wall() + 600s});
  teller.on_asked = [&] { teller.tell({forged, swarm.certify(told)}); };
  teller.live(200s);
  EXPECT_EQ(teller.asked, 1U) << "nor is it asked again";
  EXPECT_FALSE(teller.called.contains(told));
  EXPECT_FALSE(teller.called.contains(open_internet(8)));
  EXPECT_FALSE(teller.banned()) << "once may be a misunderstanding";
}

TEST_F(CertificatesOfStrangers, count_among_the_offences_that_ban) {
  teller.on_asked = [&] { teller.tell({base::Bytes(300, std::byte{0x30})}); };
  teller.live(2s);
  EXPECT_EQ(teller.asked, 1U);
  EXPECT_FALSE(teller.banned());
  teller.say_invalid();
  EXPECT_TRUE(teller.banned());
}

// ---- older peers ----------------------------------------------------------------------------------------------------

TEST(CertificatesInCompatSwarms, are_neither_told_nor_believed) {
  LiveSwarm swarm{open_internet(1), true};
  for (unsigned i = 2; i <= 4; ++i) swarm.watch(open_internet(i), {open_internet(1)});
  swarm.wait(10s);
  for (const Member& viewer : swarm.viewers) EXPECT_EQ(swarm.met(viewer).size(), 3U);
  EXPECT_EQ(swarm.source.all_certified(), 0U);
}

}  // namespace
}  // namespace runnel::swarm
