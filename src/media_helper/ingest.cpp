// Mode ingest: one source, whatever it is, to CMAF chunks.
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <string_view>
#include <thread>
#include <utility>

#include "media_helper/codec_string.hpp"
#include "media_helper/confine.hpp"
#include "media_helper/encoder.hpp"
#include "media_helper/live_pipeline.hpp"
#include "media_helper/modes.hpp"
#include "media_helper/publish_server.hpp"
#include "media_helper/test_source.hpp"

namespace runnel::media_helper {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds kFirstRetry{1};
constexpr std::chrono::seconds kLongestRetry{10};
constexpr int kMaxRetries = 60;  // about ten minutes of a pulled source being away
constexpr base::Duration kTestSkip = std::chrono::milliseconds{500};  // later than this, pictures are left out
constexpr int kToneSamples = 1024;

base::WallTime wall_now() {
  return base::WallTime{std::chrono::duration_cast<base::Duration>(std::chrono::system_clock::now().time_since_epoch())};
}

// Everything that ingest reports; the link outlives it.
class Ingest {
 public:
  Ingest(HelperLink& link, messages::StartIngest start)
      : link_(link),
        start_(std::move(start)),
        pipeline_({.link = &link, .first_epoch = start_.first_epoch, .notice = [this](std::string line) { notice(std::move(line)); }},
                  {.on_init = [this](messages::Init init) { link_.send(std::move(init)); },
                   .on_chunk = [this](messages::Chunk chunk) { link_.send(std::move(chunk)); }}) {}

  int run() {
    const std::string_view source = start_.source;
    const Status done = source.starts_with("test:")         ? run_test()
                        : source == "-"                     ? run_input()
                        : is_publish_source(source)         ? run_publish()
                        : source.find("://") != source.npos ? run_pull()
                                                            : run_file();
    if (done) {
      link_.send(messages::End{});
    } else {
      link_.send(messages::Error{done.error()});
    }
    return done ? 0 : 1;
  }

 private:
  void notice(std::string line) { link_.send(messages::Notice{std::move(line)}); }
  Status run_test();
  Status run_input();
  Status run_file();
  Status run_pull();
  Status run_publish();
  void run_publication(Publication& publication);

  HelperLink& link_;
  messages::StartIngest start_;
  LivePipeline pipeline_;
};

Status nothing_in_it() { return std::unexpected{std::string{"the source has ended before anything could be played from it"}}; }

Status Ingest::run_file() {
  Pacer pacer{base::Duration{0}};
  do {
    auto input = LiveInput::open_file(start_.source);
    if (!input) return std::unexpected{input.error()};
    const LivePipeline::Outcome outcome = pipeline_.run(**input, pacer);
    if (!outcome.error.empty()) return std::unexpected{outcome.error};
    if (!outcome.any_media) return nothing_in_it();
    pacer.restart();
  } while (start_.loop);
  return {};
}

Status Ingest::run_input() {
  Pacer pacer{Pacer::kPull};
  auto input = LiveInput::open_bytes(read_descriptor(STDIN_FILENO), "");
  if (!input) return std::unexpected{input.error()};
  const LivePipeline::Outcome outcome = pipeline_.run(**input, pacer);
  if (!outcome.error.empty()) return std::unexpected{outcome.error};
  return outcome.any_media ? Status{} : nothing_in_it();
}

Status Ingest::run_pull() {
  bool had_media = false;
  bool away = false;
  std::chrono::seconds pause = kFirstRetry;
  for (int retries = 0; retries < kMaxRetries; ++retries) {
    auto input = LiveInput::open_url(start_.source);
    if (!input && !had_media) return std::unexpected{input.error()};
    if (input) {
      if (std::exchange(away, false)) notice("the source is back");
      Pacer pacer{Pacer::kPull};
      const bool finite = (*input)->format().duration != AV_NOPTS_VALUE && (*input)->format().duration > 0;
      const auto ending = finite ? LivePipeline::Ending::whole : LivePipeline::Ending::cut;
      const LivePipeline::Outcome outcome = pipeline_.run(**input, pacer, ending);
      if (!outcome.error.empty() && !had_media) return std::unexpected{outcome.error};
      if (outcome.code == AVERROR_EOF && finite) {
        if (outcome.any_media && !start_.loop) return {};
        if (!outcome.any_media) return nothing_in_it();
      }
      if (outcome.any_media) {
        had_media = true;
        retries = 0;
        pause = kFirstRetry;
        if (outcome.code == AVERROR_EOF && finite) continue;
      }
      away = true;
      notice("the source broke off (" + (outcome.error.empty() ? error_text(outcome.code) : outcome.error) + "); trying again");
    }
    std::this_thread::sleep_for(pause);
    pause = std::min(pause * 2, kLongestRetry);
  }
  return std::unexpected{std::string{"the source is gone and did not come back"}};
}

// One publisher after the other, each from a new epoch on; only the node ends it.
Status Ingest::run_publish() {
  auto server = start_publish_server(start_.source, [this](std::string line) { notice(std::move(line)); });
  if (!server) return std::unexpected{server.error()};
  link_.send(messages::Listening{(*server)->url()});
  while (const auto publication = (*server)->wait_for_publisher()) run_publication(*publication);
  return {};
}

// What a publisher sends is never a reason to end the stream: the next one may do better.
void Ingest::run_publication(Publication& publication) {
  const auto unusable = [&](const std::string& why) {
    notice("the publisher from " + publication.remote.to_string() + " cannot be streamed: " + why);
  };
  auto input = LiveInput::open_bytes([&](base::MutableByteView to) { return publication.bytes->read(to); }, publication.format);
  if (!input) return unusable(input.error());
  Pacer pacer{Pacer::kPublish};
  const LivePipeline::Outcome outcome = pipeline_.run(**input, pacer);
  if (!outcome.error.empty()) return unusable(outcome.error);
  if (!outcome.any_media) unusable("it ended before anything could be played");
}

// Pictures and sound made at their time; never faster, and with pictures left out when the machine is too slow.
class TestRun {
 public:
  TestRun(const TestOptions& options, HelperLink& link, Packager& packager, VideoEncoder video, AudioEncoder audio)
      : options_(options), link_(link), packager_(packager), video_(std::move(video)), audio_(std::move(audio)), picture_(options) {}

