#include "support/fmp4.hpp"

#include <array>
#include <cstdio>
#include <stdexcept>
#include <utility>

namespace runnel::test {
namespace {

struct Box {
  std::string_view type;
  base::ByteView content;   // after the 8-byte header
  std::size_t size = 0;     // whole
};

std::optional<Box> first_box(base::ByteView bytes) {
  base::Reader reader{bytes};
  const auto size = reader.read<std::uint32_t>();
  const auto type = reader.read_view(4);
  if (!size || !type || *size < 8 || *size > bytes.size()) return std::nullopt;
  return Box{base::as_text(*type), bytes.subspan(8, *size - 8), *size};
}

std::optional<base::ByteView> find(base::ByteView bytes, std::string_view type) {
  while (const auto box = first_box(bytes)) {
    if (box->type == type) return box->content;
    bytes = bytes.subspan(box->size);
  }
  return std::nullopt;
}

struct FragmentStart {
  std::uint64_t decode_time = 0;   // of the first track's first sample
  bool sync = false;               // it is a sync sample
};

// ISO/IEC 14496-12 8.8.7 (tfhd) and 8.8.8 (trun): where the first sample's flags stand.
std::uint32_t first_sample_flags(base::ByteView tfhd, base::ByteView trun) {
  constexpr std::uint32_t kDataOffset = 0x1, kFirstFlags = 0x4, kDuration = 0x100, kSize = 0x200, kFlags = 0x400;
  base::Reader run{trun};
  const std::uint32_t run_flags = run.read<std::uint32_t>().value_or(0) & 0xffffffU;
  (void)run.read_view(4);   // sample count
  if ((run_flags & kDataOffset) != 0) (void)run.read_view(4);
  if ((run_flags & kFirstFlags) != 0) return run.read<std::uint32_t>().value_or(0);
  if ((run_flags & kFlags) != 0) {
    (void)run.read_view(((run_flags & kDuration) != 0 ? 4 : 0) + ((run_flags & kSize) != 0 ? 4 : 0));
    return run.read<std::uint32_t>().value_or(0);
  }
  base::Reader head{tfhd};
  const std::uint32_t head_flags = head.read<std::uint32_t>().value_or(0);
  (void)head.read_view(4);   // track
  for (const auto& [flag, size] : {std::pair{0x1U, 8U}, {0x2U, 4U}, {0x8U, 4U}, {0x10U, 4U}})
    if ((head_flags & flag) != 0) (void)head.read_view(size);
  return (head_flags & 0x20U) != 0 ? head.read<std::uint32_t>().value_or(0) : 0;
}

FragmentStart fragment_start(base::ByteView moof_content) {
  constexpr std::uint32_t kNotSync = 0x10000;
  const auto traf = find(moof_content, "traf");
  const auto tfhd = traf ? find(*traf, "tfhd") : std::nullopt;
  const auto tfdt = traf ? find(*traf, "tfdt") : std::nullopt;
  const auto trun = traf ? find(*traf, "trun") : std::nullopt;
  if (!tfhd || !tfdt || !trun) throw std::runtime_error("a fragment without tfhd, tfdt or trun");
  base::Reader reader{*tfdt};
  const auto version = reader.read<std::uint8_t>().value_or(0);
  (void)reader.read_view(3);
  const std::uint64_t time = version == 1 ? reader.read<std::uint64_t>().value_or(0) : reader.read<std::uint32_t>().value_or(0);
  return {time, (first_sample_flags(*tfhd, *trun) & kNotSync) == 0};
}

}  // namespace

void Fmp4Splitter::emit(base::Duration next_start, std::vector<Item>& out) {
  if (!fragment_start_ || fragment_.empty()) return;
  media::MediaChunk chunk;
  chunk.epoch = epoch_;
  chunk.media_time = *fragment_start_;
  chunk.duration = last_duration_ = next_start - *fragment_start_;
  chunk.independent = fragment_sync_;
  chunk.captured = start_ + chunk.media_time;
  chunk.bytes = std::make_shared<const base::Bytes>(std::exchange(fragment_, {}));
  out.emplace_back(std::move(chunk));
}

void Fmp4Splitter::take_box(std::string_view type, base::ByteView box, std::vector<Item>& out) {
  if (type == "ftyp" || type == "moov") {
    init_.insert(init_.end(), box.begin(), box.end());
    if (type == "moov") out.emplace_back(media::InitSegment{epoch_, {}, std::make_shared<const base::Bytes>(init_)});
    return;
  }
  if (type == "moof") {
    const FragmentStart begun = fragment_start(box.subspan(8));
    const base::Duration start{static_cast<base::Duration::rep>(begun.decode_time * 1'000'000 / timescale_)};
    emit(start, out);
    fragment_start_ = start;
    fragment_sync_ = begun.sync;
  }
  if (type == "moof" || type == "mdat") fragment_.insert(fragment_.end(), box.begin(), box.end());
}

std::vector<Fmp4Splitter::Item> Fmp4Splitter::push(base::ByteView bytes) {
  std::vector<Item> out;
  buffer_.insert(buffer_.end(), bytes.begin(), bytes.end());
  std::size_t used = 0;
  while (const auto box = first_box(base::ByteView{buffer_}.subspan(used))) {
    take_box(box->type, base::ByteView{buffer_}.subspan(used, box->size), out);
    used += box->size;
  }
  buffer_.erase(buffer_.begin(), buffer_.begin() + static_cast<std::ptrdiff_t>(used));
  return out;
}

std::vector<Fmp4Splitter::Item> Fmp4Splitter::finish() {
  std::vector<Item> out;
  if (fragment_start_) emit(*fragment_start_ + last_duration_, out);
  return out;
}

std::string run_and_read(const std::string& command) {
  std::FILE* pipe = ::popen(command.c_str(), "r");
  if (pipe == nullptr) throw std::runtime_error("cannot run: " + command);
  std::string all;
  std::array<char, 65536> some{};
  while (const std::size_t size = std::fread(some.data(), 1, some.size(), pipe)) all.append(some.data(), size);
  if (::pclose(pipe) != 0) throw std::runtime_error("failed: " + command + "\n" + all);
  return all;
}

}  // namespace runnel::test
