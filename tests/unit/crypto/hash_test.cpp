#include "crypto/hash.hpp"

#include <gtest/gtest.h>

#include "crypto/openssl.hpp"
#include "crypto/secret_rng.hpp"

namespace runnel::crypto {
namespace {

std::string hex(const Digest& digest) { return base::to_hex(digest.view()); }

// FIPS 180-4, the one-block message "abc".
TEST(Hash, agrees_with_the_standards_example) {
  const auto abc = base::as_bytes("abc");
  EXPECT_EQ(hex(hash(HashAlgorithm::sha1, abc)), "a9993e364706816aba3e25717850c26c9cd0d89d");
  EXPECT_EQ(hex(hash(HashAlgorithm::sha224, abc)), "23097d223405d8228642a477bda255b32aadbce4bda0b3f7e36c9da7");
  EXPECT_EQ(hex(hash(HashAlgorithm::sha256, abc)), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(hex(hash(HashAlgorithm::sha384, abc)),
            "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7");
  EXPECT_EQ(hex(hash(HashAlgorithm::sha512, abc)),
            "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd"
            "454d4423643ce80e2a9ac94fa54ca49f");
}

TEST(Hash, has_a_name_and_a_number_that_find_it_again) {
  for (const HashAlgorithm algorithm : kHashAlgorithms) {
    EXPECT_EQ(hash_algorithm(name(algorithm)), algorithm);
    EXPECT_EQ(hash_algorithm(static_cast<std::uint8_t>(algorithm)), algorithm);
  }
  for (const char* none : {"", "sha", "SHA256", "sha-256", "md5"}) EXPECT_FALSE(hash_algorithm(std::string_view{none})) << none;
  EXPECT_FALSE(hash_algorithm(std::uint8_t{kHashAlgorithms.size()}));
}

TEST(Hash, a_digest_of_no_bytes_is_empty) {
  EXPECT_EQ(Digest{base::ByteView{}}, Digest{});
  EXPECT_EQ(Digest{base::ByteView{}}.size(), 0U);
}

TEST(Hash, a_hasher_is_used_many_times) {
  for (const auto algorithm : {HashAlgorithm::sha1, HashAlgorithm::sha256, HashAlgorithm::sha512}) {
    const auto hasher = make_hasher(algorithm);
    const Digest a = hasher->hash(base::as_bytes("a"));
    const Digest b = hasher->hash(base::as_bytes("b"));
    base::Bytes joined = base::to_bytes(a.view());
    joined.insert(joined.end(), b.view().begin(), b.view().end());
    EXPECT_EQ(hasher->hash_pair(a, b), hash(algorithm, joined));
    EXPECT_EQ(hasher->hash(base::as_bytes("a")), a);
  }
}

// RFC 4231 test case 2 and RFC 5869 test case 1.
TEST(Hash, hmac_and_hkdf_agree_with_their_rfcs) {
  EXPECT_EQ(hex(hmac_sha256(base::as_bytes("Jefe"), base::as_bytes("what do ya want for nothing?"))),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  const base::Bytes secret(22, std::byte{0x0b});
  const auto salt = base::from_hex("000102030405060708090a0b0c").value();
  const auto info = base::from_hex("f0f1f2f3f4f5f6f7f8f9").value();
  EXPECT_EQ(base::to_hex(hkdf_sha256(secret, salt, info, 42)),
            "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865");
}

TEST(SecretRng, the_same_seed_gives_the_same_stream) {
  SecretRng::Seed seed{};
  SecretRng a{seed}, b{seed};
  seed[0] = std::byte{1};
  SecretRng c{seed};
  bool differs = false;
  for (int i = 0; i < 100; ++i) {
    const std::uint64_t value = a.next();
    EXPECT_EQ(value, b.next());
    differs |= value != c.next();
  }
  EXPECT_TRUE(differs);
}

}  // namespace
}  // namespace runnel::crypto
