// A film of a stranger's making, in whatever container its bytes are taken for: the demuxers' entry. It opens or is refused with a reason,
// and what it is cut into are segments.
#include "base/check.hpp"
#include "fuzz/input.hpp"
#include "media_helper/ffmpeg.hpp"
#include "media_helper/film.hpp"

using namespace runnel;
using namespace runnel::media_helper;

namespace {

class Memory final : public RandomReader {
 public:
  explicit Memory(base::ByteView bytes) : bytes_(bytes) {}
  [[nodiscard]] std::uint64_t size() const override { return bytes_.size(); }
  [[nodiscard]] std::expected<std::size_t, ReadError> read(std::uint64_t offset, base::MutableByteView into) override {
    base::check(offset + into.size() <= bytes_.size(), "a read within the film");
    std::ranges::copy(bytes_.subspan(offset, into.size()), into.begin());
    return into.size();
  }

 private:
  base::ByteView bytes_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  av_log_set_level(AV_LOG_QUIET);
  if (size == 0) return 0;
  fuzz::Input input{data, size};
  Memory reader{input.all()};
  // A stranger's film may be made to be looked at for long: whoever waits gives up after so many packets.
  int patience = 2'000;
  const auto film = Film::open(reader, {.name = "film", .scanned = std::nullopt, .cancelled = [&patience] { return --patience < 0; }});
  if (!film) {
    base::check(!message(film.error()).empty(), "every error has a text");
    return 0;
  }
  for (const media::TrackInfo& track : (*film)->index().tracks) {
    const auto init = (*film)->init(track.number);
    if (init) base::check(!init->empty(), "a header has bytes");
    static_cast<void>((*film)->segment(track.number, 0));
  }
  return 0;
}
