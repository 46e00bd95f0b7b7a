#include "core/discovery/info_hash.hpp"

#include <gtest/gtest.h>

namespace runnel::discovery {
namespace {

// Expected values: coreutils' sha256sum and OpenSSL's command line ("openssl dgst -mac HMAC").
TEST(InfoHash, is_the_first_20_bytes_of_sha256_of_the_swarm_id) {
  EXPECT_EQ(base::to_hex(info_hash(base::as_bytes("abc")).view()), "ba7816bf8f01cfea414140de5dae2223b00361a3");
}

TEST(InfoHash, of_a_private_link_is_keyed_with_its_secret) {
  const auto id = base::as_bytes("what do ya want for nothing?");  // RFC 4231 4.3
  EXPECT_EQ(base::to_hex(private_info_hash(id, base::as_bytes("Jefe")).view()), "5bdcc146bf60754e6a042426089575c75a003f08");
  EXPECT_NE(private_info_hash(id, base::as_bytes("Jefe")), private_info_hash(id, base::as_bytes("jefe")));
  EXPECT_NE(private_info_hash(id, base::as_bytes("Jefe")), info_hash(id));
}

TEST(InfoHash, of_a_compat_swarm_is_its_root) {
  const auto root = *base::from_hex("000102030405060708090a0b0c0d0e0f10111213");
  EXPECT_EQ(base::to_hex(compat_info_hash(root)->view()), "000102030405060708090a0b0c0d0e0f10111213");
  EXPECT_FALSE(compat_info_hash(base::ByteView{root}.first(19)));
}

}  // namespace
}  // namespace runnel::discovery
