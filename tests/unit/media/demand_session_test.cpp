// Films on demand through the real helper program: cut, scanned, killed, hung and fed with nonsense.
#include <gtest/gtest.h>
#include <signal.h>

#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <fstream>
#include <map>
#include <random>

#include "unit/media/session_support.hpp"

namespace runnel::media::test {
namespace {

// A file's bytes as a swarm would give them: later, and only while `open`.
class FileContent : public ContentReader {
 public:
  FileContent(boost::asio::io_context& io, const std::string& path) : io_(io) {
    std::ifstream in{path, std::ios::binary};
    const std::string text{std::istreambuf_iterator<char>{in}, {}};
    bytes_ = base::to_bytes(base::as_bytes(text));
  }
  FileContent(boost::asio::io_context& io, base::Bytes bytes) : io_(io), bytes_(std::move(bytes)) {}

  [[nodiscard]] std::uint64_t size() const override { return bytes_.size(); }
  Token read(std::uint64_t offset, std::size_t length, Callback callback) override {
    EXPECT_LE(offset + length, size());
    ++reads;
    bytes_read += length;
    waiting_[++last_] = {offset, length, std::move(callback)};
    if (open) release();
    return last_;
  }
  void cancel(Token token) override {
    ++cancelled;
    waiting_.erase(token);
  }
  void release() {
    for (auto& [token, unused] : waiting_) {
      boost::asio::post(io_, [this, t = token] {
        const auto found = waiting_.find(t);
        if (found == waiting_.end()) return;
        const Read read = std::move(found->second);
        waiting_.erase(found);
        if (!failure.empty()) return read.callback(std::unexpected{failure});
        const auto from = bytes_.begin() + static_cast<std::ptrdiff_t>(read.offset);
        read.callback(base::Bytes{from, from + static_cast<std::ptrdiff_t>(read.length)});
      });
    }
  }
  [[nodiscard]] bool is_waiting() const { return !waiting_.empty(); }

  bool open = true;
  std::string failure;
  int reads = 0;
  int cancelled = 0;
  std::uint64_t bytes_read = 0;

 private:
  struct Read {
    std::uint64_t offset = 0;
    std::size_t length = 0;
    Callback callback;
  };
  boost::asio::io_context& io_;
  base::Bytes bytes_;
  std::map<Token, Read> waiting_;
  Token last_ = 0;
};

class DemandSessionTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = std::make_unique<TemporaryFolder>();
    const std::string sources = "-f lavfi -i testsrc2=size=640x360:rate=25:duration=20 -f lavfi -i sine=sample_rate=48000:duration=20 ";
    const auto made = run_command("ffmpeg -v error -y " + sources +
                                  "-c:v libx264 -preset ultrafast -g 50 -pix_fmt yuv420p -c:a aac -movflags +faststart " + film() +
                                  " && ffmpeg -v error -y -i " + film() + " -c copy " + stream());
    ASSERT_EQ(made.status, 0) << made.output;
  }
  static void TearDownTestSuite() { folder_.reset(); }
  static std::string film() { return *folder_ / "film.mp4"; }
  static std::string stream() { return *folder_ / "film.ts"; }

  std::expected<DemandIndex, std::string> index(DemandSession& session) {
    std::optional<std::expected<DemandIndex, std::string>> got;
    session.index([&](auto answer) { got = std::move(answer); });
    EXPECT_FALSE(got.has_value());
    EXPECT_TRUE(run_until(io_, [&] { return got.has_value(); }));
    return got.value_or(std::unexpected{"no answer"});
  }
  std::expected<DemandSession::Segment, std::string> segment(DemandSession& session, std::uint32_t track, std::uint32_t number) {
    std::optional<std::expected<DemandSession::Segment, std::string>> got;
    session.segment(track, number, [&](auto answer) { got = std::move(answer); });
    EXPECT_TRUE(run_until(io_, [&] { return got.has_value(); }, std::chrono::seconds{60}));
    return got.value_or(std::unexpected{"no answer"});
  }
  std::expected<DemandSession::Segment, std::string> init(DemandSession& session, std::uint32_t track) {
    std::optional<std::expected<DemandSession::Segment, std::string>> got;
    session.init(track, [&](auto answer) { got = std::move(answer); });
    EXPECT_TRUE(run_until(io_, [&] { return got.has_value(); }));
    return got.value_or(std::unexpected{"no answer"});
  }
  std::optional<std::expected<ScanResult, std::string>> scan(const std::string& path) {
    std::optional<std::expected<ScanResult, std::string>> got;
    const auto session = start_scan(io_, kHelper, path, [&](auto result) { got = std::move(result); });
    EXPECT_TRUE(run_until(io_, [&] { return got.has_value(); }));
    return got;
  }

  boost::asio::io_context io_;
  static inline std::unique_ptr<TemporaryFolder> folder_;
};

