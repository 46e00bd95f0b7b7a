#include "net/dtls.hpp"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/time.h>

#include <algorithm>
#include <cstring>

#include "base/check.hpp"
#include "crypto/hash.hpp"

namespace runnel::net {
namespace {

constexpr long kMtu = 1200;                         // bytes; every path takes them, sealed in whatever
// OpenSSL waits 1 s, which is long for somebody who wants to watch. Called three times within the half second after which a silent peer is
// taken for one that knows nothing of sealing, one in thousands is on a line that loses a datagram in twenty.
constexpr unsigned kFirstTimeout_us = 150'000;
constexpr unsigned kSecondTimeout_us = 200'000;
constexpr unsigned kLongestTimeout_us = 4'000'000;
constexpr char kCiphers[] = "ECDHE-PSK-CHACHA20-POLY1305";
constexpr char kExportLabel[] = "EXPORTER-runnel-seal-1";
// ALPN names (RFC 7301): which version of sealed datagrams follows, and with which algorithm.
constexpr std::string_view kAes = "runnel-seal/1 aes-128-gcm";
constexpr std::string_view kChacha = "runnel-seal/1 chacha20-poly1305";
constexpr std::size_t kCookieSize = 16;
constexpr base::Duration kCookieLife = std::chrono::minutes{1};   // and as long again
constexpr std::size_t kLargestRead = 2048;                        // a datagram that came as application data

// DTLS records and handshake messages, as far as they are looked at before OpenSSL sees them (RFC 6347 4.1, 4.2.2).
constexpr std::size_t kRecordHeader = 13;
constexpr std::size_t kMessageHeader = 12;
constexpr std::size_t kRandomAt = kRecordHeader + kMessageHeader + 2;
constexpr std::size_t kRandomSize = 32;
constexpr std::byte kChangeCipherSpec{20}, kHandshakeRecord{22};
constexpr std::byte kClientHello{1}, kServerHello{2}, kHelloVerifyRequest{3}, kServerKeyExchange{12}, kServerHelloDone{14},
    kClientKeyExchange{16};

unsigned next_timeout(SSL*, unsigned last_us) {
  if (last_us < kSecondTimeout_us) return last_us == 0 ? kFirstTimeout_us : kSecondTimeout_us;
  return std::min(2 * last_us, kLongestTimeout_us);
}

bool has_aes() {
#if defined(__x86_64__) || defined(__i386__)
  return __builtin_cpu_supports("aes") != 0;
#else
  return false;
#endif
}

// What we can do, the best first, as ALPN lists it.
base::Bytes protocols() {
  base::Bytes list;
  const auto add = [&](std::string_view name) {
    list.push_back(static_cast<std::byte>(name.size()));
    list.insert(list.end(), base::as_bytes(name).begin(), base::as_bytes(name).end());
  };
  if (has_aes()) add(kAes);
  add(kChacha);
  return list;
}

const unsigned char* raw(base::ByteView view) { return reinterpret_cast<const unsigned char*>(view.data()); }

}  // namespace

struct DtlsContext::State {
  SSL_CTX* ssl = SSL_CTX_new(DTLS_method());
  base::Bytes secret;
  FindKey find_key;

  ~State() { SSL_CTX_free(ssl); }
};

struct DtlsHandshake::State {
  DtlsContext::State& context;
  bool calls;
  SSL* ssl = SSL_new(context.ssl);
  swarm::SealingKey key;              // calling: ours
  std::string identity;
  base::Bytes hello;                  // the caller's first datagram
  base::Endpoint peer;                // answering: whom a cookie is for
  std::uint64_t cookie_epoch = 0;
  bool broken = false;

  State(DtlsContext::State& shared, bool we_call) : context(shared), calls(we_call) {
    base::check(ssl != nullptr && SSL_set_ex_data(ssl, 0, this) == 1, "DTLS");
    BIO* const in = BIO_new(BIO_s_mem());
    BIO* const out = BIO_new(BIO_s_mem());
    BIO_set_mem_eof_return(in, -1);   // nothing there is not the end
    BIO_set_mem_eof_return(out, -1);
    SSL_set_bio(ssl, in, out);
    SSL_set_mtu(ssl, kMtu);
    DTLS_set_timer_cb(ssl, next_timeout);
  }
  ~State() { SSL_free(ssl); }
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  static State& of(const SSL* ssl) { return *static_cast<State*>(SSL_get_ex_data(ssl, 0)); }
  [[nodiscard]] bool expects(base::ByteView datagram) const;
  [[nodiscard]] bool expects_record(base::ByteView record) const;
  [[nodiscard]] std::string_view protocol() const;
  [[nodiscard]] base::Bytes cookie(std::uint64_t epoch) const;

