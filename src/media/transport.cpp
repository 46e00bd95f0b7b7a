#include "media/transport.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "base/check.hpp"

namespace runnel::media {
namespace {

// ISO/IEC 13818-1 2.4.3.3: PID 1FFF, payload only, of any content.
constexpr std::array<std::byte, kTsPacketBytes> null_packet() {
  std::array<std::byte, kTsPacketBytes> packet{};
  packet.fill(std::byte{0xff});
  packet[0] = kTsSync;
  packet[1] = std::byte{0x1f};
  packet[3] = std::byte{0x10};
  return packet;
}

void append(base::Bytes& to, base::ByteView bytes) { to.insert(to.end(), bytes.begin(), bytes.end()); }

}  // namespace

// ---- source ---------------------------------------------------------------------------------------------------------

void TransportFiller::add(base::ByteView packets) {
  base::check(packets.size() % kTsPacketBytes == 0, "whole packets");
  append(waiting_, packets);
}

std::optional<base::Bytes> TransportFiller::take() {
  if (waiting_.size() < piece_bytes_) return std::nullopt;
  const auto end = waiting_.begin() + static_cast<std::ptrdiff_t>(piece_bytes_);
  base::Bytes piece{waiting_.begin(), end};
  waiting_.erase(waiting_.begin(), end);
  null_tail_ = 0;
  return piece;
}

std::optional<base::Bytes> TransportFiller::fill() {
  if (!waits()) return std::nullopt;
  constexpr auto kNull = null_packet();
  while (waiting_.size() < piece_bytes_) append(waiting_, kNull);
  auto piece = take();
  if (waiting_.size() < kTsPacketBytes) null_tail_ = waiting_.size();
  return piece;
}

// ---- viewer ---------------------------------------------------------------------------------------------------------

bool TransportAligner::find_start() {
  for (std::size_t start = 0; start + (kSureAfter - 1) * kTsPacketBytes < rest_.size(); ++start) {
    bool sure = true;
    for (std::size_t i = 0; i < kSureAfter && sure; ++i) sure = rest_[start + i * kTsPacketBytes] == kTsSync;
    if (!sure) continue;
    rest_.erase(rest_.begin(), rest_.begin() + static_cast<std::ptrdiff_t>(start));
    return true;
  }
  return false;
}

base::Bytes TransportAligner::feed(base::ByteView bytes, bool gap) {
  if (gap) {
    rest_.clear();
    aligned_ = false;
  }
  append(rest_, bytes);
  if (!aligned_) aligned_ = find_start();
  if (!aligned_) {
    if (rest_.size() > kMaxSearched) rest_.erase(rest_.begin(), rest_.end() - static_cast<std::ptrdiff_t>(kMaxSearched));
    return {};
  }
  std::size_t whole = 0;
  while (rest_.size() - whole >= kTsPacketBytes && rest_[whole] == kTsSync) whole += kTsPacketBytes;
  base::Bytes packets{rest_.begin(), rest_.begin() + static_cast<std::ptrdiff_t>(whole)};
  rest_.erase(rest_.begin(), rest_.begin() + static_cast<std::ptrdiff_t>(whole));
  if (!rest_.empty() && rest_.front() != kTsSync) aligned_ = false;   // the source left the step: it is looked for anew
  return packets;
}

}  // namespace runnel::media
