#include "core/swarm/live_form.hpp"

#include <algorithm>

#include "base/check.hpp"
#include "core/wire/chunk_spec.hpp"

namespace runnel::swarm {
namespace {

constexpr std::uint64_t kMicroseconds = 1'000'000;             // of older peers' time stamps in a second
constexpr std::uint64_t kNtpSecond = std::uint64_t{1} << 32;   // RFC 5905 6
constexpr std::uint64_t kCompatWindowSeconds = 60;             // what is older is not live, however slow the stream

}  // namespace

base::Bytes LiveForm::signed_bytes(tree::Bin munro, wire::NtpTimestamp timestamp, base::ByteView subject) const {
  if (metadata_.compat()) return base::to_bytes(subject);
  // The chunk specification as on the wire, the time stamp, the subject.
  wire::Format format;
  format.addressing = metadata_.addressing;
  base::Bytes message(wire::chunk_spec_size(metadata_.addressing));
  base::check(wire::write_chunk_spec(message, munro.range(), format), "munro range");
  base::Writer writer{message};
  writer.write(timestamp.value());
  writer.write_view(subject);
  return message;
}

wire::NtpTimestamp LiveForm::stamp(base::WallTime at) const {
  return wire::NtpTimestamp{metadata_.compat() ? static_cast<std::uint64_t>(at.time_since_epoch().count()) : base::to_ntp(at)};
}

base::WallTime LiveForm::time_of(wire::NtpTimestamp timestamp) const {
  if (!metadata_.compat()) return base::from_ntp(timestamp.value());
  return base::WallTime{base::Duration{static_cast<base::Duration::rep>(timestamp.value())}};
}

bool LiveForm::longer_apart(wire::NtpTimestamp from, wire::NtpTimestamp until, std::uint64_t seconds) const {
  const std::uint64_t second = metadata_.compat() ? kMicroseconds : kNtpSecond;
  return static_cast<std::int64_t>(until.value() - from.value()) > static_cast<std::int64_t>(seconds * second);  // NTP time wraps in 2036
}

std::uint64_t LiveForm::window_seconds() const {
  if (metadata_.compat()) return kCompatWindowSeconds;
  return std::min(metadata_.live_window / kLiveIndicesPerSecond, kLongestWindowSeconds);
}

std::optional<tree::ChunkIndex> LiveForm::index_at(base::WallTime at) const {
  return metadata_.compat() ? std::nullopt : std::optional{live_index(at)};
}

}  // namespace runnel::swarm