TEST_F(DemandSessionTest, a_film_is_cut_through_the_helper_and_plays) {
  FileContent content{io_, film()};
  const auto session = start_demand(io_, {.helper = kHelper, .name = "film.mp4"}, content);
  const auto known = index(*session);
  ASSERT_TRUE(known.has_value()) << known.error();
  ASSERT_EQ(known->tracks.size(), 2U);
  EXPECT_EQ(known->segments.size(), 5U);
  EXPECT_NEAR(static_cast<double>(known->duration.count()), 20e6, 1e5);
  EXPECT_LT(content.bytes_read, content.size() / 4);
  for (std::uint32_t t = 0; t < 2; ++t) {
    const auto header = init(*session, t);
    ASSERT_TRUE(header.has_value()) << header.error();
    std::vector<base::ByteView> parts{**header};
    std::vector<DemandSession::Segment> kept;
    for (std::uint32_t n = 0; n < known->segments.size(); ++n) {
      const auto got = segment(*session, t, n);
      ASSERT_TRUE(got.has_value()) << got.error();
      kept.push_back(*got);
      parts.push_back(**got);
    }
    write_file(*folder_ / "out.mp4", parts);
    EXPECT_EQ(decode_errors(*folder_ / "out.mp4"), "");
  }
  EXPECT_FALSE(segment(*session, 2, 0).has_value());
  EXPECT_FALSE(segment(*session, 0, 5).has_value());
}

TEST_F(DemandSessionTest, what_browsers_cannot_play_is_converted_inside_the_confinement) {
  const std::string path = *folder_ / "old.mkv";
  const auto made = run_command(
      "ffmpeg -v error -y -f lavfi -i testsrc2=size=320x180:rate=25:duration=8 -f lavfi -i sine=duration=8 "
      "-c:v mpeg2video -g 25 -c:a ac3 " +
      path);
  ASSERT_EQ(made.status, 0) << made.output;
  FileContent content{io_, path};
  const auto session = start_demand(io_, {.helper = kHelper, .name = "old.mkv"}, content);
  const auto known = index(*session);
  ASSERT_TRUE(known.has_value()) << known.error();
  for (std::uint32_t t = 0; t < 2; ++t) {
    EXPECT_TRUE(known->tracks[t].transcoded);
    const auto header = init(*session, t);
    const auto first = segment(*session, t, 0);
    ASSERT_TRUE(header && first);
    write_file(*folder_ / "old.mp4", {**header, **first});
    EXPECT_EQ(decode_errors(*folder_ / "old.mp4"), "");
  }
}

TEST_F(DemandSessionTest, a_scanned_index_travels_from_the_caster_to_a_viewer) {
  const auto scanned = scan(stream());
  ASSERT_TRUE(scanned && scanned->has_value());
  EXPECT_TRUE((*scanned)->is_media);
  EXPECT_EQ((*scanned)->mime, "video/mp2t");
  ASSERT_TRUE((*scanned)->index.has_value());
  FileContent content{io_, stream()};
  const auto session = start_demand(io_, {.helper = kHelper, .name = "film.ts", .scanned_index = (*scanned)->index}, content);
  const auto known = index(*session);
  ASSERT_TRUE(known.has_value()) << known.error();
  EXPECT_EQ(known->segments.size(), 5U);
  const auto header = init(*session, 0);
  const auto last = segment(*session, 0, 4);
  ASSERT_TRUE(header && last);
  write_file(*folder_ / "last.mp4", {**header, **last});
  EXPECT_EQ(decode_errors(*folder_ / "last.mp4"), "");
}

TEST_F(DemandSessionTest, a_scan_tells_what_a_file_is) {
  const auto mp4 = scan(film());
  ASSERT_TRUE(mp4 && mp4->has_value());
  EXPECT_TRUE((*mp4)->is_media);
  EXPECT_EQ((*mp4)->mime, "video/mp4");
  EXPECT_FALSE((*mp4)->index.has_value());
  EXPECT_EQ((*mp4)->tracks.size(), 2U);

  write_file(*folder_ / "notes.txt", {base::as_bytes("These are notes, and no film at all.\n")});
  const auto text = scan(*folder_ / "notes.txt");
  ASSERT_TRUE(text && text->has_value());
  EXPECT_FALSE((*text)->is_media);
  EXPECT_EQ((*text)->mime, "application/octet-stream");

  const auto cut = run_command("ffmpeg -v error -y -i " + film() + " -c copy " + (*folder_ / "late.mp4") + " && truncate -s 60% " +
                               (*folder_ / "late.mp4"));
  const auto late = run_command("head -c 200000 " + (*folder_ / "late.mp4") + " > " + (*folder_ / "cut.mp4"));
  const auto truncated = scan(*folder_ / "cut.mp4");
  ASSERT_TRUE(truncated && truncated->has_value());
  EXPECT_FALSE((*truncated)->is_media);
  EXPECT_NE((*truncated)->reason.find("incomplete"), std::string::npos) << (*truncated)->reason;

  const auto missing = scan(*folder_ / "no-such-file");
  ASSERT_TRUE(missing);
  ASSERT_FALSE(missing->has_value());
  EXPECT_NE(missing->error().find("no-such-file"), std::string::npos) << missing->error();
}

