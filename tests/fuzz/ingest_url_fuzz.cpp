// Where publishers go, and what they call themselves: URLs of rtmp:// and srt://, and SRT's stream ids.
#include "base/check.hpp"
#include "fuzz/input.hpp"
#include "media_helper/publish_url.hpp"
#include "media_helper/srt_server.hpp"

using namespace runnel;
using namespace runnel::media_helper;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input{data, size};
  const std::string_view key = input.line();
  const std::string_view stream_id = input.line();
  const std::string_view url = input.line();
  const bool admitted = stream_id_admits(stream_id, key);
  // Without the key in it there is no way in.
  if (!key.empty() && admitted) base::check(stream_id.find(key) != std::string_view::npos, "nobody comes in without the key");
  if (const auto rtmp = parse_rtmp_url(url))
    base::check(!rtmp->key.empty() && !rtmp->app.empty(), "nobody can publish without a key");
  else
    base::check(!rtmp.error().empty(), "every error has a text");
  if (const auto srt = parse_srt_url(url)) {
    base::check(!srt->key.empty() || srt->passphrase.size() >= 10, "nobody can publish without a key");
    base::check(srt->latency <= kSrtMaxLatency, "limits hold");
  } else {
    base::check(!srt.error().empty(), "every error has a text");
  }
  return 0;
}
