#include "core/discovery/certified_peers.hpp"

#include <gtest/gtest.h>

#include <string>

#include "core/discovery/membership.hpp"

namespace runnel::discovery {
namespace {

using base::Bytes;
using base::Endpoint;
using base::IpAddress;
using base::Time;
using base::WallTime;
using Verdict = CertifiedPeers::Verdict;
using namespace std::chrono_literals;

const Bytes kSwarm{std::byte{0x0d}, std::byte{0x0a}};
const IpAddress kTeller = *IpAddress::parse("203.0.113.1");
constexpr WallTime kStart{1'700'000'000s};
constexpr std::size_t kRoom = 1400;

Endpoint peer(unsigned number) {
  return {IpAddress::v4({198, 51, static_cast<std::uint8_t>(number >> 8), static_cast<std::uint8_t>(number)}), 6'778};
}
std::vector<Endpoint> peers(unsigned first, std::size_t count) {
  std::vector<Endpoint> all;
  for (std::size_t i = 0; i < count; ++i) all.push_back(peer(first + static_cast<unsigned>(i)));
  return all;
}

// Certificates without X.509: a word, the times and the URI. Who signs and who checks are counted.
Bytes certificate(const crypto::Membership& membership, std::string_view word = "signed") {
  const auto seconds = [](WallTime at) { return std::to_string(std::chrono::floor<std::chrono::seconds>(at.time_since_epoch()).count()); };
  const std::string text = std::string{word} + ' ' + seconds(membership.begins) + ' ' + seconds(membership.ends) + ' ' + membership.uri;
  return base::to_bytes(base::as_bytes(text));
}
Bytes certificate(const Endpoint& of, WallTime begins = kStart, WallTime ends = kStart + kCertificateLife) {
  return certificate({membership_uri(of, kSwarm), begins, ends});
}

struct Issuer final : crypto::CertificateIssuer {
  Bytes issue(const crypto::Membership& membership) override {
    ++issued;
    Bytes der = certificate(membership);
    der.resize(std::max(der.size(), size), std::byte{' '});
    return der;
  }
  std::size_t issued = 0;
  std::size_t size = 0;
};

struct Checker final : crypto::CertificateChecker {
  std::expected<crypto::Membership, crypto::CertificateError> check(base::ByteView der) override {
    ++checked;
    std::vector<std::string> words{""};
    for (const char c : base::as_text(der)) {
      if (c == ' ' && words.size() < 4)
        words.emplace_back();
      else
        words.back() += c;
    }
    if (words.size() != 4 || words[0] != "signed") return std::unexpected(crypto::CertificateError::not_signed);
    return crypto::Membership{words[3], WallTime{std::chrono::seconds{std::stoll(words[1])}},
                              WallTime{std::chrono::seconds{std::stoll(words[2])}}};
  }
  std::size_t checked = 0;
};

class CertifiedPeersTest : public testing::Test {
 protected:
  CertificateClock clock() const { return {now, wall(), wall()}; }
  WallTime wall() const { return kStart + (now - Time{1'000s}); }
  CertifiedPeers::Judged judge(CertifiedPeers& who, const std::vector<Bytes>& batch, const IpAddress& teller = kTeller) {
    return who.judge(std::vector<base::ByteView>{batch.begin(), batch.end()}, teller, clock());
  }
  // The source certifies so many, a second after the other.
  void certify(unsigned first, std::size_t count) {
    for (unsigned i = 0; i < count; ++i, now += 1s) ASSERT_EQ(source.tell(peers(first + i, 1), clock()).size(), 1U);
  }

  Time now{1'000s};
  Issuer issuer;
  Checker checker;
  CertifiedPeers source{kSwarm, &issuer, nullptr, kRoom};
  CertifiedPeers viewer{kSwarm, nullptr, &checker, kRoom};
};

// ---- the source -----------------------------------------------------------------------------------------------------

// RFC 7574 8.13: from now on, for a lifetime.
TEST_F(CertifiedPeersTest, the_source_certifies_whom_it_is_named) {
  now += 400ms;
  const auto told = source.tell(peers(1, 2), clock());
  EXPECT_EQ(told, (std::vector{certificate(peer(1)), certificate(peer(2))}));
}

TEST_F(CertifiedPeersTest, an_answer_has_its_limit) {
  EXPECT_EQ(source.tell(peers(1, 32), clock()).size(), kMaxCertificatesTold);
  EXPECT_EQ(issuer.issued, kMaxCertificatesTold);
}

TEST_F(CertifiedPeersTest, a_certificate_is_told_again_until_too_little_of_it_is_left) {
  const auto first = source.tell(peers(1, 1), clock());
  now += kCertificateLife - kRenewBelow - 1s;
  EXPECT_EQ(source.tell(peers(1, 1), clock()), first);
  EXPECT_EQ(issuer.issued, 1U);
  now += 1s;
  EXPECT_EQ(source.tell(peers(1, 1), clock()), std::vector<Bytes>{certificate(peer(1), wall(), wall() + kCertificateLife)});
  EXPECT_EQ(issuer.issued, 2U);
  EXPECT_EQ(source.size(), 1U);
}

// A flood of PEX_REQ costs no more.
TEST_F(CertifiedPeersTest, so_many_are_signed_in_a_second) {
  constexpr unsigned kSeconds = 5;
  for (unsigned i = 0; i < kSeconds * 100; ++i, now += 10ms) static_cast<void>(source.tell(peers(i * 32, 32), clock()));
  EXPECT_GE(issuer.issued, kSeconds * kMaxIssuedPerSecond);
  EXPECT_LE(issuer.issued, (kSeconds + 1) * kMaxIssuedPerSecond);
}

TEST_F(CertifiedPeersTest, so_many_are_told_in_a_second) {
  certify(0, kMaxCertificatesTold);
  constexpr unsigned kSeconds = 5;
  std::size_t told = 0;
  for (unsigned i = 0; i < kSeconds * 100; ++i, now += 10ms) told += source.tell(peers(0, kMaxCertificatesTold), clock()).size();
  EXPECT_EQ(issuer.issued, kMaxCertificatesTold);
  EXPECT_GE(told, std::size_t{kSeconds} * kMaxToldPerSecond);
  EXPECT_LE(told, std::size_t{kSeconds + 1} * kMaxToldPerSecond);
}

TEST_F(CertifiedPeersTest, so_many_are_kept_and_the_first_to_end_makes_room) {
  const base::Duration step = 100ms;   // fewer a second than may be signed, and all within the time in which none is renewed
  for (unsigned i = 0; i < kMaxCertificates; ++i, now += step) ASSERT_EQ(source.tell(peers(i, 1), clock()).size(), 1U);
  EXPECT_EQ(source.size(), kMaxCertificates);
  now += 1s;
  ASSERT_EQ(source.tell(peers(kMaxCertificates, 1), clock()).size(), 1U);
  EXPECT_EQ(source.size(), kMaxCertificates);
  const std::size_t before = issuer.issued;
  ASSERT_EQ(source.tell(peers(kMaxCertificates, 1), clock()).size(), 1U);
  ASSERT_EQ(source.tell(peers(kMaxCertificates - 1, 1), clock()).size(), 1U);
  EXPECT_EQ(issuer.issued, before);
  ASSERT_EQ(source.tell(peers(0, 1), clock()).size(), 1U);
  EXPECT_EQ(issuer.issued, before + 1) << "its certificate had made room";
}

TEST_F(CertifiedPeersTest, a_key_whose_certificates_fit_no_datagram_signs_one) {
  issuer.size = kRoom + 1;
  for (unsigned i = 0; i < 10; ++i, now += 1s) EXPECT_TRUE(source.tell(peers(i, 10), clock()).empty());
  EXPECT_EQ(issuer.issued, 1U);
  EXPECT_EQ(source.size(), 0U);
}

// ---- viewers --------------------------------------------------------------------------------------------------------

TEST_F(CertifiedPeersTest, a_viewer_believes_the_source_and_passes_its_word_on) {
  const auto told = source.tell(peers(1, 3), clock());
  const auto judged = judge(viewer, told);
  EXPECT_EQ(judged.verdict, Verdict::good);
  EXPECT_EQ(judged.peers, peers(1, 3));
  const std::vector asked{peer(3), peer(9), peer(1)};
  EXPECT_EQ(viewer.tell(asked, clock()), (std::vector{told[2], told[0]})) << "the others have no certificate that it knows of";
}

TEST_F(CertifiedPeersTest, a_viewer_passes_nothing_on_that_is_about_to_end) {
  const auto told = source.tell(peers(1, 1), clock());
  judge(viewer, told);
  now += kCertificateLife - kPassOnAbove - 1s;
  EXPECT_EQ(viewer.tell(peers(1, 1), clock()), told);
  now += 1s;
  EXPECT_TRUE(viewer.tell(peers(1, 1), clock()).empty());
}

TEST_F(CertifiedPeersTest, a_later_certificate_takes_the_place_of_an_earlier_one_and_not_the_other_way_round) {
  const auto first = source.tell(peers(1, 1), clock());
  now += kCertificateLife - kRenewBelow;
  const auto second = source.tell(peers(1, 1), clock());
  for (const auto& batch : {first, second, first}) EXPECT_EQ(judge(viewer, batch).peers, peers(1, 1));
  EXPECT_EQ(viewer.tell(peers(1, 1), clock()), second);
  EXPECT_EQ(viewer.size(), 1U);
}

TEST_F(CertifiedPeersTest, what_is_known_already_is_not_checked_again) {
  const auto told = source.tell(peers(1, 3), clock());
  for (int i = 0; i < 100; ++i) EXPECT_EQ(judge(viewer, told).peers, peers(1, 3));
  EXPECT_EQ(checker.checked, 3U);
  now += kCertificateLife + kClockAllowance + 1s;
  EXPECT_EQ(judge(viewer, told).verdict, Verdict::untimely) << "but what is over is over";
}

// RFC 7574 12.2.2.
TEST_F(CertifiedPeersTest, one_bad_certificate_spoils_those_that_came_with_it) {
  const std::vector batch{certificate(peer(1)), certificate({membership_uri(peer(2), kSwarm), kStart, kStart + 60s}, "forged"),
                          certificate(peer(3))};
  const auto judged = judge(viewer, batch);
  EXPECT_EQ(judged.verdict, Verdict::bad);
  EXPECT_TRUE(judged.peers.empty());
  EXPECT_EQ(viewer.size(), 0U);
  EXPECT_EQ(checker.checked, 2U);
}

TEST_F(CertifiedPeersTest, a_batch_of_bad_ones_costs_one_check) {
  const std::vector batch(kMaxCertificatesTaken, certificate({"file://", kStart, kStart}, "forged"));
  EXPECT_EQ(judge(viewer, batch).verdict, Verdict::bad);
  EXPECT_EQ(checker.checked, 1U);
}

TEST_F(CertifiedPeersTest, what_the_source_signed_about_another_swarm_or_nobody_is_bad) {
  const Bytes other{std::byte{1}};
  for (const std::string& uri : {membership_uri(peer(1), other), membership_uri({peer(1).address, 0}, kSwarm), std::string{"file://x"}})
    EXPECT_EQ(judge(viewer, {certificate({uri, kStart, kStart + 60s})}).verdict, Verdict::bad) << uri;
  EXPECT_EQ(judge(viewer, {certificate(peer(1), kStart, kStart - 1s)}).verdict, Verdict::bad) << "it ends before it begins";
  EXPECT_EQ(viewer.size(), 0U);
}

TEST_F(CertifiedPeersTest, what_has_ended_or_not_begun_is_left_alone) {
  const auto verdict = [&](WallTime begins, WallTime ends) { return judge(viewer, {certificate(peer(1), begins, ends)}).verdict; };
  EXPECT_EQ(verdict(kStart - 600s, kStart - kClockAllowance - 1s), Verdict::untimely);
  EXPECT_EQ(verdict(kStart + kClockAllowance + 1s, kStart + 900s), Verdict::untimely);
  EXPECT_EQ(viewer.size(), 0U);
  EXPECT_EQ(verdict(kStart - 600s, kStart - kClockAllowance), Verdict::good) << "honest clocks may differ by so much";
  EXPECT_EQ(verdict(kStart + kClockAllowance, kStart + 900s), Verdict::good);
}

// The source's clock stands between what its newest munro said and what ours says.
TEST_F(CertifiedPeersTest, a_clock_that_may_be_wrong_refuses_only_what_is_wrong_by_all_of_it) {
  const CertificateClock wide{now, kStart, kStart + 3600s};
  const auto verdict = [&](WallTime begins, WallTime ends) {
    const Bytes der = certificate(peer(1), begins, ends);
    return viewer.judge(std::vector<base::ByteView>{der}, kTeller, wide).verdict;
  };
  EXPECT_EQ(verdict(kStart, kStart + 600s), Verdict::good);
  EXPECT_EQ(verdict(kStart + 3600s, kStart + 4200s), Verdict::good);
  EXPECT_EQ(verdict(kStart - 900s, kStart - 300s), Verdict::untimely);
  EXPECT_EQ(verdict(kStart + 3900s, kStart + 4500s), Verdict::untimely);
}

TEST_F(CertifiedPeersTest, nobody_is_sent_to_the_machines_beside_us) {
  const Endpoint near{IpAddress::v4({192, 168, 1, 1}), 80};
  const auto judged = judge(viewer, {certificate(near), certificate(peer(1))});
  EXPECT_EQ(judged.verdict, Verdict::good);
  EXPECT_EQ(judged.peers, peers(1, 1));
  EXPECT_EQ(judge(viewer, {certificate(near)}, *IpAddress::parse("192.168.1.7")).peers, std::vector{near});
}

TEST_F(CertifiedPeersTest, so_many_are_checked_in_a_second) {
  constexpr unsigned kSeconds = 5;
  bool refused = false;
  for (unsigned i = 0; i < kSeconds * 100; ++i, now += 10ms)
    refused |= judge(viewer, {certificate(peer(i)), certificate(peer(1'000 + i))}).verdict == Verdict::too_many;
  EXPECT_TRUE(refused);
  EXPECT_GE(checker.checked, kSeconds * kMaxCheckedPerSecond);
  EXPECT_LE(checker.checked, (kSeconds + 1) * kMaxCheckedPerSecond);
}

TEST_F(CertifiedPeersTest, so_many_of_one_datagram_are_looked_at) {
  std::vector<Bytes> batch;
  for (unsigned i = 0; i < kMaxCertificatesTaken + 5; ++i) batch.push_back(certificate(peer(i)));
  EXPECT_EQ(judge(viewer, batch).peers.size(), kMaxCertificatesTaken);
}

TEST_F(CertifiedPeersTest, a_viewer_keeps_so_many) {
  for (unsigned i = 0; i < kMaxCertificates + 10; ++i, now += 100ms)
    ASSERT_EQ(judge(viewer, {certificate(peer(i), wall(), wall() + kCertificateLife)}).verdict, Verdict::good);
  EXPECT_EQ(viewer.size(), kMaxCertificates);
}

TEST_F(CertifiedPeersTest, the_source_believes_nobody) {
  const auto judged = judge(source, {certificate(peer(1))});
  EXPECT_TRUE(judged.peers.empty());
  EXPECT_EQ(source.size(), 0U);
}

}  // namespace
}  // namespace runnel::discovery
