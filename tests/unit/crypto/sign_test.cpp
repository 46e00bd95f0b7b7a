#include "crypto/sign.hpp"

#include <gtest/gtest.h>

namespace runnel::crypto {
namespace {

class Signatures : public testing::TestWithParam<SignatureAlgorithm> {};
INSTANTIATE_TEST_SUITE_P(Algorithms, Signatures,
                         testing::Values(SignatureAlgorithm::ecdsa_p256_sha256, SignatureAlgorithm::ed25519,
                                         SignatureAlgorithm::ecdsa_p384_sha384, SignatureAlgorithm::rsa_sha256,
                                         SignatureAlgorithm::rsa_sha1));

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
  const bool is_rsa = GetParam() == SignatureAlgorithm::rsa_sha1 || GetParam() == SignatureAlgorithm::rsa_sha256;
  for (int i = 0; i < (is_rsa ? 1 : 20); ++i) {
    const auto signer = generate_signer(GetParam());
    const auto printed = compress_key(signer->public_key()).value();
    if (GetParam() == SignatureAlgorithm::ecdsa_p256_sha256)
      EXPECT_EQ(printed.size(), 34U);
    else
      EXPECT_EQ(printed, signer->public_key());
    EXPECT_EQ(expand_key(printed).value(), signer->public_key());
    EXPECT_EQ(expand_key(signer->public_key()).value(), signer->public_key());
  }
}

TEST(Signatures, a_compressed_key_of_p384_is_the_same_key) {
  const auto signer = generate_signer(SignatureAlgorithm::ecdsa_p384_sha384);
  const base::Bytes& full = signer->public_key();
  ASSERT_EQ(full.size(), 97U);
  const bool odd = (full.back() & std::byte{1}) != std::byte{0};
  base::Bytes compressed{full[0], odd ? std::byte{3} : std::byte{2}};   // SEC 1 2.3.3
  base::Writer{compressed}.write_view(base::ByteView{full}.subspan(1, 48));
  EXPECT_EQ(expand_key(compressed).value(), full);
}

// ---- key files: each made by `openssl genpkey` or `openssl genrsa`, as docs/KEYS.md has it ---------------------------

constexpr std::string_view kP521 = R"(
-----BEGIN PRIVATE KEY-----
MIHuAgEAMBAGByqGSM49AgEGBSuBBAAjBIHWMIHTAgEBBEIAC+UfNvZivGYeclUz
ISmwfpvlyVlaGNFSLJHmIvC0LcuPok6MWMq7LyzMxS3ladHkA4Ajz09cEv4sibMG
aMybjP2hgYkDgYYABAEDymuqO2mvMDpEX65h2gawjVVTGHd1GAAT8KU2A4GRc2f3
Vuoc0RwHIoZjVxGJCw6Z9KHfIfM+zxaCBN5pz2NDrgC4N90L6FVvWEhbP5tF6+iC
2P9XVJEyN1oQOo9HesuTl5vGx0vev/uh4I15d6NAlGz1eRYsUgyr0Cjsnkj9iiPD
Pw==
-----END PRIVATE KEY-----
)";
constexpr std::string_view kEncrypted = R"(
-----BEGIN ENCRYPTED PRIVATE KEY-----
MIGbMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAge94/0Emz5sQICCAAw
DAYIKoZIhvcNAgkFADAdBglghkgBZQMEAQIEEG+xUFH6B8+TAxd4igS7ZS0EQFkU
IjTHIZY+f0QXXQMzhl15rS6lpNGnMOG4M0/8nS6OjNK/MtFZ86//VmWS44ovo/fY
lnckcUyw1AQfE4MoKsY=
-----END ENCRYPTED PRIVATE KEY-----
)";
constexpr std::string_view kEncryptedOldForm = R"(
-----BEGIN RSA PRIVATE KEY-----
Proc-Type: 4,ENCRYPTED
DEK-Info: AES-128-CBC,F3EBE039426CC4A3739311C125F47B11

