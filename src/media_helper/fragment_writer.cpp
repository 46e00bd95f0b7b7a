#include "media_helper/fragment_writer.hpp"

#include <algorithm>
#include <numeric>
#include <string_view>

#include "base/check.hpp"

namespace runnel::media_helper {
namespace {

// tfhd and trun flags, ISO/IEC 14496-12 8.8.7 and 8.8.8.
constexpr std::uint32_t kDefaultBaseIsMoof = 0x020000;
constexpr std::uint32_t kTrunFields =
    0x000001 | 0x000100 | 0x000200 | 0x000400 | 0x000800;   // data offset, duration, size, flags, composition
constexpr std::uint32_t kSyncSample = 0x02000000;       // depends on no other
constexpr std::uint32_t kNonSyncSample = 0x01010000;    // depends on others, not a sync sample
constexpr std::uint32_t kVersion1 = 0x01000000;

// A box whose length is filled in at its end.
class Box {
 public:
  Box(base::Bytes& out, std::string_view type) : out_(out), at_(out.size()) {
    base::Writer writer{out_};
    writer.write<std::uint32_t>(0);
    writer.write_view(base::as_bytes(type));
  }
  ~Box() { base::store_big_endian(out_.data() + at_, static_cast<std::uint32_t>(out_.size() - at_)); }
  Box(const Box&) = delete;
  Box& operator=(const Box&) = delete;

 private:
  base::Bytes& out_;
  std::size_t at_;
};

// Gives where the data offset is to be filled in.
std::size_t write_trun(base::Bytes& out, const Samples& samples, std::int64_t decode_time) {
  const Box trun{out, "trun"};
  base::Writer writer{out};
  writer.write(kVersion1 | kTrunFields);
  writer.write(static_cast<std::uint32_t>(samples.list.size()));
  const std::size_t data_offset_at = out.size();
  writer.write<std::uint32_t>(0);
  std::int64_t decode = decode_time;
  for (const Sample& sample : samples.list) {
    writer.write(static_cast<std::uint32_t>(sample.duration));
    writer.write(sample.size);
    writer.write(sample.key ? kSyncSample : kNonSyncSample);
    writer.write(static_cast<std::uint32_t>(static_cast<std::int32_t>(sample.pts - decode)));
    decode += sample.duration;
  }
  return data_offset_at;
}

}  // namespace

std::int64_t lay_out(std::vector<Sample>& samples, std::int64_t end) {
  base::check(!samples.empty(), "a fragment has samples");
  std::vector<std::int64_t> times(samples.size());
  std::ranges::transform(samples, times.begin(), &Sample::pts);
  std::ranges::sort(times);
  for (std::size_t i = 0; i + 1 < samples.size(); ++i) samples[i].duration = times[i + 1] - times[i];
  const std::int64_t before = samples.size() > 1 ? samples[samples.size() - 2].duration : 1;
  samples.back().duration = end > times.back() ? end - times.back() : std::max<std::int64_t>(before, 1);
  return times.front();
}

base::Bytes write_fragment(const Fragment& fragment, const Samples& samples) {
  base::check(fragment.decode_time >= 0, "a fragment's decode time is not negative");
  base::Bytes out;
  out.reserve(samples.bytes.size() + samples.list.size() * 16 + 128);
  std::size_t data_offset_at = 0;
  base::Writer writer{out};
  {
    const Box moof{out, "moof"};
    {
      const Box mfhd{out, "mfhd"};
      writer.write<std::uint32_t>(0);
      writer.write(fragment.sequence);
    }
    const Box traf{out, "traf"};
    {
      const Box tfhd{out, "tfhd"};
      writer.write(kDefaultBaseIsMoof);
      writer.write<std::uint32_t>(1);
    }
    {
      const Box tfdt{out, "tfdt"};
      writer.write(kVersion1);
      writer.write(static_cast<std::uint64_t>(fragment.decode_time));
    }
    data_offset_at = write_trun(out, samples, fragment.decode_time);
  }
  base::store_big_endian(out.data() + data_offset_at, static_cast<std::uint32_t>(out.size() + 8));
  writer.write(static_cast<std::uint32_t>(samples.bytes.size() + 8));
  writer.write_view(base::as_bytes("mdat"));
  writer.write_view(samples.bytes);
  return out;
}

}  // namespace runnel::media_helper
