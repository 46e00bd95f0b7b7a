// Membership certificates and the names in them: refused, or what the key signed; and one that was signed never says anything else,
// whatever becomes of its bytes.
#include <algorithm>

#include "base/check.hpp"
#include "core/discovery/membership.hpp"
#include "crypto/certificate.hpp"
#include "fuzz/input.hpp"

using namespace runnel;

namespace {

constexpr std::string_view kKey =   // that of the seeds
    "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n-----END PRIVATE KEY-----\n";
const crypto::Membership kMembership{"file://[2001:db8::7]:6778/0f0a", base::WallTime{std::chrono::seconds{1'700'000'000}},
                                     base::WallTime{std::chrono::seconds{1'700'000'600}}};

bool same(const crypto::Membership& a, const crypto::Membership& b) { return a.uri == b.uri && a.begins == b.begins && a.ends == b.ends; }

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const base::ByteView bytes = std::as_bytes(std::span{data, size});
  const auto signer = *crypto::parse_signer(kKey);
  const auto verifier = *crypto::make_verifier(signer->public_key());
  const auto issuer = crypto::make_certificate_issuer(*signer);
  const auto checker = crypto::make_certificate_checker(*verifier);

  if (const auto read = checker->check(bytes)) {
    base::check(read->uri.size() <= crypto::kMaxMembershipUri, "the name has its limit");
    base::check(std::ranges::all_of(read->uri, [](char c) { return c > ' ' && c <= '~'; }), "and can be printed");
    const auto again = checker->check(issuer->issue(*read));
    base::check(again && same(*again, *read), "what was read can be issued and read the same");
  } else {
    base::check(!crypto::message(read.error()).empty(), "every error has a text");
  }

  const std::string_view uri = base::as_text(bytes);
  const base::ByteView swarm = bytes.first(std::min<std::size_t>(bytes.size(), 4));
  for (const base::Bytes& id : {base::to_bytes(swarm), base::Bytes{std::byte{0x0f}, std::byte{0x0a}}}) {
    if (const auto peer = discovery::peer_of_membership(uri, id))
      base::check(discovery::peer_of_membership(discovery::membership_uri(*peer, id), id) == peer,
                  "a name that was read names the same peer");
  }

  base::Bytes changed = issuer->issue(kMembership);
  fuzz::Input input{data, size};
  while (!input.empty()) changed[input.word() % changed.size()] = static_cast<std::byte>(input.octet());
  const auto read = checker->check(changed);
  base::check(!read || same(*read, kMembership), "who has no key can not make the source say anything");
  return 0;
}
