#include "crypto/seal_context.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

namespace runnel::crypto {
namespace {

using base::Bytes;

Bytes hex(std::string_view text) { return base::from_hex(text).value(); }

SealNonce nonce(std::string_view text) {
  SealNonce out;
  std::ranges::copy(hex(text), out.begin());
  return out;
}

struct Vector {
  SealAlgorithm algorithm;
  std::string_view key, nonce, header, plain, sealed;   // sealed: ciphertext and tag
};

class Vectors : public testing::TestWithParam<Vector> {};

TEST_P(Vectors, are_met_both_ways) {
  const Vector& v = GetParam();
  const Bytes plain = hex(v.plain);
  Bytes out(plain.size() + kSealTagSize);
  Seal sealing{v.algorithm, Seal::Use::sealing, hex(v.key)};
  sealing.seal(nonce(v.nonce), hex(v.header), plain, out);
  EXPECT_EQ(base::to_hex(out), v.sealed);
  Seal opening{v.algorithm, Seal::Use::opening, hex(v.key)};
  ASSERT_TRUE(opening.open(nonce(v.nonce), hex(v.header), out));
  out.resize(plain.size());
  EXPECT_EQ(out, plain);
}

INSTANTIATE_TEST_SUITE_P(
    Published, Vectors,
    testing::Values(
        // RFC 8439 2.8.2
        Vector{SealAlgorithm::chacha20_poly1305, "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f",
               "070000004041424344454647", "50515253c0c1c2c3c4c5c6c7",
               "4c616469657320616e642047656e746c656d656e206f662074686520636c617373206f66202739393a204966204920636f756c64206f6666657220796f7"
               "5206f"
               "6e6c79206f6e652074697020666f7220746865206675747572652c2073756e73637265656e20776f756c642062652069742e",
               "d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d63dbea45e8ca9671282fafb69da92728b1a71de0a9e060b2905d6a5b67ec"
               "d3b36"
               "92ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc3ff4def08e4b7a9de576d26586cec64b61161ae10b594f09e26a7e902ec"
               "bd060"
               "0691"},
        // The GCM specification (McGrew and Viega), test case 4
        Vector{SealAlgorithm::aes_128_gcm, "feffe9928665731c6d6a8f9467308308", "cafebabefacedbaddecaf888",
               "feedfacedeadbeeffeedfacedeadbeefabaddad2",
               "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
               "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e0915bc"
               "94fbc"
               "3221a5db94fae95ae7121a47"}));

// Whichever library a node seals with.
TEST(Libraries, open_what_the_other_sealed) {
  const Bytes key(16, std::byte{5});
  const auto quick = make_ipsec_mb_seal(key);
  if (quick == nullptr) GTEST_SKIP() << "not built with ipsec-mb, or no AES here";
  const auto sealing = make_openssl_seal(SealAlgorithm::aes_128_gcm, Seal::Use::sealing, key);
  const auto opening = make_openssl_seal(SealAlgorithm::aes_128_gcm, Seal::Use::opening, key);
  for (std::size_t size = 0; size <= 1'500; ++size) {
    SealNonce nonce{};
    nonce[3] = static_cast<std::byte>(size);
    const Bytes header(size % 20, std::byte{1});
    Bytes plain(size);
    for (std::size_t i = 0; i < size; ++i) plain[i] = static_cast<std::byte>(i * 7 + size);
    Bytes by_quick(size + kSealTagSize);
    Bytes by_openssl(size + kSealTagSize);
    quick->seal(nonce, header, plain, by_quick);
    sealing->seal(nonce, header, plain, by_openssl);
    ASSERT_EQ(by_quick, by_openssl) << size;
    ASSERT_TRUE(quick->open(nonce, header, by_openssl)) << size;
    ASSERT_TRUE(opening->open(nonce, header, by_quick)) << size;
    ASSERT_TRUE(std::ranges::equal(base::ByteView{by_openssl}.first(size), plain)) << size;
  }
}

class EachAlgorithm : public testing::TestWithParam<SealAlgorithm> {};

TEST_P(EachAlgorithm, notices_any_changed_bit) {
  rc::check([algorithm = GetParam()] {
    const Bytes key(seal_key_size(algorithm), std::byte{7});
    Seal sealing{algorithm, Seal::Use::sealing, key};
    Seal opening{algorithm, Seal::Use::opening, key};
    const auto size = *rc::gen::inRange<std::size_t>(0, 1500);
    Bytes header(12, std::byte{1});
    Bytes out(size + kSealTagSize);
    sealing.seal({}, header, Bytes(size, std::byte{2}), out);
    const auto at = *rc::gen::inRange<std::size_t>(0, out.size() + header.size());
    const auto bit = static_cast<std::byte>(1U << *rc::gen::inRange(0, 8));
    (at < out.size() ? out[at] : header[at - out.size()]) ^= bit;
    RC_ASSERT(!opening.open({}, header, out));
  });
}

TEST_P(EachAlgorithm, opens_nothing_shorter_than_a_tag) {
  Seal opening{GetParam(), Seal::Use::opening, Bytes(seal_key_size(GetParam()))};
  for (std::size_t size = 0; size < kSealTagSize; ++size) {
    Bytes sealed(size);
    EXPECT_FALSE(opening.open({}, {}, sealed));
  }
}

TEST_P(EachAlgorithm, goes_on_after_a_forgery) {
  const Bytes key(seal_key_size(GetParam()), std::byte{9});
  Seal sealing{GetParam(), Seal::Use::sealing, key};
  Seal opening{GetParam(), Seal::Use::opening, key};
  Bytes forged(100);
  EXPECT_FALSE(opening.open({}, {}, forged));
  Bytes good(100 + kSealTagSize);
  sealing.seal({}, {}, Bytes(100, std::byte{3}), good);
  EXPECT_TRUE(opening.open({}, {}, good));
}

INSTANTIATE_TEST_SUITE_P(Both, EachAlgorithm, testing::Values(SealAlgorithm::aes_128_gcm, SealAlgorithm::chacha20_poly1305));

}  // namespace
}  // namespace runnel::crypto