OWRwU/6+2tgP6L1X9vk3xzbpOtDyr5EoGTGRkWt9vedXKTHnDJ+yUIL27ugzOxjM
GvUJyZKPrPy31hgzkhgMVkOLZyt0gBBZR1MNdAm2yvBbN9bu6YLWOJsAv+Vg7Smi
uwdjuxtQmYQ3sOhCVgykCUKLNkNWg1qSlRlrPYw8IWXLBva6EmHk3qsnczJvv72G
xnN4Vq3Ls65IdIg/9dnbGykuDJfZvsmqckVjGKidYyxA8puwxZ+kznZoehAJJxV9
ZV4HeI0lvgxorzl1W6DM+s+js9PaIjWIoDyX3YKZl59xZNydqnr9OBYeXLL5SkPr
YNEqlHg8eDFvULfl+EWQWVbG0OVuz8eThGmPaOblp1Yw8ErJnkpjIiyuOeGIZn8y
aLe3xNbxO3DXJhQnab+Rxg9668avpobg9vnhXCcm2nY=
-----END RSA PRIVATE KEY-----
)";
constexpr std::string_view kRsa512 = R"(
-----BEGIN PRIVATE KEY-----
MIIBVQIBADANBgkqhkiG9w0BAQEFAASCAT8wggE7AgEAAkEAoFfsml60azvlLtj2
oTeu023er65kQPqwJbCZRBvHH6EKQlli+jG9I4cpI2KZWgGqRnmJ0yOTDPcti9UM
iRcSDwIDAQABAkAIqdeB274Z0Smn51ckDNMoX1ZZ3a1TCXh9ANa3JF0U61OvCgnx
7HfRu14Q/K3ey802NB/ymbG0HYxkcbPkCqkBAiEA0h7sjbAIE4QRhdspDgCLAAWV
Ito07LPkbuktWs2XqYECIQDDWptklT+WO613AulOXp7J6zJ4j2fwwRbBrB5zyxLj
jwIgeQj1LFzFGjDOQzPOP1GSwA13Ld9R8zNgl37b8F1TSoECIQCkGmAA/XL988HD
ALoV8Fw5SI8MQYNR9hH0vW6TXNrQNwIhAJ4ntPhm5U8HVyYl+0Nbj5WlA6pYxYsG
Iz3jJsIvqMe1
-----END PRIVATE KEY-----
)";
constexpr std::string_view kRsa2048 = R"(
-----BEGIN PRIVATE KEY-----
MIIEvAIBADANBgkqhkiG9w0BAQEFAASCBKYwggSiAgEAAoIBAQC0EAixfkEn3FXw
Kd4rKKq+01gN2UXa0r5mS+IxYZw6Kblpx8eAFIigez5wfBOjuGO4YrBvrfqymDdx
r6QiZ8k+pDunka0sbMiXIXmQmGzyVlZ1sv4y5US06UDwfMb56cqOW5qe+IqcwPx2
yy+XQ1lTmJF7nBbDTkgwQa8T9TTdgy497DvlJlA9v2wMX2GKQTnvXebZBhdq/VNw
EqcAEMGharTRvsSLEIpGwPbQ2rM8UQd8VyHCUHFU3ez8jFr02xuwyGIQJm1dQCAp
yhoNnWDue4c4ViChN5ZrVXE2jwnsM6+7Kbmx3ybm7HugzaRqkVuCpPnhXNMSHTfe
OInZbLWHAgMBAAECggEAR0H3JsLHpy4npkjzXpIT7Du4I5bh8aSn69TI+XDfAheE
BEwm89VsclIDlkFMBmUQtaX8m922khnyCyAOrPz0o8EbyIc6iJOuWDzLnoDr0IWB
ZsfEmECqDYwngmRm2/z9B5RR3uqN9FXdM2faeBqTjaUZodjWG0luAQblcdj+qFA5
E73RDXP1l5VJOw4xAEC3yk1oCAgGvh6x4QZ45SjXYBk+3ggJJoxXcnTbnowE/w4M
PiQukoTxg7zg7qVxhHu6500gHuFU5FYDpIX8IqyvHWpYdPfRoi6wkNPNo3ieFBBH
csySgGQhzkFOOo27to1DbPy+dwhIas0JZB0S2+Hw9QKBgQDgLb4L2cBpJ3TWbb0o
SgmlvzdgnvujdA2LV8FCH4w9zPHvoggKJOm2lCsAuqTnWrKpP/5Hxjz+sfBov4VA
ES7tUNksTYlUXbkViA+9396deh3RZRkNdy1y1B1cMKT7lJBzdfNlmWnmENKgF/QA
J8K1RVlO7pNjSzmc5lkTH1+bowKBgQDNnzE3DhFlDkcP/hQgFhE7Io0+qkoIMgwv
NNr9105VrOn6GucJxeCRWWG9alia1BSim5g1g1zhTeSuP2IUw+0Ytpu0hNf6b98C
RqApbV5AHWVvbzyEI3y8FkUzVouGP8RTnlvUO0uNhHwJOibkPpzIemw7QmVkq+7N
O6Zm4T/czQKBgB11ZVfhUWuAB9Z1rTmyIPpq2jgULDUadv0slvS9eIxWdiRrQmsy
1pNrfQsne6v7OycKhbugzTsa3uCk6jm1CFmfGiq8NaOkfUHbE1Z8KKDA/1IY2uXu
F0bToNgQfF2i9Ch4A3gCZOwaodLv0tyCXQ+9ATNiHnQZ2oRHsMTWhpXJAoGAKMJY
oCAyxIRrA7mKxb16Fu3Hb9eTq0I4dhcVHeJTDdqj2scAa0iFNmqwXDq7a52EpaMQ
LfNnMuYc4YmA6LrZwd9YyBTZNzR70VisoOmkGDN7ivZS2aKrNCF6AC40pBz5ztWC
QHSsilXrvGyBjxb2Pys9TxXfQXBvetFLL/OQlDUCgYBykuIwZjrpuuUMZIriI5VQ
vyfz7pi8jA+Jxg+Z5PS0Ydn9RIZ8jWXSRwS6q65983rdbmWp0SgpC96XTiUPRX26
VqoU5YZZoLzksjvv7Oanbt1KIDiqD8WTIGQC2kneNyeAkwS04vSPVs47y9BLO084
IpeYarItsoL2oWqd0PWs0A==
-----END PRIVATE KEY-----
)";
constexpr std::string_view kRsaPss2048 = R"(
-----BEGIN PRIVATE KEY-----
MIIEuwIBADALBgkqhkiG9w0BAQoEggSnMIIEowIBAAKCAQEAwfQ5D5iTQs6c82Kd
v6xUjZl/MDDeQDAlomMteKYQKe8IEDvTYm+lF0SLTj6Mu7H9q311UfuG9D2fxygP
twji2m4PxUE0UXyXbRnvbxRst9kV5YAC5GBEFbFEYajCzht8BLzoeR3JzDTG1LNa
lNcoFDwuV9AiYYFc2U1/mAuiMk3R4hCOosk0vbdkQYB7fJ5u9tGeZGxjZzq3Fo7h
f830JoFVmf8QGRKQvubTM1zVQwAbx4zD3GOhjETN11En5yJ0RE88aurZ73shZcq9
TCoew+jgxTHbR7iIPAi3HSgQ6kMUlP84wx3TTcYV1VTQC9XbXxX87Qet/kGPFKAZ
IB1buQIDAQABAoIBAA+nuLzcaAOIFZVUIA9G986zpXdkdGYKNNl0B6kxv0OBPJ2B
1LTA9fqIMPXceOPUELmJP4Fh6/FWMYnD3yvbGuN+Z4W4lwJeTAM1iRTmWUWoLzsm
b2VTa190XuSCmJHGGGcx/9I54C5cUrG7tdumd8DVYDi8jy/fXxkXpy1EwB9u8lDa
x29V7zc34EV7kpxoaptugcWVgUryMA/Y0fGx8tOWOc3RkmGqIcTBza5w+pZGWIKp
hRQ/+SLtJURcLf0DjOrsAn8ZZIVSJ3WMYKQ03yKeVp580iCZ71Fk2gwgyC5Rv0NV
RmY7L0LyHTpvEmUcXtCvPMYRJKImmwi0Z4/LJYECgYEA7KUu3VXCjGIkoR/pFL4W
YcF5xvJ7xetcg1LYPPyWZVegMJYUGRsg2QalcMEOUfuzQVihq26Tn4kra6B4tkDg
Ot8rZjs5ZtB4fenCu9S2Phl9RnFfjUOhIdKD4HF6VDAiNd4ss44Rq7tskbNgcIo9
ONNmtZ5urM/0dhYzrbwQyYECgYEA0dEudMjFRj+64bL2pJZNZZ0xHcOB28zL3c1o
/e62S6c5TNd5QKxKS2y1VyJ0TrKpBk1nX1ysH3cFK257wH4bj3jHjXfx+kzl16+m
2EwPeRowNiQ0Umlagj287jD1eREe5mSTBx8b0pW8u/io4VCxaQ563Qriy9kiOr1r
uRizfjkCgYEA5dTgGTMLihBfhuVZGD4tuq+PuDsVHvohlaHGRiUDZFWgTM/VoTSJ
yH39++5kHBea1yJfkgII+e7c7uChnFCR9lt86QMoEsTx4UhBSu+iN9nFo77EkIxY
WGL+leNgbZd6AltPiuu2GdYj8bYHOgXow+H9ZPMEhm5J/M4/TsLSgwECgYAyDwpa
apxGimX3+07FLecBW2OgikitPEtXe+6UxyNPIXKWVsJjH7gKDsGlLF87d3zEOCt1
oRKf3zGojw+PeYbx0AssQXXGFhqwPwQ7jsoSRqFCCZlCIEir0jcFTUEDxYXtygka
Jd3pfDgvUMBaIXpyajX+Dt7Va9Sy1wagfrg0YQKBgHI4xvTiyO4Ec7P6SOc1eDJi
VajLl6RI6ZKIZ32U6ot34oQV1fK9DDyX0KGHYr6KZhWYMaGFtf9YPNYHlWNoPAyU
554UOqOGpfcNWSAkxf22pxnD8yeN6B+LvZ2tEHLAcoI+R9mSMBiSvKKGPNU1erCZ
8p2wGBncckX2mXKqbjQ9
-----END PRIVATE KEY-----
)";
constexpr std::string_view kRsaLongExponent = R"(
-----BEGIN PRIVATE KEY-----
MIIExwIBADANBgkqhkiG9w0BAQEFAASCBLEwggStAgEAAoIBAQDetOD+u+fBEAS7
UIfX5gZvOxQYRtP+C8/iUSkPwvAiGW8waTEcrXybGE/obogrIm/iKz3MCTMgcMQT
0CIVjd9zhYq6CE2yxyL7Q/WezAmG7ehkfcdmEFj2rur1j3ytCnTtFKGrINWjlRh3
FP4E4bsu0LB/piaK8mT0WcyHN2E3Lxnzk1LNl+1j1hIY7xJb7rZigLUKRY3H1YdY
91MlDpzBw1PmVMiZc6V+KO+3S93/NYEHyu5hEkRJREo2zfG+w5ZgTxek+J6jOPju
uMIvEnYCtEuXyPomIfnou4f+/4hNef6IH0BkELJbFICnDAmGl6bYC1eKV66P70oB
Kw6fkQtdAgwBAAAAAAAAAAAAAAECggEAHtUn5KotITTMOr92yQw6CmwsjGRxZnID
wLV3yPj1o1gUQRFtZ3dNhSKUZtt2RuN5/B/M/94+RYODwFfqjrq6wFjggaB/1O9T
k4AQQfMjVrz9uwXySkbIcupNnVwvqCF8nbiqM36ZRPsMLWob+wFP6DxDC/fPZghD
U+wsx/kAQFhiHcq6XyiSbsvLAMvbtI7bvWciYuHKd9xQRi3uc5YvCfOo3shHPklp
D1xwoztcYD8ilTyZpldB7rGx8rCYxMQAupROwOxakDbtaNEoCToMNMOoNGTo/UU5
RbRc2AgHstXd6TW1YunXW2ZRAcAn1eJdsdhZJbyRimmeQ2aI7fbwMQKBgQD6IqBE
hAAYeE53Az+bRGInuMd1O1xEq53PNrQp4DV1Z8CS67MHMlyyADR1aC8P714PfhyG
ebb+iMkiNlj1K7BfYJjP6qCl7p81ARVieRpGMVS40kWkH+sDNfkLW2KYL1WFML5C
J+3WwLG33a4fRjBDBfzoaytARkNiGtQ/YTDvcQKBgQDj7Z506jAB0Mj5It62CiJw
V7xGkaG07KuZcZnlDL/2gHhMEsMQhjlKvINRqwWyy8E6n2BzQfZoB/RclFkY1gvK
GbT3JIIEQ6EhFYtbjJUnvd+oWImWC7lluDIKp4BGWJKPbcovnhNlX79lmKVpBtDc
ECmA9NkagxdHM5F2FIz8rQKBgQC3ivUO3sWEkyMay1s9/y901tXgox4rM502uT41
N3/ZNFQ+A1QV4oIF/XXDguUCVLIwELnZoxZ4XT02caivfOLkFhugG1U9c2zi3y+6
BJtIxOxy7IxiB0RcxSnfDLXedoAy6ib1MyvgQf2SAwBjkprexuFvFYt7+x503v92
n31ugQKBgG3CeQTQODRBMiOeThS+GckBNRTrxCYW4KvPXmBLlBIXXcxo1Dcr81R/
1j4mdy4w9faCTBe2ofMGemwfj4aIKxJZCsQyWZV/raE+zwdI81Y/QGj1lYLgQ367
3B9LFfh+2GVmU+rT51dfs0SgSow9+gBxEWRRT8oNBYZT3PwPTy0RAoGBAJkfPRoU
QVpitnlLVX9cDRSlt5BzmTLSGpHuU44MT7W0vC3G1j622DAnyZUvahTCNwz3i2Cs
v8ZdCRJmAW+bbm4VoZ7NMpY1yZkjT6krQhss6j6+lowRKJeT/mfavA/VfLc03BNS
3aH5r7atcmr7aGonUpvQ75kyi6z2Fgo6g3GA
-----END PRIVATE KEY-----
)";

