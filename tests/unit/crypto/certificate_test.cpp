#include "crypto/certificate.hpp"

#include <gtest/gtest.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <functional>

namespace runnel::crypto {
namespace {

using namespace std::chrono_literals;

const Membership kMembership{"file://203.0.113.7:6778/0d0a", base::WallTime{1'700'000'000s}, base::WallTime{1'700'000'600s}};

struct Key {
  explicit Key(SignatureAlgorithm algorithm = SignatureAlgorithm::ecdsa_p256_sha256) : signer(generate_signer(algorithm)) {}
  std::unique_ptr<Signer> signer;
  std::unique_ptr<Verifier> verifier = make_verifier(signer->public_key()).value();
  std::unique_ptr<CertificateIssuer> issuer = make_certificate_issuer(*signer);
  std::unique_ptr<CertificateChecker> checker = make_certificate_checker(*verifier);
};

struct X509Free {
  void operator()(X509* x) const { X509_free(x); }
};
using Certificate = std::unique_ptr<X509, X509Free>;

Certificate read(const base::Bytes& der) {
  const auto* at = reinterpret_cast<const unsigned char*>(der.data());
  return Certificate{d2i_X509(nullptr, &at, static_cast<long>(der.size()))};
}

class Certificates : public testing::TestWithParam<SignatureAlgorithm> {};
INSTANTIATE_TEST_SUITE_P(Algorithms, Certificates,
                         testing::Values(SignatureAlgorithm::ecdsa_p256_sha256, SignatureAlgorithm::ed25519,
                                         SignatureAlgorithm::ecdsa_p384_sha384, SignatureAlgorithm::rsa_sha256,
                                         SignatureAlgorithm::rsa_sha1));

// RFC 7574 8.13.
TEST_P(Certificates, say_what_they_were_issued_for_to_who_knows_the_key) {
  const Key key{GetParam()};
  const auto read = key.checker->check(key.issuer->issue(kMembership));
  ASSERT_TRUE(read) << message(read.error());
  EXPECT_EQ(read->uri, kMembership.uri);
  EXPECT_EQ(read->begins, kMembership.begins);
  EXPECT_EQ(read->ends, kMembership.ends);
}

TEST_P(Certificates, of_another_key_are_not_believed) {
  const Key key{GetParam()};
  const Key same_kind{GetParam()};
  const Key other_kind{GetParam() == SignatureAlgorithm::ed25519 ? SignatureAlgorithm::ecdsa_p256_sha256 : SignatureAlgorithm::ed25519};
  for (const Key* stranger : {&same_kind, &other_kind})
    EXPECT_EQ(key.checker->check(stranger->issuer->issue(kMembership)).error(), CertificateError::not_signed);
}

TEST_P(Certificates, are_not_believed_with_any_bit_changed_or_byte_missing) {
  const Key key{GetParam()};
  base::Bytes der = key.issuer->issue(kMembership);
  for (std::size_t i = 0; i < der.size(); ++i) {
    der[i] ^= std::byte{1};
    EXPECT_FALSE(key.checker->check(der)) << i;
    der[i] ^= std::byte{1};
    EXPECT_EQ(key.checker->check(base::ByteView{der}.first(i)).error(), CertificateError::malformed) << i;
  }
  der.push_back(std::byte{0});
  EXPECT_EQ(key.checker->check(der).error(), CertificateError::malformed) << "a byte too many";
}

// RFC 5280 4.1.2.2, 4.1.2.6.
TEST_P(Certificates, have_a_form_that_other_programs_read) {
  const Key key{GetParam()};
  const base::Bytes der = key.issuer->issue(kMembership);
  const Certificate x = read(der);
  ASSERT_TRUE(x);
  EXPECT_EQ(X509_get_version(x.get()), X509_VERSION_3);
  EXPECT_EQ(X509_NAME_entry_count(X509_get_subject_name(x.get())), 0) << "the peer's name stands in subjectAltName alone";
  EXPECT_GT(X509_NAME_entry_count(X509_get_issuer_name(x.get())), 0);
  EXPECT_GT(ASN1_STRING_length(X509_get_serialNumber(x.get())), 8);
  EXPECT_LE(ASN1_STRING_length(X509_get_serialNumber(x.get())), 20);
  EXPECT_NE(X509_get_signature_nid(x.get()), NID_sha1WithRSAEncryption);
}

TEST(Certificate, has_a_serial_number_of_its_own) {
  const Key key;
  const auto serial = [&](const Membership& membership) {
    const base::Bytes der = key.issuer->issue(membership);
    return std::unique_ptr<ASN1_INTEGER, void (*)(ASN1_INTEGER*)>{ASN1_INTEGER_dup(X509_get0_serialNumber(read(der).get())),
                                                                  ASN1_INTEGER_free};
  };
  const auto first = serial(kMembership);
  Membership later = kMembership;
  later.begins += 1s;
  Membership other = kMembership;
  other.uri.back() = 'b';
  EXPECT_EQ(ASN1_INTEGER_cmp(first.get(), serial(kMembership).get()), 0);
  EXPECT_NE(ASN1_INTEGER_cmp(first.get(), serial(later).get()), 0);
  EXPECT_NE(ASN1_INTEGER_cmp(first.get(), serial(other).get()), 0);
}

TEST(Certificate, of_the_longest_rsa_key_that_signs_has_room_for_its_swarm) {
  const Key key;
  Membership membership = kMembership;
  membership.uri.resize(kMaxMembershipUri, 'f');
  EXPECT_EQ(key.checker->check(key.issuer->issue(membership)).value().uri, membership.uri);
}

TEST(Certificate, fits_a_datagram_up_to_rsa_keys_of_3072_bits) {
  constexpr std::size_t kRoom = 1421;   // what is left of the largest datagram
  for (const auto& [algorithm, id] : {std::pair{SignatureAlgorithm::ecdsa_p256_sha256, 65},
                                      {SignatureAlgorithm::ecdsa_p384_sha384, 97},
                                      {SignatureAlgorithm::rsa_sha256, 261}}) {
    Membership membership = kMembership;
    membership.uri = "file://[2001:db8:1111:2222:3333:4444:5555:6666]:65535/" + std::string(2 * static_cast<std::size_t>(id), 'f');
    const std::size_t size = Key{algorithm}.issuer->issue(membership).size();
    EXPECT_LT(size, id == 261 ? kRoom - 3 * 128 : kRoom) << "an RSA key of 3072 bits has 128 bytes more, and its signature as well";
  }
}

// ---- what others may have made --------------------------------------------------------------------------------------

// Signed by the key, with whatever the test does to it first.
class Foreign {
 public:
  Foreign() {
    const std::string pem = to_pem(*key.signer);
    BIO* bio = BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size()));
    pkey_ = PEM_read_bio_PrivateKey(bio, nullptr, nullptr, nullptr);
    BIO_free(bio);
  }
  ~Foreign() { EVP_PKEY_free(pkey_); }
  Foreign(const Foreign&) = delete;
  Foreign& operator=(const Foreign&) = delete;

