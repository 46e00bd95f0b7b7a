#include "crypto/sign.hpp"

#include <gtest/gtest.h>

namespace runnel::crypto {
namespace {

class Signatures : public testing::TestWithParam<SignatureAlgorithm> {};
INSTANTIATE_TEST_SUITE_P(Algorithms, Signatures, testing::Values(SignatureAlgorithm::ecdsa_p256_sha256, SignatureAlgorithm::ed25519));

TEST_P(Signatures, verify_what_was_signed_and_nothing_else) {
  const auto signer = generate_signer(GetParam());
  const auto verifier = make_verifier(signer->public_key()).value();
  const auto text = base::as_bytes("munro");
  base::Bytes signature = signer->sign(text);
  EXPECT_EQ(signature.size(), verifier->signature_size());
  EXPECT_TRUE(verifier->verify(text, signature));
  EXPECT_FALSE(verifier->verify(base::as_bytes("munrp"), signature));
  for (std::size_t i = 0; i < signature.size(); ++i) {
    signature[i] ^= std::byte{1};
    EXPECT_FALSE(verifier->verify(text, signature)) << i;
    signature[i] ^= std::byte{1};
  }
  EXPECT_FALSE(verifier->verify(text, base::ByteView{signature}.first(signature.size() - 1)));
}

TEST_P(Signatures, a_key_survives_its_file) {
  const auto signer = generate_signer(GetParam());
  const auto again = parse_signer(to_pem(*signer)).value();
  EXPECT_EQ(again->public_key(), signer->public_key());
}

TEST_P(Signatures, the_printed_form_gives_the_wire_form_back) {
  for (int i = 0; i < 20; ++i) {
    const auto signer = generate_signer(GetParam());
    const auto printed = compress_key(signer->public_key()).value();
    EXPECT_EQ(printed.size(), GetParam() == SignatureAlgorithm::ed25519 ? 33U : 34U);
    EXPECT_EQ(expand_key(printed).value(), signer->public_key());
    EXPECT_EQ(expand_key(signer->public_key()).value(), signer->public_key());
  }
}

TEST(Signatures, refuse_keys_that_are_none) {
  EXPECT_FALSE(make_verifier({}).has_value());
  EXPECT_EQ(make_verifier(base::Bytes(65, std::byte{13})).error(), KeyError::not_on_curve);
  EXPECT_EQ(make_verifier(base::Bytes(64, std::byte{13})).error(), KeyError::malformed);
  EXPECT_EQ(make_verifier(base::Bytes(33, std::byte{99})).error(), KeyError::unsupported_algorithm);
  EXPECT_FALSE(make_verifier(base::Bytes(100, std::byte{5})).has_value());  // an RSA modulus of 752 bits
  base::Bytes short_rsa{std::byte{8}, std::byte{3}, std::byte{1}, std::byte{0}, std::byte{1}};
  short_rsa.resize(5 + 64, std::byte{0xff});
  EXPECT_FALSE(make_verifier(short_rsa).has_value());
  EXPECT_FALSE(parse_signer("not a key").has_value());
}

}  // namespace
}  // namespace runnel::crypto
