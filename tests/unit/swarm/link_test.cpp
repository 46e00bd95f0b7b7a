#include "core/swarm/link.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "core/discovery/tracker_url.hpp"
#include "core/swarm/link_text.hpp"

namespace runnel::swarm {
namespace {

const std::string kSha256Id(64, 'a');
const std::string kSha1Id(40, 'b');
const std::string kP256Id = "0d02" + std::string(64, 'c');

std::string with(const std::string& parameters) { return "runnel:" + kSha256Id + "?" + parameters; }

LinkError error_of(const std::string& text) {
  const auto link = parse_link(text);
  EXPECT_FALSE(link) << text << " was taken";
  return link ? LinkError{} : link.error();
}

std::string repeat(const std::string& text, std::size_t count) {
  std::string out;
  for (std::size_t i = 0; i < count; ++i) out += text;
  return out;
}

TEST(Link, names_a_film_with_all_that_is_needed_to_join_it) {
  const auto link = parse_link("runnel:" + kSha256Id +
                               "?xl=209715200&dn=Big%20Film&tr=udp://tracker.example:6969/announce&tr=http://[2001:db8::1]:80/announce"
                               "&x.pe=192.0.2.1:6778&x.pe=caster.local:6779&x.pe=[2001:db8::2]:6780&ws=https://cdn.example/film.mp4"
                               "&k=000102030405060708090a0b0c0d0e0f&x.ix=" +
                               kSha256Id + ":4096&cs=1024&ca=4&hf=2");
  ASSERT_TRUE(link) << message(link.error());
  EXPECT_EQ(link->kind, LinkKind::static_content);
  EXPECT_EQ(base::to_hex(link->id_bytes), kSha256Id);
  EXPECT_EQ(link->size, 209'715'200U);
  EXPECT_EQ(link->title, "Big Film");
  EXPECT_THAT(link->trackers, testing::ElementsAre("udp://tracker.example:6969/announce", "http://[2001:db8::1]:80/announce"));
  EXPECT_THAT(link->peers,
              testing::ElementsAre(LinkPeer{"192.0.2.1", 6778}, LinkPeer{"caster.local", 6779}, LinkPeer{"2001:db8::2", 6780}));
  EXPECT_THAT(link->origins, testing::ElementsAre("https://cdn.example/film.mp4"));
  EXPECT_EQ(base::to_hex(link->secret), "000102030405060708090a0b0c0d0e0f");
  EXPECT_EQ(link->index->size, 4096U);
  EXPECT_EQ(link->chunk_size_bytes(), 1024U);
  EXPECT_EQ(link->addressing_method(), wire::AddressingMethod::chunks64);
  EXPECT_EQ(link->hash_algorithm(), crypto::HashAlgorithm::sha256);
}

TEST(Link, is_also_a_bare_id) {
  for (const std::string& text : {kSha256Id, "runnel:" + kSha256Id, "  " + kSha256Id + "\r\n", "RUNNEL:" + std::string(64, 'A')}) {
    const auto link = parse_link(text);
    ASSERT_TRUE(link) << text;
    EXPECT_EQ(to_string(*link), "runnel:" + kSha256Id);
  }
}

TEST(Link, tells_its_kind_by_its_id) {
  EXPECT_EQ(parse_link(kSha256Id)->kind, LinkKind::static_content);
  EXPECT_EQ(parse_link(kSha1Id)->kind, LinkKind::static_content);
  for (const auto algorithm : crypto::kHashAlgorithms) {
    // 0d would begin a key: the length decides.
    const auto link = parse_link("0d" + std::string(2 * crypto::digest_size(algorithm) - 2, 'a'));
    ASSERT_TRUE(link) << crypto::name(algorithm);
    EXPECT_EQ(link->kind, LinkKind::static_content);
    EXPECT_EQ(link->hash_algorithm(), algorithm);
    EXPECT_EQ(link->chunk_size_bytes(), algorithm == crypto::HashAlgorithm::sha1 ? 1024U : 1080U);
  }
  const std::string rsa = "0803010001" + std::string(512, '1');
  const std::string rsa_long_exponent = "08000003010001" + std::string(512, '1');
  for (const std::string& id : {kP256Id, "0d03" + std::string(64, 'c'), "0d" + std::string(128, 'c'), "0f" + std::string(64, 'd'),
                                "0e" + std::string(192, 'e'), "0e02" + std::string(96, 'e'), rsa, rsa_long_exponent}) {
    const auto link = parse_link(id);
    ASSERT_TRUE(link) << id;
    EXPECT_EQ(link->kind, LinkKind::live);
    EXPECT_EQ(base::to_hex(link->id_bytes), id);
  }
}

TEST(Link, has_defaults_that_follow_from_its_kind) {
  EXPECT_EQ(parse_link(kSha256Id)->chunk_size_bytes(), 1080U);
  EXPECT_EQ(parse_link(kSha256Id)->addressing_method(), wire::AddressingMethod::chunks32);
  EXPECT_EQ(parse_link(kSha1Id)->hash_algorithm(), crypto::HashAlgorithm::sha1);
  EXPECT_EQ(parse_link(kSha1Id)->chunk_size_bytes(), 1024U);
  EXPECT_EQ(parse_link(kP256Id)->addressing_method(), wire::AddressingMethod::chunks64);
  EXPECT_EQ(parse_link(kP256Id)->hash_algorithm(), crypto::HashAlgorithm::sha256);
  EXPECT_EQ(parse_link(kP256Id + "?hf=0")->hash_algorithm(), crypto::HashAlgorithm::sha1);
  EXPECT_EQ(parse_link(kSha256Id)->integrity_method(), wire::IntegrityMethod::merkle_tree);
  EXPECT_EQ(parse_link(kP256Id)->integrity_method(), wire::IntegrityMethod::unified_merkle_tree);
  EXPECT_EQ(parse_link(kP256Id + "?im=2")->integrity_method(), wire::IntegrityMethod::sign_all);
}

TEST(Link, ignores_parameters_that_it_does_not_know_and_a_fragment) {
  const auto link = parse_link(with("x.new=1&x.new=2&&=3&flag&xl=5#t=30?&xl=6"));
  ASSERT_TRUE(link);
  EXPECT_EQ(to_string(*link), with("xl=5"));
}

TEST(Link, never_believes_a_size_of_two_hashes_for_a_bare_id) {
  EXPECT_FALSE(believable_size(*parse_link(kSha256Id), 64));
  for (const auto algorithm : crypto::kHashAlgorithms) {
    const std::size_t two_hashes = 2 * crypto::digest_size(algorithm);
    EXPECT_FALSE(believable_size(*parse_link(std::string(two_hashes, 'b')), two_hashes)) << crypto::name(algorithm);
  }
  EXPECT_TRUE(believable_size(*parse_link(kSha256Id), 40));
  EXPECT_TRUE(believable_size(*parse_link(kSha256Id), 63));
  EXPECT_TRUE(believable_size(*parse_link(with("xl=64")), 64));
  EXPECT_FALSE(believable_size(*parse_link(with("xl=100")), 64));
  EXPECT_TRUE(believable_size(*parse_link(kP256Id), 68));
}

TEST(Link, says_what_is_wrong_with_an_id) {
  EXPECT_EQ(error_of(""), LinkError::empty);
  EXPECT_EQ(error_of("  \n"), LinkError::empty);
  EXPECT_EQ(error_of("runnel:"), LinkError::empty);
  EXPECT_EQ(error_of("runnel:?xl=1"), LinkError::empty);
  EXPECT_EQ(error_of("magnet:?xt=urn:btih:" + kSha1Id), LinkError::other_scheme);
  EXPECT_EQ(error_of("https://example.org/" + kSha256Id), LinkError::other_scheme);
  EXPECT_EQ(error_of("film.mp4"), LinkError::id_not_hex);
  EXPECT_EQ(error_of("runnel:" + kSha256Id + "/"), LinkError::id_not_hex);
  EXPECT_EQ(error_of(std::string(63, 'a')), LinkError::id_length);
  EXPECT_EQ(error_of(std::string(62, 'a')), LinkError::id_length);
  EXPECT_EQ(error_of(std::string(2 * kMaxLinkIdSize + 2, 'a')), LinkError::id_length);
  for (const std::size_t digits : {38, 54, 58, 94, 98, 126}) EXPECT_EQ(error_of(std::string(digits, 'a')), LinkError::id_length) << digits;
  EXPECT_EQ(error_of("0d04" + std::string(64, 'c')), LinkError::id_key);
  EXPECT_EQ(error_of("0d02" + std::string(62, 'c')), LinkError::id_key);
  EXPECT_EQ(error_of("0f" + std::string(66, 'c')), LinkError::id_key);
  EXPECT_EQ(error_of("0800"), LinkError::id_key);
  EXPECT_EQ(error_of("08"), LinkError::id_key);
  EXPECT_EQ(error_of("08ff" + std::string(100, '1')), LinkError::id_key);
}

TEST(Link, says_what_is_wrong_with_a_parameter) {
  EXPECT_EQ(error_of(with("xl=")), LinkError::bad_size);
  EXPECT_EQ(error_of(with("xl")), LinkError::bad_size);
  EXPECT_EQ(error_of(with("xl=0")), LinkError::bad_size);
  EXPECT_EQ(error_of(with("xl=-1")), LinkError::bad_size);
  EXPECT_EQ(error_of(with("xl=12x")), LinkError::bad_size);
  EXPECT_EQ(error_of(with("xl=18446744073709551616")), LinkError::bad_size);
  EXPECT_EQ(error_of(with("xl=1&xl=1")), LinkError::repeated);
  EXPECT_EQ(error_of(with("dn=%ff")), LinkError::bad_title);
  EXPECT_EQ(error_of(with("dn=%c0%80")), LinkError::bad_title);
  EXPECT_EQ(error_of(with("dn=%ed%a0%80")), LinkError::bad_title);
  EXPECT_EQ(error_of(with("dn=%1b[31m")), LinkError::control_character);
  EXPECT_EQ(error_of(with("dn=%0")), LinkError::bad_percent);
  EXPECT_EQ(error_of(with("dn=%zz")), LinkError::bad_percent);
  EXPECT_EQ(error_of(with("tr=tracker.example")), LinkError::bad_tracker);
  EXPECT_EQ(error_of(with("tr=file:///etc/passwd")), LinkError::bad_tracker);
  EXPECT_EQ(error_of(with("tr=http://")), LinkError::bad_tracker);
  EXPECT_EQ(error_of(with("tr=http://a%20b/")), LinkError::bad_tracker);
  EXPECT_EQ(error_of(with("ws=udp://a:1/")), LinkError::bad_origin);
  EXPECT_EQ(error_of(with("k=00")), LinkError::bad_secret);
  EXPECT_EQ(error_of(with("k=" + std::string(130, '0'))), LinkError::bad_secret);
  EXPECT_EQ(error_of(with("k=" + std::string(31, '0'))), LinkError::bad_secret);
  EXPECT_EQ(error_of(with("x.ix=" + kSha256Id)), LinkError::bad_index);
  EXPECT_EQ(error_of(with("x.ix=abcd:5")), LinkError::bad_index);
  EXPECT_EQ(error_of(with("x.ix=" + kSha256Id + ":0")), LinkError::bad_index);
  EXPECT_EQ(error_of(with("cs=0")), LinkError::bad_chunk_size);
  EXPECT_EQ(error_of(with("cs=60001")), LinkError::bad_chunk_size);
  EXPECT_EQ(error_of(with("ca=5")), LinkError::bad_addressing);
  EXPECT_EQ(error_of(with("hf=5")), LinkError::bad_hash);
  EXPECT_EQ(error_of(with("hf=256")), LinkError::bad_hash);
  for (const char* wrong : {"im=0", "im=2", "im=3", "im=4", "im=", "im=257"}) EXPECT_EQ(error_of(with(wrong)), LinkError::bad_integrity);
  for (const char* wrong : {"?im=0", "?im=1", "?im=4"}) EXPECT_EQ(error_of(kP256Id + wrong), LinkError::bad_integrity);
  for (const auto of_id : crypto::kHashAlgorithms) {
    for (const auto named : crypto::kHashAlgorithms) {
      const std::string text = std::string(2 * crypto::digest_size(of_id), 'a') + "?hf=" + std::to_string(static_cast<int>(named));
      if (named == of_id)
        EXPECT_EQ(parse_link(text)->hash_algorithm(), named);
      else
        EXPECT_EQ(error_of(text), LinkError::hash_against_id);
    }
  }
}

TEST(Link, takes_peers_by_name_or_address_with_a_port) {
  for (const char* peer : {"a:1", "caster.example.org:65535", "192.0.2.1:6778", "[::1]:6778", "under_score-1.local.:80"}) {
    const auto parsed = parse_link_peer(peer);
    ASSERT_TRUE(parsed) << peer;
    EXPECT_EQ(parsed->to_string(), peer);
  }
  for (const char* peer : {"", ":1", "a", "a:", "a:0", "a:65536", "a:-1", "a: 1", "::1:5", "[::1]", "[192.0.2.1]:5", "[::1:5", "[]:5",
                           "a b:5", ".a:5", "a..b:5", "user@host:5", "a/b:5"}) {
    EXPECT_FALSE(parse_link_peer(peer)) << peer;
  }
  EXPECT_TRUE(parse_link_peer(std::string(kMaxLinkHostSize, 'a') + ":5"));
  EXPECT_FALSE(parse_link_peer(std::string(kMaxLinkHostSize + 1, 'a') + ":5"));
}

TEST(Link, keeps_each_of_its_limits) {
  EXPECT_TRUE(parse_link(with("p=1" + repeat("&p=1", kMaxLinkParameters - 1))));
  EXPECT_EQ(error_of(with("p=1" + repeat("&p=1", kMaxLinkParameters))), LinkError::too_many_parameters);
  EXPECT_TRUE(parse_link(with("p=" + std::string(kMaxLinkSize - with("p=").size(), 'x'))));
  EXPECT_EQ(error_of(with("p=" + std::string(kMaxLinkSize - with("p=").size() + 1, 'x'))), LinkError::too_long);
  EXPECT_TRUE(parse_link(with(repeat("tr=udp://a:1&", kMaxLinkTrackers))));
  EXPECT_EQ(error_of(with(repeat("tr=udp://a:1&", kMaxLinkTrackers + 1))), LinkError::too_many_trackers);
  EXPECT_TRUE(parse_link(with(repeat("x.pe=a:1&", kMaxLinkPeers))));
  EXPECT_EQ(error_of(with(repeat("x.pe=a:1&", kMaxLinkPeers + 1))), LinkError::too_many_peers);
  EXPECT_TRUE(parse_link(with(repeat("ws=http://a/&", kMaxLinkOrigins))));
  EXPECT_EQ(error_of(with(repeat("ws=http://a/&", kMaxLinkOrigins + 1))), LinkError::too_many_origins);
  EXPECT_TRUE(parse_link(with("dn=" + std::string(kMaxLinkTitleSize, 't'))));
  EXPECT_EQ(error_of(with("dn=" + std::string(kMaxLinkTitleSize + 1, 't'))), LinkError::bad_title);
  EXPECT_TRUE(parse_link(with("ws=http://" + std::string(kMaxLinkUrlSize - 7, 'u'))));
  EXPECT_EQ(error_of(with("ws=http://" + std::string(kMaxLinkUrlSize - 6, 'u'))), LinkError::bad_origin);
  EXPECT_EQ(error_of(with("tr=http://" + std::string(kMaxLinkUrlSize - 6, 'u'))), LinkError::bad_tracker);
  const std::string longest_key = "0803010001" + std::string(2 * kMaxLinkIdSize - 10, '1');
  EXPECT_TRUE(parse_link(longest_key));
  EXPECT_EQ(error_of(longest_key + "11"), LinkError::id_length);
}

TEST(Link, has_a_sentence_of_its_own_for_every_error) {
  std::vector<std::string_view> texts;
  for (int error = 0; error <= static_cast<int>(LinkError::bad_integrity); ++error) {
    texts.push_back(message(static_cast<LinkError>(error)));
    EXPECT_GT(texts.back().size(), 20U);
  }
  std::ranges::sort(texts);
  EXPECT_EQ(std::ranges::adjacent_find(texts), texts.end());
}

base::Bytes arbitrary_bytes(std::size_t size) {
  base::Bytes out(size);
  for (std::byte& b : out) b = static_cast<std::byte>(*rc::gen::arbitrary<std::uint8_t>());
  return out;
}

std::string arbitrary_title() {
  std::string title;
  for (int count = *rc::gen::inRange(0, 40); count > 0; --count)
    title += *rc::gen::element<std::string>("a", " ", "&", "=", "%", "+", "#", "?", "\"", "é", "漢", "🎬");
  return title;
}

Link arbitrary_link() {
  Link link;
  const int kind = *rc::gen::inRange(0, 4);
  link.kind = kind < 2 ? LinkKind::static_content : LinkKind::live;
  const auto root_size = [] { return crypto::digest_size(*rc::gen::elementOf(crypto::kHashAlgorithms)); };
  if (kind < 2) link.id_bytes = arbitrary_bytes(root_size());
  if (kind == 2) link.id_bytes = arbitrary_bytes(34);
  if (kind == 3) link.id_bytes = arbitrary_bytes(33);
  if (kind == 2) link.id_bytes[0] = std::byte{13};
  if (kind == 2) link.id_bytes[1] = std::byte{3};
  if (kind == 3) link.id_bytes[0] = std::byte{15};
  const auto maybe = [] { return *rc::gen::arbitrary<bool>(); };
  const auto some = [](int most) { return *rc::gen::inRange(0, most + 1); };
  if (maybe()) link.size = *rc::gen::inRange<std::uint64_t>(1, std::uint64_t{1} << 50);
  link.title = arbitrary_title();
  for (int count = some(3); count > 0; --count)
    link.trackers.push_back(*rc::gen::element<std::string>("udp://t:1/x?a=b&c=d", "wss://[::1]:2/#f", "http://h/+%20"));
  for (int count = some(3); count > 0; --count)
    link.peers.push_back({*rc::gen::element<std::string>("::1", "h.example", "192.0.2.7"), *rc::gen::inRange<std::uint16_t>(1, 65'535)});
  for (int count = some(2); count > 0; --count)
    link.origins.push_back(*rc::gen::element<std::string>("https://cdn/film.mp4", "https://cdn/a%20b?x=%26&y"));
  if (maybe()) link.secret = arbitrary_bytes(*rc::gen::inRange<std::size_t>(16, 65));
  if (maybe()) link.index = LinkIndex{arbitrary_bytes(root_size()), *rc::gen::inRange<std::uint64_t>(1, 1'000'000)};
  if (maybe()) link.chunk_size = *rc::gen::inRange<std::uint32_t>(1, kMaxLinkChunkSize + 1);
  if (maybe()) link.addressing = static_cast<wire::AddressingMethod>(*rc::gen::inRange(0, 5));
  if (link.kind == LinkKind::live && maybe()) link.hash = static_cast<crypto::HashAlgorithm>(*rc::gen::inRange(0, 5));
  using Method = wire::IntegrityMethod;
  if (maybe())
    link.integrity = link.kind == LinkKind::static_content ? Method::merkle_tree : maybe() ? Method::sign_all : Method::unified_merkle_tree;
  return link;
}

TEST(Link, survives_being_printed_and_read) {
  EXPECT_TRUE(rc::check([] {
    const Link link = arbitrary_link();
    const std::string text = to_string(link);
    const auto parsed = parse_link(text);
    RC_ASSERT(parsed.has_value());
    RC_ASSERT((*parsed == link));
    RC_ASSERT(to_string(*parsed) == text);
    // Safe to paste: no spaces, quotes or line ends in it.
    RC_ASSERT(text.find_first_of(" \"'<>\\\r\n#") == std::string::npos);
  }));
}

TEST(Link, of_any_text_is_refused_or_prints_what_reads_back_the_same) {
  EXPECT_TRUE(rc::check([] {
    std::string text = to_string(arbitrary_link());
    for (int edits = *rc::gen::inRange(0, 6); edits > 0; --edits) {
      text[*rc::gen::inRange<std::size_t>(0, text.size())] = static_cast<char>(*rc::gen::arbitrary<std::uint8_t>());
    }
    const auto link = parse_link(text);
    if (link) RC_ASSERT((parse_link(to_string(*link)) == *link));
  }));
}

TEST(LinkText, percent_encoding_survives_a_round_trip_of_any_bytes) {
  EXPECT_TRUE(rc::check([](const std::string& text) { RC_ASSERT((discovery::percent_decode(percent_encode(text)) == text)); }));
}

TEST(LinkText, knows_utf8_from_what_is_not) {
  for (const char* good : {"", "plain", "é", "漢字", "\xf4\x8f\xbf\xbf"}) EXPECT_TRUE(is_utf8(good)) << good;
  for (const char* bad :
       {"\x80", "\xc3", "\xc1\x81", "\xe0\x80\x80", "\xed\xbf\xbf", "\xf4\x90\x80\x80", "\xf8\x88\x80\x80\x80", "a\xe6\xbc"}) {
    EXPECT_FALSE(is_utf8(bad));
  }
}

}  // namespace
}  // namespace runnel::swarm