TEST_F(DemandSessionTest, a_scan_that_is_let_go_calls_nobody) {
  bool called = false;
  start_scan(io_, kHelper, stream(), [&](auto) { called = true; }).reset();
  run_until(io_, [&] { return called; }, std::chrono::seconds{1});
  EXPECT_FALSE(called);
}

TEST_F(DemandSessionTest, a_jump_overtakes_what_waits_for_bytes) {
  FileContent content{io_, film()};
  const auto session = start_demand(io_, {.helper = kHelper, .name = "film.mp4"}, content);
  ASSERT_TRUE(index(*session).has_value());
  content.open = false;
  std::vector<int> order;
  session->segment(0, 4, [&](auto) { order.push_back(4); });
  ASSERT_TRUE(run_until(io_, [&] { return content.is_waiting(); }));
  session->segment(0, 0, [&](auto got) {
    EXPECT_TRUE(got.has_value());
    order.push_back(0);
  });
  ASSERT_TRUE(run_until(io_, [&] { return content.cancelled > 0; }));
  content.open = true;
  content.release();
  ASSERT_TRUE(run_until(io_, [&] { return order.size() == 2; }));
  EXPECT_EQ(order, (std::vector<int>{0, 4}));
}

TEST_F(DemandSessionTest, alike_requests_share_one_answer) {
  FileContent content{io_, film()};
  const auto session = start_demand(io_, {.helper = kHelper, .name = "film.mp4"}, content);
  std::vector<DemandSession::Segment> got;
  for (int i = 0; i < 3; ++i) {
    session->segment(0, 1, [&](auto s) {
      ASSERT_TRUE(s.has_value());
      got.push_back(*s);
    });
  }
  ASSERT_TRUE(run_until(io_, [&] { return got.size() == 3; }));
  EXPECT_EQ(got[0], got[1]);
  EXPECT_EQ(got[0], got[2]);
}

TEST_F(DemandSessionTest, bytes_that_cannot_be_had_are_told_in_the_words_of_the_reader_and_a_later_try_works) {
  FileContent content{io_, film()};
  const auto session = start_demand(io_, {.helper = kHelper, .name = "film.mp4"}, content);
  content.failure = "nobody has this part";
  const auto refused = index(*session);
  ASSERT_FALSE(refused.has_value());
  EXPECT_NE(refused.error().find("nobody has this part"), std::string::npos) << refused.error();
  content.failure.clear();
  EXPECT_TRUE(index(*session).has_value());
}

TEST_F(DemandSessionTest, requests_outlive_a_helper_that_is_killed) {
  FileContent content{io_, film()};
  const auto session = start_demand(io_, {.helper = kHelper, .name = "film.mp4"}, content);
  ASSERT_TRUE(index(*session).has_value());
  content.open = false;
  std::optional<bool> good;
  session->segment(0, 2, [&](auto got) { good = got.has_value(); });
  ASSERT_TRUE(run_until(io_, [&] { return content.is_waiting(); }));
  const auto children = run_command("pgrep -P " + std::to_string(::getpid()) + " -f 'runnel-media demand'");
  ASSERT_EQ(children.status, 0) << children.output;
  ASSERT_EQ(::kill(std::stoi(children.output), SIGKILL), 0);
  content.open = true;
  content.release();
  ASSERT_TRUE(run_until(io_, [&] { return good.has_value(); }));
  EXPECT_TRUE(*good);
}

TEST_F(DemandSessionTest, a_missing_helper_is_an_error_in_words) {
  FileContent content{io_, film()};
  const auto session = start_demand(io_, {.helper = {"/nowhere/runnel-media"}, .name = "film.mp4"}, content);
  const auto known = index(*session);
  ASSERT_FALSE(known.has_value());
  EXPECT_NE(known.error().find("/nowhere/runnel-media"), std::string::npos) << known.error();
}

TEST_F(DemandSessionTest, noise_is_not_a_film_and_ends_nothing) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random{seed};
  for (const std::size_t size : {std::size_t{0}, std::size_t{1}, std::size_t{100'000}, std::size_t{1'000'000}}) {
    base::Bytes noise(size);
    for (std::byte& b : noise) b = static_cast<std::byte>(random());
    FileContent content{io_, noise};
    const auto session = start_demand(io_, {.helper = kHelper, .name = "noise.mp4", .scanned_index = noise}, content);
    EXPECT_FALSE(index(*session).has_value());
    EXPECT_FALSE(segment(*session, 0, 0).has_value());
  }
}

}  // namespace
}  // namespace runnel::media::test
