// Peer exchange by certificates (RFC 7574 3.10.1, 8.13, 12.2.2): on the open internet a peer of a live swarm may be told of others only in
// the source's own words. The source certifies whom it heard from; viewers check, believe and pass on.
#pragma once
#include <cstdint>
#include <map>
#include <span>
#include <vector>

#include "base/bytes.hpp"
#include "base/endpoint.hpp"
#include "base/time.hpp"
#include "crypto/certificate.hpp"

namespace runnel::discovery {

constexpr std::size_t kMaxCertificates = 1024;      // of one swarm; with P-256 some 450 KB
constexpr std::size_t kMaxCertificatesTold = 12;    // in one answer; with P-256 four datagrams
constexpr unsigned kMaxToldPerSecond = 128;         // certificates, whoever asks: with P-256 half a megabit
constexpr unsigned kMaxIssuedPerSecond = 16;        // 5 ms of work with P-256, 25 ms with P-384 (one core of a busy Xeon)
constexpr unsigned kMaxCheckedPerSecond = 32;       // 8 ms with P-256, 43 ms with P-384
constexpr std::size_t kMaxCertificatesTaken = 16;   // of one datagram; it has room for fewer that are whole

// Long enough for a certificate to travel through a swarm, short enough for the dead to be forgotten soon.
constexpr base::Duration kCertificateLife = std::chrono::minutes{10};
constexpr base::Duration kRenewBelow = std::chrono::minutes{5};       // at the source: less is left
constexpr base::Duration kPassOnAbove = std::chrono::minutes{1};      // at viewers: more is left
constexpr base::Duration kClockAllowance = std::chrono::minutes{2};   // two honest clocks may differ by so much

// So many a second, and a second's worth at once.
class Allowance {
 public:
  explicit Allowance(unsigned per_second) : per_second_(per_second), left_(per_second) {}
  // Whether one more may be had now.
  bool take(base::Time now);

 private:
  double per_second_;
  double left_;
  base::Time filled_{};
};

// The time, ours and that of the source's clock, by which certificates are dated: it stands between these.
struct CertificateClock {
  base::Time now;
  base::WallTime earliest;
  base::WallTime latest;
};

// Of one live swarm. One owner: the swarm.
class CertifiedPeers {
 public:
  // `issuer` at the source, `checker` at viewers, nullptr for the other; they outlive this. Keys whose certificates are longer than
  // `max_size` bytes, which is what a datagram has room for, issue none.
  CertifiedPeers(base::Bytes swarm_id, crypto::CertificateIssuer* issuer, crypto::CertificateChecker* checker, std::size_t max_size)
      : swarm_id_(std::move(swarm_id)), issuer_(issuer), checker_(checker), max_size_(max_size) {}

  [[nodiscard]] bool checks() const { return checker_ != nullptr; }

  // The answer to a PEX_REQ: certificates, in DER, of those among `peers` that have one, or get one now. The caller names only peers
  // whose addresses are proved, heard from within 60 s, and may be told to the asker (choose_pex_peers).
  [[nodiscard]] std::vector<base::Bytes> tell(std::span<const base::Endpoint> peers, const CertificateClock& clock);

  enum class Verdict : std::uint8_t {
    good,
    untimely,    // over, or not begun: by clocks that differ that is no offence
    too_many,    // for now; none was judged to the end
    bad,         // not signed by the source, about another swarm, or no certificate at all
  };
  struct Judged {
    Verdict verdict = Verdict::good;
    std::vector<base::Endpoint> peers;   // certified, and believable from this teller; none unless `good`
  };
  // What came together from `teller`. All are checked before any is believed, and the first that is not good ends it and spoils
  // the others (RFC 7574 12.2.2): a batch of bad ones costs one check.
  [[nodiscard]] Judged judge(std::span<const base::ByteView> batch, const base::IpAddress& teller, const CertificateClock& clock);

  [[nodiscard]] std::size_t size() const { return held_.size(); }

 private:
  struct Held {
    base::Bytes der;
    base::WallTime ends;
  };
  using Table = std::map<base::Endpoint, Held>;

  // nullopt: none to be had now.
  [[nodiscard]] const Held* issue(const base::Endpoint& peer, const CertificateClock& clock);
  [[nodiscard]] Table::const_iterator find(base::ByteView der) const;
  // When the table is full, the one that ends first makes room.
  const Held& keep(const base::Endpoint& peer, Held held);

  base::Bytes swarm_id_;
  crypto::CertificateIssuer* issuer_;
  crypto::CertificateChecker* checker_;
  std::size_t max_size_;
  Allowance told_{kMaxToldPerSecond};
  Allowance issued_{kMaxIssuedPerSecond};
  Allowance checked_{kMaxCheckedPerSecond};
  Table held_;
};

}  // namespace runnel::discovery
