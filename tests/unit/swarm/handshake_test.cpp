#include "core/swarm/handshake.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <functional>
#include <vector>

namespace runnel::swarm {
namespace {

using crypto::HashAlgorithm;
using crypto::SignatureAlgorithm;
using wire::AddressingMethod;
using wire::MessageSet;
using wire::MessageType;
using wire::Options;

Metadata a_file() {
  Metadata metadata;
  metadata.id = base::Bytes(32, std::byte{7});
  metadata.content_bytes = 1'000'000;
  return metadata;
}
Metadata a_stream() {
  Metadata metadata;
  metadata.id = base::Bytes(65, std::byte{9});
  metadata.id[0] = static_cast<std::byte>(SignatureAlgorithm::ecdsa_p256_sha256);
  metadata.live = true;
  metadata.addressing = AddressingMethod::chunks64;
  return metadata;
}
// As older peers have it (rfc7574.md P9).
Metadata a_compat_stream() {
  Metadata metadata = a_stream();
  metadata.hash = HashAlgorithm::sha1;
  metadata.chunk_size = kDefaultCompatChunkSize;
  metadata.addressing = AddressingMethod::chunks32;
  metadata.live_window = kCompatLiveWindow;
  return metadata;
}
std::vector<Metadata> both() { return {a_file(), a_stream()}; }

// As the other side would read them: a byte-for-byte trip over the wire.
struct Wire {
  explicit Wire(const Options& options) : bytes(wire::encoded_size(options).value()) {
    wire::encode_options(options, bytes);
    base::Reader reader{bytes};
    read = wire::decode_options(reader).value();
  }
  base::Bytes bytes;
  Options read;
};

// ---- what fits --------------------------------------------------------------------------------------------------------

TEST(Handshake, two_of_ours_agree_on_version_2_and_the_extension) {
  for (const Metadata& metadata : both()) {
    const Wire call{initiating_options(metadata, Style::full)};
    const auto at_responder = accept_initiating(metadata, call.read);
    ASSERT_TRUE(at_responder);
    const Wire reply{replying_options(metadata, call.read)};
    const auto at_initiator = accept_reply(metadata, reply.read);
    ASSERT_TRUE(at_initiator);
    for (const auto& agreed : {*at_responder, *at_initiator}) {
      EXPECT_EQ(agreed.version, wire::kVersionRunnel);
      EXPECT_TRUE(agreed.extensions());
      EXPECT_TRUE(agreed.takes_pushed());
      EXPECT_EQ(agreed.peer_window, metadata.live ? std::optional{metadata.live_window} : std::nullopt);
    }
  }
}

// RFC 7574 7.2 to 7.11.
TEST(Handshake, a_call_names_all_that_the_rfc_asks_for) {
  for (const Metadata& metadata : both()) {
    const Options call = initiating_options(metadata, Style::full);
    EXPECT_EQ(call.version, wire::kVersionRunnel);
    EXPECT_EQ(call.minimum_version, wire::kVersionRfc);
    ASSERT_TRUE(call.swarm_id);
    EXPECT_TRUE(base::equal(*call.swarm_id, metadata.id));
    EXPECT_EQ(call.integrity, metadata.live ? wire::IntegrityMethod::unified_merkle_tree : wire::IntegrityMethod::merkle_tree);
    EXPECT_EQ(call.hash, metadata.hash);
    EXPECT_EQ(call.signature.has_value(), metadata.live);
    EXPECT_EQ(call.addressing, metadata.addressing);
    EXPECT_EQ(call.discard_window.has_value(), metadata.live);
    EXPECT_EQ(call.chunk_size, metadata.live ? wire::kVariableChunkSize : metadata.chunk_size);
    EXPECT_TRUE(call.supported_messages && call.supported_messages->contains(MessageType::extension));
  }
}

// rfc7574.md P1: older peers do not understand options 8 and 9.
TEST(Handshake, options_8_and_9_are_left_out_for_who_does_not_know_them) {
  for (const Metadata& metadata : both()) {
    const Options plain = initiating_options(metadata, Style::plain);
    EXPECT_FALSE(plain.supported_messages);
    EXPECT_FALSE(plain.chunk_size);
    const auto agreed = accept_initiating(metadata, plain);
    ASSERT_TRUE(agreed);
    EXPECT_EQ(agreed->version, wire::kVersionRunnel);
    EXPECT_FALSE(agreed->extensions()) << "it did not list the message";
    const Options reply = replying_options(metadata, plain);
    EXPECT_FALSE(reply.supported_messages);
    EXPECT_FALSE(reply.chunk_size);
  }
}

// rfc7574.md P9: nor option 4 in live swarms. Byte for byte what one of them says, but for the versions.
TEST(Handshake, option_4_is_left_out_as_well_for_older_peers_in_live_swarms) {
  const Metadata metadata = a_compat_stream();
  ASSERT_TRUE(metadata.compat());
  const Options full = initiating_options(metadata, Style::full);
  EXPECT_EQ(full.hash, HashAlgorithm::sha1);
  EXPECT_EQ(full.chunk_size, kDefaultCompatChunkSize);
  EXPECT_EQ(replying_options(metadata, full).hash, HashAlgorithm::sha1);
  EXPECT_EQ(replying_options(metadata, full).chunk_size, kDefaultCompatChunkSize);

  const Wire plain{initiating_options(metadata, Style::plain)};
  base::Bytes expected{std::byte{0}, std::byte{2}, std::byte{1}, std::byte{1}, std::byte{2}, std::byte{0}, std::byte{65}};
  expected.insert(expected.end(), metadata.id.begin(), metadata.id.end());
  for (const int byte : {3, 3, 5, 13, 6, 2, 7, 0, 1, 0, 0, 255}) expected.push_back(static_cast<std::byte>(byte));
  EXPECT_EQ(plain.bytes, expected) << "the discard window has 32 bits";
  const auto agreed = accept_initiating(metadata, plain.read);
  ASSERT_TRUE(agreed);
  EXPECT_EQ(agreed->peer_window, kCompatLiveWindow);
  const Options reply = replying_options(metadata, plain.read);
  EXPECT_FALSE(reply.hash || reply.supported_messages || reply.chunk_size || reply.swarm_id);
  EXPECT_TRUE(accept_reply(metadata, reply));
  EXPECT_TRUE(initiating_options(a_stream(), Style::plain).hash) << "in the RFC's form it is always said";
}

// Only by all of them: each alone is a stream in the RFC's form.
TEST(Handshake, a_live_swarm_is_of_the_older_form_by_its_key_hash_chunks_and_addressing) {
  const std::vector<std::function<void(Metadata&)>> changes{
      [](Metadata& m) { m.hash = HashAlgorithm::sha256; }, [](Metadata& m) { m.chunk_size = kDefaultChunkSize; },
      [](Metadata& m) { m.addressing = AddressingMethod::chunks64; },
      [](Metadata& m) { m.id[0] = static_cast<std::byte>(SignatureAlgorithm::ed25519); }};
  for (const auto& change : changes) {
    Metadata metadata = a_compat_stream();
    change(metadata);
    EXPECT_FALSE(metadata.compat());
    EXPECT_EQ(initiating_options(metadata, Style::full).chunk_size, wire::kVariableChunkSize);
  }
}

// rfc7574.md P4.
TEST(Handshake, a_reply_does_not_repeat_the_swarm_id) {
  for (const Metadata& metadata : both()) EXPECT_FALSE(replying_options(metadata, initiating_options(metadata, Style::full)).swarm_id);
}

TEST(Handshake, what_a_peer_leaves_out_is_taken_as_agreed) {
  for (const Metadata& metadata : both()) {
    Options bare;
    EXPECT_TRUE(accept_reply(metadata, bare));
    bare.version = wire::kVersionRfc;
    bare.swarm_id = metadata.id;
    const auto agreed = accept_initiating(metadata, bare);
    ASSERT_TRUE(agreed);
    EXPECT_EQ(agreed->peer_messages, MessageSet::rfc());
    EXPECT_EQ(agreed->peer_window, std::nullopt);
    EXPECT_FALSE(agreed->extensions());
  }
}

// ---- versions ---------------------------------------------------------------------------------------------------------

// RFC 7574 7.2, 7.3: the highest that both speak.
TEST(Handshake, the_lower_of_two_versions_is_spoken) {
  const Metadata metadata = a_file();
  for (const auto& [theirs, spoken] : {std::pair<std::uint8_t, std::uint8_t>{1, 1}, {2, 2}, {3, 2}, {255, 2}}) {
    Options call = initiating_options(metadata, Style::full);
    call.version = theirs;
    const auto agreed = accept_initiating(metadata, call);
    ASSERT_TRUE(agreed) << int{theirs};
    EXPECT_EQ(agreed->version, spoken);
    EXPECT_EQ(agreed->extensions(), spoken == 2);
    EXPECT_EQ(replying_options(metadata, call).version, spoken);
    EXPECT_EQ(accept_reply(metadata, call)->version, spoken);
  }
}

TEST(Handshake, who_wants_a_later_version_than_ours_gets_no_answer) {
  const Metadata metadata = a_file();
  Options call = initiating_options(metadata, Style::full);
  call.version = 9;
  call.minimum_version = wire::kVersionRunnel;
  EXPECT_TRUE(accept_initiating(metadata, call));
  call.minimum_version = wire::kVersionRunnel + 1;
  EXPECT_FALSE(accept_initiating(metadata, call));
}

TEST(Handshake, a_call_without_a_version_or_a_swarm_gets_no_answer) {
  for (const Metadata& metadata : both()) {
    Options call = initiating_options(metadata, Style::full);
    call.version.reset();
    EXPECT_FALSE(accept_initiating(metadata, call));
    call = initiating_options(metadata, Style::full);
    call.swarm_id.reset();
    EXPECT_FALSE(accept_initiating(metadata, call));
  }
}

TEST(Handshake, a_reply_without_a_version_is_of_version_1) {
  const Metadata metadata = a_file();
  Options reply = replying_options(metadata, initiating_options(metadata, Style::full));
  reply.version.reset();
  const auto agreed = accept_reply(metadata, reply);
  ASSERT_TRUE(agreed);
  EXPECT_EQ(agreed->version, wire::kVersionRfc);
  EXPECT_FALSE(agreed->extensions());
}

// ---- what does not fit ------------------------------------------------------------------------------------------------

// RFC 7574 3.1.1: silence when a check fails.
TEST(Handshake, whatever_does_not_fit_the_swarm_is_refused_in_calls_and_replies) {
  for (const Metadata& metadata : both()) {
    base::Bytes other_id = metadata.id;
    other_id.back() ^= std::byte{1};
    const base::Bytes shorter_id{metadata.id.begin(), metadata.id.end() - 1};
    base::Bytes longer_id = metadata.id;
    longer_id.push_back(std::byte{0});
    const std::vector<std::pair<const char*, std::function<void(Options&)>>> faults{
        {"swarm id", [&](Options& o) { o.swarm_id = other_id; }},
        {"shorter swarm id", [&](Options& o) { o.swarm_id = shorter_id; }},
        {"longer swarm id", [&](Options& o) { o.swarm_id = longer_id; }},
        {"no integrity", [](Options& o) { o.integrity = wire::IntegrityMethod::none; }},
        {"sign all", [](Options& o) { o.integrity = wire::IntegrityMethod::sign_all; }},
        {"the other integrity",
         [&](Options& o) {
           o.integrity = metadata.live ? wire::IntegrityMethod::merkle_tree : wire::IntegrityMethod::unified_merkle_tree;
         }},
        {"hash", [](Options& o) { o.hash = HashAlgorithm::sha1; }},
        {"signature", [](Options& o) { o.signature = SignatureAlgorithm::ecdsa_p384_sha384; }},
        {"addressing", [](Options& o) { o.addressing = AddressingMethod::bins32; }},
        {"addressing width", [&](Options& o) { o.addressing = metadata.live ? AddressingMethod::chunks32 : AddressingMethod::chunks64; }},
        {"chunk size", [&](Options& o) { o.chunk_size = metadata.chunk_size + 1; }},
        {"the other chunk size", [&](Options& o) { o.chunk_size = metadata.live ? metadata.chunk_size : wire::kVariableChunkSize; }},
    };
    for (const auto& [name, spoil] : faults) {
      Options call = initiating_options(metadata, Style::full);
      spoil(call);
      EXPECT_FALSE(accept_initiating(metadata, call)) << name << (metadata.live ? ", live" : "");
      Options reply = replying_options(metadata, initiating_options(metadata, Style::full));
      spoil(reply);
      EXPECT_FALSE(accept_reply(metadata, reply)) << name << (metadata.live ? ", live" : "");
    }
  }
}

TEST(Handshake, a_reply_may_repeat_the_right_swarm_id) {
  const Metadata metadata = a_file();
  Options reply = replying_options(metadata, initiating_options(metadata, Style::full));
  reply.swarm_id = metadata.id;
  EXPECT_TRUE(accept_reply(metadata, reply));
}

TEST(Handshake, a_signature_named_for_a_file_is_refused) {
  const Metadata metadata = a_file();
  Options call = initiating_options(metadata, Style::full);
  call.signature = SignatureAlgorithm::ecdsa_p256_sha256;
  EXPECT_FALSE(accept_initiating(metadata, call));
}

// ---- what is learned of the peer --------------------------------------------------------------------------------------

// RFC 7574 7.9.
TEST(Handshake, a_peer_that_keeps_everything_has_no_window) {
  const Metadata metadata = a_stream();
  Options call = initiating_options(metadata, Style::full);
  call.discard_window = wire::kKeepsEverything;
  EXPECT_EQ(accept_initiating(metadata, call)->peer_window, std::nullopt);
  call.discard_window = 12'345;
  EXPECT_EQ(accept_initiating(metadata, call)->peer_window, 12'345U);
  EXPECT_EQ(accept_reply(metadata, call)->peer_window, 12'345U);
}

// RFC 7574 7.10.
TEST(Handshake, a_peer_is_sent_only_what_it_listed) {
  const Metadata metadata = a_file();
  Options call = initiating_options(metadata, Style::full);
  call.supported_messages = MessageSet::rfc().erase(MessageType::ack).erase(MessageType::pex_req);
  const auto agreed = accept_initiating(metadata, call);
  ASSERT_TRUE(agreed);
  EXPECT_FALSE(agreed->peer_messages.contains(MessageType::ack));
  EXPECT_TRUE(agreed->peer_messages.contains(MessageType::data));
  EXPECT_FALSE(agreed->extensions()) << "version 2 alone is not enough";
}

TEST(Handshake, the_format_is_the_swarms) {
  const auto file = format_of(a_file(), 0);
  EXPECT_EQ(file.addressing, AddressingMethod::chunks32);
  EXPECT_EQ(file.hash_size, 32U);
  EXPECT_EQ(file.signature_size, 0U);
  EXPECT_EQ(file.chunk_size, kDefaultChunkSize);
  EXPECT_EQ(file.content_size, 1'000'000U);
  const auto stream = format_of(a_stream(), 64);
  EXPECT_EQ(stream.addressing, AddressingMethod::chunks64);
  EXPECT_EQ(stream.signature_size, 64U);
  EXPECT_EQ(stream.chunk_size, wire::kVariableChunkSize);
  EXPECT_EQ(stream.content_size, wire::kUnknownSize);
}

RC_GTEST_PROP(Handshake, peers_of_one_swarm_always_agree_and_of_two_never, ()) {
  const auto arbitrary = [] {
    Metadata metadata = *rc::gen::arbitrary<bool>() ? a_stream() : a_file();
    if (!metadata.live) metadata.id.back() = std::byte{*rc::gen::inRange<std::uint8_t>(0, 2)};
    metadata.chunk_size = *rc::gen::element<std::uint32_t>(1'024, 1'080);
    metadata.hash = *rc::gen::element(HashAlgorithm::sha1, HashAlgorithm::sha256);
    metadata.addressing = *rc::gen::element(AddressingMethod::chunks32, AddressingMethod::chunks64);
    if (metadata.live) metadata.live_window = *rc::gen::inRange<std::uint64_t>(1, 1'000'000);
    return metadata;
  };
  const Metadata ours = arbitrary();
  const Metadata theirs = arbitrary();
  const auto same = [&] {
    return ours.id == theirs.id && ours.hash == theirs.hash && ours.addressing == theirs.addressing &&
           (!(ours.fixed_chunks() || theirs.fixed_chunks()) || ours.chunk_size == theirs.chunk_size);
  }();
  const Wire call{initiating_options(theirs, Style::full)};
  RC_ASSERT(accept_initiating(ours, call.read).has_value() == same);
  RC_ASSERT(accept_initiating(theirs, call.read).has_value());
  const Wire reply{replying_options(theirs, call.read)};
  RC_ASSERT(accept_reply(theirs, reply.read).has_value());
  if (same) RC_ASSERT(accept_reply(ours, reply.read).has_value());
}

}  // namespace
}  // namespace runnel::swarm