  std::expected<Membership, CertificateError> check(const std::function<void(X509*)>& change, const EVP_MD* digest = EVP_sha256()) {
    const Certificate x{X509_new()};
    X509_set_version(x.get(), X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(x.get()), 1);
    ASN1_TIME_set(X509_getm_notBefore(x.get()), 1'700'000'000);
    ASN1_TIME_set(X509_getm_notAfter(x.get()), 1'700'000'600);
    X509_set_pubkey(x.get(), pkey_);
    change(x.get());
    EXPECT_GT(X509_sign(x.get(), pkey_, digest), 0);
    base::Bytes der(static_cast<std::size_t>(i2d_X509(x.get(), nullptr)));
    auto* to = reinterpret_cast<unsigned char*>(der.data());
    i2d_X509(x.get(), &to);
    return key.checker->check(der);
  }
  static void add(X509* x, int extension, const char* value) {
    X509V3_CTX context;
    X509V3_set_ctx(&context, x, x, nullptr, nullptr, 0);
    X509_EXTENSION* made = X509V3_EXT_conf_nid(nullptr, &context, extension, value);
    ASSERT_NE(made, nullptr) << value;
    X509_add_ext(x, made, -1);
    X509_EXTENSION_free(made);
  }

  Key key;

 private:
  EVP_PKEY* pkey_ = nullptr;
};

constexpr const char* kName = "critical,URI:file://203.0.113.7:6778/0d0a";

TEST(ForeignCertificate, is_believed_when_it_has_what_the_rfc_asks_for) {
  Foreign foreign;
  const auto plain = foreign.check([](X509* x) { Foreign::add(x, NID_subject_alt_name, kName); });
  ASSERT_TRUE(plain) << message(plain.error());
  EXPECT_EQ(plain->uri, kMembership.uri);
  EXPECT_EQ(plain->ends, kMembership.ends);
  EXPECT_TRUE(foreign.check([](X509* x) { Foreign::add(x, NID_subject_alt_name, kName); }, EVP_sha512()));
  EXPECT_TRUE(foreign.check([](X509* x) {
    Foreign::add(x, NID_basic_constraints, "critical,CA:FALSE");
    Foreign::add(x, NID_key_usage, "critical,digitalSignature");
    Foreign::add(x, NID_ext_key_usage, "clientAuth");
    Foreign::add(x, NID_subject_alt_name, kName);
  }));
}

TEST(ForeignCertificate, is_refused_unless_it_names_one_peer_in_a_critical_extension) {
  Foreign foreign;
  const auto error = [&](const char* name) { return foreign.check([&](X509* x) { Foreign::add(x, NID_subject_alt_name, name); }).error(); };
  EXPECT_EQ(foreign.check([](X509*) {}).error(), CertificateError::wrong_form) << "no name";
  EXPECT_EQ(error("URI:file://203.0.113.7:6778/0d0a"), CertificateError::wrong_form) << "not critical";
  EXPECT_EQ(error("critical,DNS:203.0.113.7"), CertificateError::wrong_form);
  EXPECT_EQ(error("critical,URI:file://203.0.113.7:6778/0d0a,URI:file://203.0.113.8:6778/0d0a"), CertificateError::wrong_form);
  EXPECT_EQ(error("critical,URI:file://203.0.113.7:6778/ 0d0a"), CertificateError::wrong_form) << "a blank";
  EXPECT_EQ(error(("critical,URI:" + std::string(kMaxMembershipUri + 1, 'f')).c_str()), CertificateError::wrong_form);
  const auto twice = foreign.check([](X509* x) {
    Foreign::add(x, NID_subject_alt_name, kName);
    Foreign::add(x, NID_subject_alt_name, kName);
  });
  EXPECT_EQ(twice.error(), CertificateError::wrong_form);
}

// RFC 5280 4.2.
TEST(ForeignCertificate, is_refused_with_a_critical_extension_that_is_not_understood) {
  Foreign foreign;
  const auto checked = foreign.check([](X509* x) {
    Foreign::add(x, NID_subject_alt_name, kName);
    Foreign::add(x, NID_ext_key_usage, "critical,clientAuth");
  });
  EXPECT_EQ(checked.error(), CertificateError::wrong_form);
}

TEST(ForeignCertificate, is_refused_by_weak_hashes_and_older_versions) {
  Foreign foreign;
  EXPECT_EQ(foreign.check([](X509* x) { Foreign::add(x, NID_subject_alt_name, kName); }, EVP_sha1()).error(), CertificateError::weak);
  const auto older = foreign.check([](X509* x) {
    Foreign::add(x, NID_subject_alt_name, kName);
    X509_set_version(x, X509_VERSION_1);
  });
  EXPECT_EQ(older.error(), CertificateError::malformed);
}

TEST(ForeignCertificate, of_any_year_tells_its_times) {
  Foreign foreign;
  const auto checked = foreign.check([](X509* x) {
    ASN1_TIME_set_string_X509(X509_getm_notBefore(x), "19500101000000Z");
    ASN1_TIME_set_string_X509(X509_getm_notAfter(x), "99991231235959Z");
    Foreign::add(x, NID_subject_alt_name, kName);
  });
  ASSERT_TRUE(checked);
  EXPECT_LT(checked->begins, base::WallTime{});
  EXPECT_EQ(checked->ends, base::WallTime{253'402'300'799s});
}

TEST(CertificateErrors, have_texts) {
  for (const auto error : {CertificateError::malformed, CertificateError::wrong_form, CertificateError::weak, CertificateError::not_signed})
    EXPECT_FALSE(message(error).empty());
  EXPECT_EQ(Key{}.checker->check(base::Bytes(kMaxCertificateSize + 1)).error(), CertificateError::malformed);
}

}  // namespace
}  // namespace runnel::crypto
