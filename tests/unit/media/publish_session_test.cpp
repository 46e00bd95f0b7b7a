// Publishers as OBS is one, through the real helper: RTMP and SRT to CMAF chunks.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <spawn.h>

#include "session_support.hpp"

extern char** environ;

namespace runnel::media::test {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::Not;

// An encoder that publishes until it is stopped.
class Publisher {
 public:
  Publisher(const std::string& format, const std::string& url, const std::string& seconds = "60") {
    // exec, so that the process is ffmpeg itself.
    std::string command =
        "exec ffmpeg -nostdin -v error -re -f lavfi -i testsrc2=size=320x180:rate=30 -f lavfi -i sine=440:sample_rate=48000 -c:v libx264 "
        "-preset veryfast -tune zerolatency -pix_fmt yuv420p -g 60 -b:v 300k -c:a aac -t " +
        seconds + " -f " + format + " '" + url + "' >/dev/null 2>&1";
    std::string shell = "sh";
    std::string option = "-c";
    const std::array<char*, 4> argv{shell.data(), option.data(), command.data(), nullptr};
    if (::posix_spawnp(&pid_, "sh", nullptr, nullptr, argv.data(), environ) != 0) pid_ = -1;
  }
  Publisher(const Publisher&) = delete;
  Publisher& operator=(const Publisher&) = delete;
  ~Publisher() { stop(SIGKILL); }
  void stop(int signal) {
    if (pid_ <= 0) return;
    ::kill(pid_, signal);
    int status = 0;
    ::waitpid(std::exchange(pid_, -1), &status, 0);
  }

 private:
  pid_t pid_ = -1;
};

class PublishSession : public testing::Test {
 protected:
  void start(const std::string& source) {
    session_ = start_ingest(io_, {.helper = kHelper, .source = source}, recording_.events());
    ASSERT_TRUE(run_until(io_, [&] { return !recording_.url.empty() || recording_.over(); }));
    ASSERT_EQ(recording_.error, "");
  }
  bool wait_for_epochs(std::size_t count, std::size_t chunks) {
    return run_until(io_, [&] {
      return recording_.over() ||
             (recording_.inits.size() >= count && recording_.of_epoch(recording_.inits[count - 1].epoch).size() >= chunks);
    });
  }
  void expect_epoch_decodes(std::size_t position) {
    recording_.save(folder_ / "epoch.mp4", position);
    EXPECT_EQ(decode_errors(folder_ / "epoch.mp4"), "");
    ASSERT_EQ(recording_.inits[position].tracks.size(), 2U);
    EXPECT_THAT(recording_.inits[position].tracks[0].codecs, HasSubstr("avc1."));
    EXPECT_FALSE(recording_.inits[position].tracks[0].transcoded);
    EXPECT_EQ(recording_.inits[position].tracks[1].codecs, "mp4a.40.2");
  }

  boost::asio::io_context io_;
  const TemporaryFolder folder_;
  Recording recording_;
  std::unique_ptr<IngestSession> session_;
};

TEST_F(PublishSession, rtmp_publishers_one_after_the_other_are_epochs_of_one_stream) {
  start("rtmp://127.0.0.1:0/live/KEY");
  EXPECT_THAT(recording_.url, Not(HasSubstr("KEY")));
  Publisher first{"flv", recording_.url + "/KEY"};
  ASSERT_TRUE(wait_for_epochs(1, 40));
  first.stop(SIGKILL);
  Publisher second{"flv", recording_.url + "/KEY", "2"};
  ASSERT_TRUE(wait_for_epochs(2, 15));
  ASSERT_TRUE(run_until(io_, [&] {
    return std::ranges::count_if(recording_.notices, [](const std::string& line) { return line.find("is gone") != std::string::npos; }) ==
           2;
  }));
  EXPECT_FALSE(recording_.over());
  ASSERT_EQ(recording_.inits.size(), 2U);
  expect_epoch_decodes(0);
  expect_epoch_decodes(1);
}

TEST_F(PublishSession, srt_publishers_are_epochs_too) {
  start("srt://127.0.0.1:0?streamid=KEY&passphrase=0123456789");
  const std::string url = recording_.url + "?streamid=publish:KEY&passphrase=0123456789";
  Publisher first{"mpegts", url, "3"};
  ASSERT_TRUE(wait_for_epochs(1, 20));
  ASSERT_TRUE(
      run_until(io_, [&] { return !recording_.notices.empty() && recording_.notices.back().find("is gone") != std::string::npos; }));
  Publisher second{"mpegts", url};
  ASSERT_TRUE(wait_for_epochs(2, 20));
  expect_epoch_decodes(0);
  expect_epoch_decodes(1);
}

TEST_F(PublishSession, a_wrong_key_is_a_notice_and_not_the_end) {
  start("rtmp://127.0.0.1:0/live/KEY");
  Publisher wrong{"flv", recording_.url + "/GUESS"};
  ASSERT_TRUE(run_until(io_, [&] { return !recording_.notices.empty(); }));
  EXPECT_THAT(recording_.notices, Contains(HasSubstr("wrong stream key")));
  EXPECT_THAT(recording_.notices, Not(Contains(HasSubstr("GUESS"))));
  EXPECT_FALSE(recording_.over());
  EXPECT_TRUE(recording_.inits.empty());
}

TEST_F(PublishSession, a_url_without_a_key_ends_with_words_for_the_user) {
  session_ = start_ingest(io_, {.helper = kHelper, .source = "rtmp://127.0.0.1:0/live"}, recording_.events());
  ASSERT_TRUE(run_until(io_, [&] { return recording_.over(); }));
  EXPECT_THAT(recording_.error, HasSubstr("stream key"));
}

}  // namespace
}  // namespace runnel::media::test