TEST(KeyFile, of_rsa_signs_with_sha256_unless_it_says_otherwise) {
  const std::string pem{kRsa2048};
  const auto algorithm_of = [](const std::string& text) { return std::to_integer<int>(parse_signer(text).value()->public_key()[0]); };
  EXPECT_EQ(algorithm_of(pem), 8);
  EXPECT_EQ(algorithm_of("My channel's key\nAlgorithm: 5 (RSASHA1)\n" + pem), 5);
  EXPECT_EQ(algorithm_of("Algorithm: 5\r\n" + pem), 5);
  EXPECT_EQ(algorithm_of("Algorithm: 8 (RSASHA256)\n" + pem), 8);
  EXPECT_EQ(algorithm_of(pem + "Algorithm: 5\n"), 8) << "a line behind the key is not looked at";
  for (const char* other : {"Algorithm: 13\n", "Algorithm:\n", "Algorithm: RSASHA1\n", "Algorithm: 99999999999\n"})
    EXPECT_EQ(parse_signer(other + pem).error(), KeyError::other_algorithm) << other;
}

TEST(KeyFile, names_the_algorithm_of_its_key_or_none) {
  const std::string pem = to_pem(*generate_signer(SignatureAlgorithm::ecdsa_p256_sha256));
  EXPECT_TRUE(parse_signer("Algorithm: 13 (ECDSAP256SHA256)\n" + pem));
  EXPECT_EQ(parse_signer("Algorithm: 14\n" + pem).error(), KeyError::other_algorithm);
}

