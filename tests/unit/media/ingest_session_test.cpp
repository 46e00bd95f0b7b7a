#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "session_support.hpp"

namespace runnel::media::test {
namespace {

using testing::HasSubstr;
using std::chrono::milliseconds;

IngestConfig config(std::string source) { return {.helper = kHelper, .source = std::move(source)}; }

// What every stream must keep, whatever it came from.
void expect_sound_chunks(const Recording& r, const TemporaryFolder& folder) {
  ASSERT_FALSE(r.inits.empty());
  for (std::size_t e = 0; e < r.inits.size(); ++e) {
    const auto chunks = r.of_epoch(r.inits[e].epoch);
    ASSERT_FALSE(chunks.empty());
    EXPECT_TRUE(chunks.front()->independent);
    base::Duration end = chunks.front()->media_time;
    for (const MediaChunk* c : chunks) {
      EXPECT_GE(c->media_time, end - milliseconds{2});
      EXPECT_LE(c->duration, milliseconds{120});
      end = c->media_time + c->duration;
    }
    r.save(folder / "epoch.mp4", e);
    EXPECT_EQ(decode_errors(folder / "epoch.mp4"), "");
  }
}

TEST(IngestSession, a_test_stream_is_chunks_that_decode_from_each_independent_one) {
  boost::asio::io_context io;
  const TemporaryFolder folder;
  Recording r;
  const auto session = start_ingest(io, config("test:?size=320x180&rate=30&bitrate=300k&seconds=3"), r.events());
  ASSERT_TRUE(run_until(io, [&] { return r.over(); }));
  ASSERT_EQ(r.error, "");
  expect_sound_chunks(r, folder);
  ASSERT_EQ(r.inits.size(), 1U);
  ASSERT_EQ(r.inits[0].tracks.size(), 2U);
  EXPECT_THAT(r.inits[0].tracks[0].codecs, HasSubstr("avc1."));
  EXPECT_EQ(r.inits[0].tracks[1].codecs, "mp4a.40.2");
  EXPECT_EQ(r.inits[0].tracks[0].width, 320U);
  int independent = 0;
  for (std::size_t i = 0; i < r.chunks.size(); ++i) {
    EXPECT_GE(r.chunks[i].duration, milliseconds{30});
    if (!r.chunks[i].independent) continue;
    ++independent;
    r.save(folder / "from.mp4", 0, i);
    EXPECT_EQ(decode_errors(folder / "from.mp4"), "");
  }
  EXPECT_EQ(independent, 3);   // one each second
}

}  // namespace
}  // namespace runnel::media::test