  // What OpenSSL asks for.
  static unsigned client_key(SSL* ssl, const char* hint, char* identity, unsigned identity_size, unsigned char* key, unsigned key_size);
  static unsigned server_key(SSL* ssl, const char* identity, unsigned char* key, unsigned key_size);
  static int make_cookie(SSL* ssl, unsigned char* cookie, unsigned* size);
  static int check_cookie(SSL* ssl, const unsigned char* cookie, unsigned size);
  static int choose_protocol(SSL* ssl, const unsigned char** chosen, unsigned char* size, const unsigned char* offered,
                             unsigned offered_size, void*);
};

// ---- what OpenSSL asks for ------------------------------------------------------------------------------------------

unsigned DtlsHandshake::State::client_key(SSL* ssl, const char*, char* identity, unsigned identity_size, unsigned char* key,
                                          unsigned key_size) {
  const State& self = of(ssl);
  if (self.key.identity.size() >= identity_size || self.key.shared.size() > key_size) return 0;
  std::memcpy(identity, self.key.identity.c_str(), self.key.identity.size() + 1);
  std::memcpy(key, self.key.shared.data(), self.key.shared.size());
  return static_cast<unsigned>(self.key.shared.size());
}

// Who names a key that we do not have gets one that nobody has: from outside, that looks like a wrong key, and so does every wrong
// guess. Nobody finds out what we serve (RFC 4279 5.1, 7.3).
unsigned DtlsHandshake::State::server_key(SSL* ssl, const char* identity, unsigned char* key, unsigned key_size) {
  State& self = of(ssl);
  self.identity = identity;
  const swarm::SealingKey* const known = self.context.find_key(self.identity);
  const crypto::Digest nobodys = crypto::hmac_sha256(self.context.secret, base::as_bytes(self.identity));
  const base::Bytes shared = known != nullptr ? known->shared : base::to_bytes(nobodys.view());
  if (shared.size() > key_size) return 0;
  std::memcpy(key, shared.data(), shared.size());
  return static_cast<unsigned>(shared.size());
}

base::Bytes DtlsHandshake::State::cookie(std::uint64_t epoch) const {
  base::Bytes place;
  base::Writer writer{place};
  for (const std::uint8_t octet : peer.address.v6_octets()) writer.write(octet);
  writer.write(peer.port);
  writer.write(epoch);
  return base::to_bytes(crypto::hmac_sha256(context.secret, place).view().first(kCookieSize));
}

int DtlsHandshake::State::make_cookie(SSL* ssl, unsigned char* cookie, unsigned* size) {
  const State& self = of(ssl);
  const base::Bytes made = self.cookie(self.cookie_epoch);
  std::memcpy(cookie, made.data(), made.size());
  *size = static_cast<unsigned>(made.size());
  return 1;
}

int DtlsHandshake::State::check_cookie(SSL* ssl, const unsigned char* cookie, unsigned size) {
  const State& self = of(ssl);
  const base::ByteView theirs{reinterpret_cast<const std::byte*>(cookie), size};
  const auto is = [&](std::uint64_t epoch) { return crypto::equal_in_constant_time(theirs, self.cookie(epoch)); };
  return is(self.cookie_epoch) || (self.cookie_epoch > 0 && is(self.cookie_epoch - 1)) ? 1 : 0;
}

std::string_view DtlsHandshake::State::protocol() const {
  const unsigned char* chosen = nullptr;
  unsigned size = 0;
  SSL_get0_alpn_selected(ssl, &chosen, &size);
  return {reinterpret_cast<const char*>(chosen), size};
}

int DtlsHandshake::State::choose_protocol(SSL*, const unsigned char** chosen, unsigned char* size, const unsigned char* offered,
                                          unsigned offered_size, void*) {
  const base::Bytes ours = protocols();
  unsigned char* found = nullptr;
  if (SSL_select_next_proto(&found, size, raw(ours), static_cast<unsigned>(ours.size()), offered, offered_size) != OPENSSL_NPN_NEGOTIATED)
    return SSL_TLSEXT_ERR_ALERT_FATAL;
  // It points into our list, which goes; the same name stands in theirs, which stays.
  const std::string_view name{reinterpret_cast<const char*>(found), *size};
  const std::string_view theirs{reinterpret_cast<const char*>(offered), offered_size};
  *chosen = offered + theirs.find(name);
  return SSL_TLSEXT_ERR_OK;
}

DtlsContext::DtlsContext(base::ByteView secret, FindKey find_key) : state_(std::make_unique<State>()) {
  state_->secret = base::to_bytes(secret);
  state_->find_key = std::move(find_key);
  SSL_CTX* const ssl = state_->ssl;
  const bool made = ssl != nullptr && SSL_CTX_set_min_proto_version(ssl, DTLS1_2_VERSION) == 1 &&
                    SSL_CTX_set_cipher_list(ssl, kCiphers) == 1 && SSL_CTX_set1_groups_list(ssl, "X25519:P-256") == 1;
  base::check(made, "OpenSSL has no DTLS 1.2 with shared keys");
  SSL_CTX_set_options(ssl, SSL_OP_NO_QUERY_MTU | SSL_OP_COOKIE_EXCHANGE | SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION);
  SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_max_cert_list(ssl, 0);   // no certificates, so no message is long: fragments of a strange one reserve little
  using Callbacks = DtlsHandshake::State;
  SSL_CTX_set_psk_client_callback(ssl, Callbacks::client_key);
  SSL_CTX_set_psk_server_callback(ssl, Callbacks::server_key);
  SSL_CTX_set_cookie_generate_cb(ssl, Callbacks::make_cookie);
  SSL_CTX_set_cookie_verify_cb(ssl, Callbacks::check_cookie);
  SSL_CTX_set_alpn_select_cb(ssl, Callbacks::choose_protocol, nullptr);
}

DtlsContext::~DtlsContext() = default;

// ---- the handshake --------------------------------------------------------------------------------------------------

DtlsHandshake::DtlsHandshake(std::unique_ptr<State> state) : state_(std::move(state)) {}
DtlsHandshake::~DtlsHandshake() = default;

std::unique_ptr<DtlsHandshake> DtlsHandshake::call(DtlsContext& context, const swarm::SealingKey& key) {
  auto state = std::make_unique<State>(context.state(), true);
  state->key = key;
  state->identity = key.identity;
  const base::Bytes offered = protocols();
  base::check(SSL_set_alpn_protos(state->ssl, raw(offered), static_cast<unsigned>(offered.size())) == 0, "ALPN");
  SSL_set_connect_state(state->ssl);
  std::unique_ptr<DtlsHandshake> made{new DtlsHandshake{std::move(state)}};
  made->proceed();
  return made;
}

std::unique_ptr<DtlsHandshake> DtlsHandshake::answer(DtlsContext& context) {
  return std::unique_ptr<DtlsHandshake>{new DtlsHandshake{std::make_unique<State>(context.state(), false)}};
}

bool DtlsHandshake::listen(const base::Endpoint& from, base::ByteView datagram, base::Time now) {
  if (!state_->expects(datagram)) return false;
  state_->peer = from;
  state_->cookie_epoch = static_cast<std::uint64_t>(now.time_since_epoch() / kCookieLife);
  BIO* const in = SSL_get_rbio(state_->ssl);
  static_cast<void>(BIO_reset(in));
  BIO_write(in, datagram.data(), static_cast<int>(datagram.size()));
  ERR_clear_error();
  BIO_ADDR* const nowhere = BIO_ADDR_new();   // who asks is known to us, not to the memory that it reads from
  const int heard = DTLSv1_listen(state_->ssl, nowhere);
  BIO_ADDR_free(nowhere);
  static_cast<void>(BIO_reset(in));
  if (heard != 1) return false;
  state_->hello = base::to_bytes(datagram);
  return true;
}

// Anyone can send a datagram in the clear that claims to come from our peer. One that holds anything but what is due is not even looked
// at, nor is an alert that nobody signed.
bool DtlsHandshake::State::expects(base::ByteView datagram) const {
  if (datagram.empty()) return false;
  while (!datagram.empty()) {
    if (datagram.size() <= kRecordHeader) return false;
    const std::size_t size = kRecordHeader + base::load_big_endian<std::uint16_t>(datagram.data() + kRecordHeader - 2);
    if (size == kRecordHeader || size > datagram.size()) return false;
    if (!expects_record(datagram.first(size))) return false;
    datagram = datagram.subspan(size);
  }
  return true;
}

// In the clear there are the other side's part of the handshake and a change of cipher (RFC 5246 7.1); what is encrypted answers for
// itself.
bool DtlsHandshake::State::expects_record(base::ByteView record) const {
  if (base::load_big_endian<std::uint16_t>(record.data() + 3) > 0) return true;
  const std::byte type = record[kRecordHeader];
  if (record[0] == kChangeCipherSpec) return record.size() == kRecordHeader + 1 && type == std::byte{1};
  if (record[0] != kHandshakeRecord) return false;
  if (!calls) return type == kClientHello || type == kClientKeyExchange;
  return type == kServerHello || type == kHelloVerifyRequest || type == kServerKeyExchange || type == kServerHelloDone;
}

bool DtlsHandshake::receive(base::ByteView datagram) {
  if (state_->broken || !state_->expects(datagram)) return false;
  BIO_write(SSL_get_rbio(state_->ssl), datagram.data(), static_cast<int>(datagram.size()));
  if (!finished()) proceed();
  return true;
}

void DtlsHandshake::proceed() {
  ERR_clear_error();
  const int done = SSL_do_handshake(state_->ssl);
  if (done == 1) {
    const std::string_view protocol = state_->protocol();
    state_->broken = protocol != kAes && protocol != kChacha;   // somebody who speaks DTLS, but not with us
    return;
  }
  const int why = SSL_get_error(state_->ssl, done);
  state_->broken = why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE;
}

bool DtlsHandshake::finished() const { return !state_->broken && SSL_is_init_finished(state_->ssl) == 1; }
bool DtlsHandshake::failed() const { return state_->broken; }
const std::string& DtlsHandshake::identity() const { return state_->identity; }

void DtlsHandshake::write(base::ByteView datagram) {
  if (!finished()) return;   // the other side can undo it
  ERR_clear_error();
  if (SSL_write(state_->ssl, datagram.data(), static_cast<int>(datagram.size())) <= 0) state_->broken = true;
}

std::optional<base::Bytes> DtlsHandshake::read() {
  if (!finished()) return std::nullopt;
  ERR_clear_error();
  std::array<std::byte, kLargestRead> datagram;
  const int size = SSL_read(state_->ssl, datagram.data(), static_cast<int>(datagram.size()));
  if (size <= 0) {
    const int why = SSL_get_error(state_->ssl, size);
    const bool waits = why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE;
    state_->broken = !waits || SSL_is_init_finished(state_->ssl) != 1;   // a handshake begun inside the finished one: no
    return std::nullopt;
  }
  return base::to_bytes(base::ByteView{datagram}.first(static_cast<std::size_t>(size)));
}

DtlsSecrets DtlsHandshake::secrets() const {
  base::check(finished(), "a handshake must finish before it has secrets");
  DtlsSecrets secrets;
  std::array<unsigned char, 64> exported{};
  const bool made =
      SSL_export_keying_material(state_->ssl, exported.data(), exported.size(), kExportLabel, sizeof kExportLabel - 1, nullptr, 0, 0) == 1;
  base::check(made, "RFC 5705 exporter");
  std::memcpy(secrets.caller.data(), exported.data(), secrets.caller.size());
  std::memcpy(secrets.answerer.data(), exported.data() + secrets.caller.size(), secrets.answerer.size());
  OPENSSL_cleanse(exported.data(), exported.size());
  secrets.algorithm = state_->protocol() == kAes ? crypto::SealAlgorithm::aes_128_gcm : crypto::SealAlgorithm::chacha20_poly1305;
  return secrets;
}

base::Bytes DtlsHandshake::take_output() {
  BIO* const out = SSL_get_wbio(state_->ssl);
  base::Bytes bytes(BIO_ctrl_pending(out));
  if (!bytes.empty()) BIO_read(out, bytes.data(), static_cast<int>(bytes.size()));
  if (state_->calls && state_->hello.empty()) state_->hello = bytes;
  return bytes;
}

std::optional<base::Duration> DtlsHandshake::until_timer() const {
  timeval left{};
  if (state_->broken || DTLSv1_get_timeout(state_->ssl, &left) != 1) return std::nullopt;
  return std::chrono::seconds{left.tv_sec} + std::chrono::microseconds{left.tv_usec};
}

void DtlsHandshake::on_timer() {
  ERR_clear_error();
  if (DTLSv1_handle_timeout(state_->ssl) < 0) state_->broken = true;
}

// ---- who calls whom -------------------------------------------------------------------------------------------------

namespace {

// The caller's random: the same in all that it sends first, and in no other handshake. Empty: not such a datagram.
base::ByteView random_of(base::ByteView first_datagram) {
  return DtlsHandshake::is_first_datagram(first_datagram) ? first_datagram.subspan(kRandomAt, kRandomSize) : base::ByteView{};
}

}  // namespace

bool DtlsHandshake::is_first_datagram(base::ByteView datagram) {
  return datagram.size() >= kRandomAt + kRandomSize && datagram[0] == kHandshakeRecord && datagram[3] == std::byte{} &&
         datagram[4] == std::byte{} && datagram[kRecordHeader] == kClientHello;
}

bool DtlsHandshake::is_repeated(base::ByteView first_datagram) const {
  return base::equal(random_of(first_datagram), random_of(state_->hello));
}

bool DtlsHandshake::yields_to(base::ByteView their_first_datagram) const {
  return std::ranges::lexicographical_compare(random_of(their_first_datagram), random_of(state_->hello));
}

}  // namespace runnel::net