TEST(KeyFile, says_what_is_wrong_with_it) {
  const auto error_of = [](std::string_view pem) { return parse_signer(pem).error(); };
  EXPECT_EQ(error_of(""), KeyError::no_private_key);
  EXPECT_EQ(error_of("not a key"), KeyError::no_private_key);
  EXPECT_EQ(error_of("-----BEGIN PUBLIC KEY-----\n"), KeyError::no_private_key);
  EXPECT_EQ(error_of("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"), KeyError::malformed);
  EXPECT_EQ(error_of(kRsa2048.substr(0, kRsa2048.size() / 2)), KeyError::malformed);
  EXPECT_EQ(error_of(kEncrypted), KeyError::encrypted);
  EXPECT_EQ(error_of(kEncryptedOldForm), KeyError::encrypted);
  EXPECT_EQ(error_of(kP521), KeyError::unsupported_algorithm);
  EXPECT_EQ(error_of(kRsaPss2048), KeyError::unsupported_algorithm);
  EXPECT_EQ(error_of(kRsa512), KeyError::rsa_size);
  EXPECT_EQ(error_of(kRsaLongExponent), KeyError::rsa_size);
}

TEST(KeyFile, has_a_sentence_for_every_error) {
  for (int error = 0; error <= static_cast<int>(KeyError::rsa_size); ++error)
    EXPECT_GT(message(static_cast<KeyError>(error)).size(), 20U) << error;
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
