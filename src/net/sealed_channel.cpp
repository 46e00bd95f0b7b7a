#include "net/sealed_channel.hpp"

#include <cstring>
#include <string_view>
#include <utility>

#include "base/check.hpp"
#include "crypto/hash.hpp"

namespace runnel::net {
namespace {

template <std::size_t kSize>
std::array<std::byte, kSize> derive(base::ByteView secret, base::ByteView info) {
  std::array<std::byte, kSize> out;
  std::ranges::copy(crypto::hkdf_sha256(secret, {}, info, kSize), out.begin());
  return out;
}

crypto::SealNonce nonce_of(const crypto::SealNonce& mask, std::uint64_t counter) {
  crypto::SealNonce nonce = mask;
  std::byte* const at = nonce.data() + crypto::kSealNonceSize - sizeof counter;
  base::store_big_endian(at, base::load_big_endian<std::uint64_t>(at) ^ counter);
  return nonce;
}

}  // namespace

ChannelSecret channel_secret(base::ByteView exported, const ChannelEnds& ends) {
  base::Bytes info = base::to_bytes(base::as_bytes("runnel channel"));
  base::Writer{info}.write(ends.to.value());
  base::Writer{info}.write(ends.from.value());
  return derive<sizeof(ChannelSecret)>(exported, info);
}

KeyChain::Key KeyChain::next() {
  const base::Bytes key = crypto::hkdf_sha256(secret_, {}, base::as_bytes("runnel key"), crypto::seal_key_size(algorithm_));
  Key made{crypto::Seal{algorithm_, use_, key}, derive<crypto::kSealNonceSize>(secret_, base::as_bytes("runnel nonce"))};
  secret_ = derive<sizeof(ChannelSecret)>(secret_, base::as_bytes("runnel next"));
  return made;
}

bool ReplayWindow::is_new(std::uint64_t counter) const {
  if (counter >= end_) return true;
  return end_ - counter <= kReplayWindow && !seen_[counter % kReplayWindow];
}

void ReplayWindow::mark(std::uint64_t counter) {
  if (counter >= end_) {
    if (counter - end_ >= kReplayWindow) {
      seen_.reset();
    } else {
      for (std::uint64_t i = end_; i < counter; ++i) seen_.reset(i % kReplayWindow);
    }
    end_ = counter + 1;
  }
  seen_.set(counter % kReplayWindow);
}

void SealedSender::seal(base::ByteView datagram, base::MutableByteView out) {
  base::check(datagram.size() >= wire::kChannelSize && out.size() == datagram.size() + kSealedOverhead, "room for a sealed datagram");
  if (counter_ >> kKeyDatagramsBits != generation_) {
    key_ = chain_.next();
    ++generation_;
  }
  std::memcpy(out.data(), datagram.data(), wire::kChannelSize);
  base::store_big_endian(out.data() + wire::kChannelSize, counter_);
  key_.seal.seal(nonce_of(key_.mask, counter_), out.first(kSealedHeader), datagram.subspan(wire::kChannelSize), out.subspan(kSealedHeader));
  ++counter_;
}

KeyChain::Key* SealedReceiver::key_of(std::uint64_t generation) {
  if (generation == generation_) return &current_;
  if (generation + 1 == generation_) return previous_ ? &*previous_ : nullptr;
  if (generation != generation_ + 1) return nullptr;
  if (!next_) next_ = chain_.next();
  return &*next_;
}

std::optional<base::MutableByteView> SealedReceiver::open(base::MutableByteView datagram) {
  if (datagram.size() < kSealedHeader + crypto::kSealTagSize) return std::nullopt;
  const auto counter = base::load_big_endian<std::uint64_t>(datagram.data() + wire::kChannelSize);
  if (!seen_.is_new(counter)) return std::nullopt;
  const std::uint64_t generation = counter >> kKeyDatagramsBits;
  KeyChain::Key* const key = key_of(generation);
  if (key == nullptr || !key->seal.open(nonce_of(key->mask, counter), datagram.first(kSealedHeader), datagram.subspan(kSealedHeader)))
    return std::nullopt;
  seen_.mark(counter);
  if (generation > generation_) {
    previous_ = std::exchange(current_, std::move(*next_));
    next_.reset();
    generation_ = generation;
  }
  // The channel id moves up to the messages that it belongs to.
  constexpr std::size_t kAt = kSealedHeader - wire::kChannelSize;
  std::memmove(datagram.data() + kAt, datagram.data(), wire::kChannelSize);
  return datagram.subspan(kAt, datagram.size() - kSealedOverhead);
}

}  // namespace runnel::net
