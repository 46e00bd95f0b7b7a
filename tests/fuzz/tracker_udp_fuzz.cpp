// Datagrams of BEP 15, answers to a client (the first byte even) and requests to a tracker: refused, or read, written and read the same.
#include "base/check.hpp"
#include "core/discovery/udp_announce.hpp"
#include "fuzz/input.hpp"

using namespace runnel;
using namespace runnel::discovery;

namespace {

void answer(base::ByteView datagram, bool v4) {
  const auto read = decode_udp_answer(datagram, v4);
  if (!read) return;
  const base::Bytes written = std::visit(
      [&](const auto& a) {
        if constexpr (std::is_same_v<std::decay_t<decltype(a)>, UdpAnnounced>) {
          base::check(a.peers.size() <= kMaxPeersPerAnswer, "limits hold");
          return encode(a, v4);
        } else {
          return encode(a);
        }
      },
      *read);
  const auto again = decode_udp_answer(written, v4);
  base::check(again && again->index() == read->index() && transaction_of(*again) == transaction_of(*read), "it reads back the same");
}

void request(base::ByteView datagram) {
  const auto read = decode_udp_request(datagram);
  if (!read) return;
  const base::Bytes written = std::visit([](const auto& r) { return encode(r); }, *read);
  const auto again = decode_udp_request(written);
  base::check(again && again->index() == read->index(), "it reads back the same");
  base::check(std::visit([](const auto& r) { return encode(r); }, *again) == written, "and is written the same");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input{data, size};
  const unsigned choice = input.octet();
  if (choice % 2 == 0)
    answer(input.all(), (choice & 2U) != 0);
  else
    request(input.all());
  return 0;
}