  Status run(std::uint32_t epoch) {
    PackagedTrack video{&video_.parameters(), VideoEncoder::kBase, describe_track(video_.parameters(), options_.rate, nullptr)};
    PackagedTrack audio{&audio_.parameters(), AudioEncoder::kBase, describe_track(audio_.parameters(), 0, nullptr)};
    if (auto begun = packager_.begin(epoch, &video, &audio); !begun) return begun;
    const auto start = Clock::now();
    const base::WallTime wall_start = wall_now();
    for (std::int64_t number = 0; options_.seconds == 0 || number < std::int64_t{options_.seconds} * options_.rate; ++number) {
      const auto due = start + time_of(number);
      std::this_thread::sleep_until(due);
      if (Clock::now() - due > kTestSkip) number += (Clock::now() - due) / std::chrono::duration_cast<Clock::duration>(time_of(1));
      if (auto done = sound_up_to(time_of(number + 1), wall_start); !done) return done;
      if (auto done = picture(number); !done) return done;
    }
    return packager_.finish();
  }

 private:
  [[nodiscard]] base::Duration time_of(std::int64_t number) const { return base::Duration{number * 1'000'000 / options_.rate}; }

  Status picture(std::int64_t number) {
    const base::WallTime now = wall_now();
    std::vector<Packet> out;
    {
      const HelperLink::Busy busy{link_};
      auto done = video_.encode(*picture_.draw(number, now), number * VideoEncoder::kBase.den / options_.rate, keep_in(out));
      if (!done) return done;
    }
    for (Packet& p : out) {
      if (auto done = packager_.write_video(*p, (p->flags & AV_PKT_FLAG_KEY) != 0, now); !done) return done;
    }
    return {};
  }
  Status sound_up_to(base::Duration end, base::WallTime wall_start) {
    std::vector<Packet> out;
    while (samples_ * 1'000'000 / AudioEncoder::kSampleRate < end.count()) {
      if (auto done = audio_.encode(*tone_.make(samples_, kToneSamples, wall_start), samples_, keep_in(out)); !done) return done;
      samples_ += kToneSamples;
    }
    for (Packet& p : out) {
      if (auto done = packager_.write_audio(*p, wall_now()); !done) return done;
    }
    return {};
  }
  static PacketSink keep_in(std::vector<Packet>& out) {
    return [&out](AVPacket& p) -> Status {
      out.emplace_back(av_packet_clone(&p));
      if (!out.back()) return std::unexpected{std::string{"out of memory"}};
      return {};
    };
  }

  TestOptions options_;
  HelperLink& link_;
  Packager& packager_;
  VideoEncoder video_;
  AudioEncoder audio_;
  TestPicture picture_;
  TestTone tone_;
  std::int64_t samples_ = 0;
};

Status Ingest::run_test() {
  const auto options = TestOptions::parse(start_.source);
  if (!options) return std::unexpected{options.error()};
  VideoSettings settings;
  settings.width = options->width;
  settings.height = options->height;
  settings.frame_rate = options->rate;
  settings.bit_rate = options->bit_rate;
  settings.preset = "superfast";  // a test stream leaves the machine to the test
  do {
    auto video = VideoEncoder::open(settings);
    if (!video) return std::unexpected{video.error()};
    auto audio = AudioEncoder::open(1);
    if (!audio) return std::unexpected{audio.error()};
    TestRun run{*options, link_, pipeline_.packager(), std::move(*video), std::move(*audio)};
    if (auto done = run.run(pipeline_.take_epoch()); !done) return done;
  } while (start_.loop);
  return {};
}

}  // namespace

int run_ingest(HelperLink& link) {
  auto first = link.receive();
  auto* start = first ? std::get_if<messages::StartIngest>(&*first) : nullptr;
  if (start == nullptr) return 1;
  if (!start->ladder.empty()) {
    link.send(messages::Error{"several renditions of a live stream (--ladder) cannot be made yet; leave the option out"});
    return 1;
  }
  if (auto confined = confine(Confinement::network); !confined) {
    link.send(messages::Error{confined.error()});
    return 1;
  }
  return Ingest{link, std::move(*start)}.run();
}

}  // namespace runnel::media_helper
