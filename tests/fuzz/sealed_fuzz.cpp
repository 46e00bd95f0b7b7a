// Sealed datagrams on a wire that changes, repeats and reorders them: what opens is one of those that were sealed, unchanged, and once.
#include <set>

#include "base/check.hpp"
#include "fuzz/input.hpp"
#include "net/sealed_channel.hpp"

using namespace runnel;
using namespace runnel::net;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input{data, size};
  const auto algorithm = input.below(2) == 0 ? crypto::SealAlgorithm::aes_128_gcm : crypto::SealAlgorithm::chacha20_poly1305;
  ChannelSecret secret{};
  secret[0] = static_cast<std::byte>(input.octet());
  SealedSender sender{algorithm, secret};
  SealedReceiver receiver{algorithm, secret};
  std::vector<base::Bytes> plain;
  std::vector<base::Bytes> sealed;
  std::set<std::size_t> opened;
  const auto offer = [&](base::Bytes datagram) {
    const auto got = receiver.open(datagram);
    if (!got) return;
    for (std::size_t i = 0; i < plain.size(); ++i) {
      if (base::equal(plain[i], *got) && opened.insert(i).second) return;
    }
    base::check(false, "what opens was sealed, and comes once");
  };
  while (!input.empty()) {
    const std::uint8_t choice = input.octet();
    switch (choice % 4) {
      case 0: {   // one more, which names its number so that no two are alike
        base::Bytes datagram = base::to_bytes(input.piece());
        datagram.insert(datagram.begin(), 8, std::byte{0xc0});
        base::store_big_endian(datagram.data() + 4, static_cast<std::uint32_t>(plain.size()));
        base::Bytes out(datagram.size() + kSealedOverhead);
        sender.seal(datagram, out);
        plain.push_back(std::move(datagram));
        sealed.push_back(std::move(out));
        break;
      }
      case 1:   // as it was sent
        if (!sealed.empty()) offer(sealed[input.below(256) % sealed.size()]);
        break;
      case 2:   // with a byte changed, or cut
        if (!sealed.empty()) {
          base::Bytes spoilt = sealed[input.below(256) % sealed.size()];
          const std::size_t at = input.word() % spoilt.size();
          if ((choice & 4U) != 0)
            spoilt.resize(at);
          else
            spoilt[at] ^= static_cast<std::byte>(1U << (choice >> 5U));
          offer(std::move(spoilt));
        }
        break;
      case 3: offer(base::to_bytes(input.piece())); break;   // made up
    }
    if (plain.size() > 64) break;
  }
  return 0;
}
