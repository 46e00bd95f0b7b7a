// A node without a swarm: the real HTTP server over a live test picture and a short film, with peers that are made up. For work on
// the web page and for its tests. Needs ffmpeg.
//   fake_node ADDR:PORT FOLDER    FOLDER keeps what ffmpeg makes; prints the page's address, runs until its standard input ends.
#include <unistd.h>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <thread>

#include "player/http_server.hpp"
#include "support/fmp4.hpp"

namespace runnel::test {
namespace {

namespace fs = std::filesystem;
namespace asio = boost::asio;

base::Bytes read_file(const fs::path& path) {
  std::ifstream in{path, std::ios::binary};
  const std::string text{std::istreambuf_iterator<char>{in}, {}};
  return base::to_bytes(base::as_bytes(text));
}

class FileContent final : public media::ContentReader {
 public:
  FileContent(asio::io_context& io, base::Bytes bytes) : io_(io), bytes_(std::move(bytes)) {}
  [[nodiscard]] std::uint64_t size() const override { return bytes_.size(); }
  Token read(std::uint64_t offset, std::size_t length, Callback callback) override {
    const Token token = next_++;
    live_[token] = std::move(callback);
    asio::post(io_, [this, token, offset, length] {
      const auto node = live_.extract(token);
      if (!node.empty()) node.mapped()(base::to_bytes(base::ByteView{bytes_}.subspan(offset, length)));
    });
    return token;
  }
  void cancel(Token token) override { live_.erase(token); }

 private:
  asio::io_context& io_;
  base::Bytes bytes_;
  Token next_ = 1;
  std::map<Token, Callback> live_;
};

constexpr int kFilmSegments = 15;
constexpr std::chrono::seconds kFilmSegment{4};

// A film that ffmpeg's HLS muxer has cut already: FOLDER/v (video), FOLDER/a0 and FOLDER/a1 (sound).
class FolderDemand final : public media::DemandSession {
 public:
  FolderDemand(asio::io_context& io, fs::path folder) : io_(io), folder_(std::move(folder)) {}
  void index(Callback<media::DemandIndex> callback) override {
    later([callback] { callback(film_index()); });
  }
  void init(std::uint32_t track, Callback<Segment> callback) override { give(stem(track) / "init.mp4", std::move(callback)); }
  void segment(std::uint32_t track, std::uint32_t number, Callback<Segment> callback) override {
    if (track < 3) return give(stem(track) / (std::to_string(number) + ".m4s"), std::move(callback));
    const std::string vtt = "WEBVTT\n\n00:" + clock(number * 4 + 1) + ".000 --> 00:" + clock(number * 4 + 3) + ".500\nScene " +
                            std::to_string(number + 1) + " of " + std::to_string(kFilmSegments) + "\n";
    later([callback, vtt] { callback(std::make_shared<const base::Bytes>(base::to_bytes(base::as_bytes(vtt)))); });
  }

 private:
  static media::DemandIndex film_index() {
    media::DemandIndex index;
    media::TrackInfo video;
    video.codecs = "avc1.64001e";
    video.width = 854;
    video.height = 480;
    video.frame_rate = 25;
    media::TrackInfo english;
    english.kind = media::TrackKind::audio;
    english.codecs = "mp4a.40.2";
    english.language = "en";
    english.title = "English";
    english.channels = 1;
    media::TrackInfo german = english;
    german.number = 1;
    german.language = "de";
    german.title = "Deutsch";
    media::TrackInfo subtitle;
    subtitle.kind = media::TrackKind::subtitle;
    subtitle.language = "en";
    subtitle.title = "English";
    index.tracks = {video, english, german, subtitle};
    for (int i = 0; i < kFilmSegments; ++i) index.segments.push_back({i * kFilmSegment, kFilmSegment});
    index.duration = kFilmSegments * kFilmSegment;
    return index;
  }
  static std::string clock(std::uint32_t seconds) {
    char text[16];
    std::snprintf(text, sizeof text, "%02u:%02u", seconds / 60 % 60, seconds % 60);
    return text;
  }
  [[nodiscard]] fs::path stem(std::uint32_t track) const { return folder_ / (track == 0 ? "v" : track == 1 ? "a0" : "a1"); }
  void give(const fs::path& path, Callback<Segment> callback) {
    later([path, callback] {
      auto bytes = std::make_shared<const base::Bytes>(read_file(path));
      if (bytes->empty()) return callback(std::unexpected("no such file: " + path.string()));
      callback(std::move(bytes));
    });
  }
  void later(std::function<void()> call) {
    asio::post(io_, [weak = std::weak_ptr{alive_}, call = std::move(call)] {
      if (!weak.expired()) call();
    });
  }
  asio::io_context& io_;
  fs::path folder_;
  std::shared_ptr<int> alive_ = std::make_shared<int>();
};

// Status that moves: rates swing around what a small swarm has.
class FakeStream final : public player::Stream {
 public:
  FakeStream(std::string id, std::string title, bool live) : id_(std::move(id)), title_(std::move(title)), live_(live) {
    link_ = "runnel:" + id_ + (live ? "?dn=Harbour%20camera" : "?xl=8388608&dn=The%20Long%20Tide") +
            "&tr=http://192.168.1.20:6969/announce&x.pe=192.168.1.20:6778";
  }
  [[nodiscard]] const std::string& id() const override { return id_; }
  [[nodiscard]] const std::string& title() const override { return title_; }
  [[nodiscard]] const std::string& link() const override { return link_; }
  [[nodiscard]] const std::string& role() const override { return role_; }
  [[nodiscard]] bool is_live() const override { return live_; }
  [[nodiscard]] player::StreamStatus status() const override {
    player::StreamStatus now = status_;
    if (!timeline_) return now;
    now.buffer_s = std::chrono::duration<double>(timeline_->buffered()).count();
    now.lag_parts = player::LagParts{.source_s = 0.06, .swarm_s = 0.17};
    if (const auto newest = timeline_->newest_captured())
      now.lag_s = std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch() - newest->time_since_epoch()).count();
    return now;
  }
  media::ContentReader* content() override { return content_.get(); }
  [[nodiscard]] std::string mime() const override { return mime_; }
  [[nodiscard]] std::string file_name() const override { return file_name_; }
  [[nodiscard]] std::optional<base::Bytes> scanned_index() const override { return std::nullopt; }
  media::LiveTimeline* timeline() override { return timeline_.get(); }

  void add_peer(const std::string& address, bool out, bool caster, double rtt_ms) {
    player::PeerStatus peer;
    peer.address = address;
    peer.direction = out ? "out" : "in";
    peer.is_caster = caster;
    peer.rtt_ms = rtt_ms;
    peer.have_fraction = caster ? 1.0 : 0.4;
    status_.peers.push_back(peer);
  }
  void tick(double t, double seconds) {
    status_.down_rate = status_.up_rate = 0;
    for (std::size_t i = 0; i < status_.peers.size(); ++i) {
      player::PeerStatus& peer = status_.peers[i];
      const double phase = t * 0.4 + static_cast<double>(i) * 1.7;
      const double down = role_ == "cast" ? 0 : (peer.is_caster ? 55e3 : 130e3 / static_cast<double>(i + 1)) * (1 + 0.5 * std::sin(phase));
      const double up = peer.is_caster ? 0 : 90e3 * (1 + 0.6 * std::cos(phase)) * (i % 3 == 0 ? 0.2 : 1);
      peer.choked_by_us = i == 4;
      peer.down_rate = static_cast<std::uint64_t>(down);
      peer.up_rate = peer.choked_by_us ? 0 : static_cast<std::uint64_t>(up);
      peer.down_bytes += static_cast<std::uint64_t>(down * seconds);
      peer.up_bytes += static_cast<std::uint64_t>(static_cast<double>(peer.up_rate) * seconds);
      peer.have_fraction = std::min(1.0, peer.have_fraction + 0.004 * seconds);
      status_.down_rate += peer.down_rate;
      status_.up_rate += peer.up_rate;
      if (peer.is_caster) status_.caster_bytes += static_cast<std::uint64_t>(down * seconds);
    }
    status_.down_bytes += static_cast<std::uint64_t>(static_cast<double>(status_.down_rate) * seconds);
    status_.up_bytes += static_cast<std::uint64_t>(static_cast<double>(status_.up_rate) * seconds);
    status_.verified = status_.down_bytes / 1080;
    if (!live_) status_.have_bytes = role_ == "cast" ? status_.total_bytes : std::min(status_.total_bytes, status_.down_bytes);
  }

  std::string id_, title_, link_, role_ = "watch", mime_ = "video/mp4", file_name_ = "The Long Tide.mp4";
  bool live_;
  std::unique_ptr<FileContent> content_;
  std::unique_ptr<media::LiveTimeline> timeline_;
  player::StreamStatus status_;
};

class FakeStreams final : public player::Streams {
 public:
  std::vector<player::Stream*> list() override {
    std::vector<player::Stream*> all;
    for (const auto& stream : streams_) all.push_back(stream.get());
    return all;
  }
  player::Stream* find(std::string_view id) override {
    for (const auto& stream : streams_)
      if (stream->id_ == id) return stream.get();
    return nullptr;
  }
  [[nodiscard]] std::string version() const override { return "0.1.0"; }
  FakeStream& add(std::string id, std::string title, bool live) {
    return *streams_.emplace_back(std::make_unique<FakeStream>(std::move(id), std::move(title), live));
  }
  void tick(double t, double seconds) {
    for (const auto& stream : streams_) stream->tick(t, seconds);
  }

 private:
  std::vector<std::unique_ptr<FakeStream>> streams_;
};

void run(const std::string& command) {
  if (std::system(command.c_str()) != 0) throw std::runtime_error("failed: " + command);
}

void make_film(const fs::path& folder) {
  if (fs::exists(folder / "film.mp4")) return;
  for (const auto* part : {"v", "a0", "a1"}) fs::create_directories(folder / part);
  const std::string quiet = "ffmpeg -v error -y ";
  const std::string hls =
      " -f hls -hls_time 4 -hls_playlist_type vod -hls_segment_type fmp4 -hls_fmp4_init_filename init.mp4 -hls_segment_filename ";
  const auto cut = [&](const std::string& source, const std::string& codec, const std::string& name) {
    run("cd '" + (folder / name).string() + "' && " + quiet + source + codec + hls + "'%d.m4s' list.m3u8 </dev/null");
  };
  cut("-f lavfi -i gradients=s=854x480:r=25:d=60:speed=0.02:seed=7 -t 60 ",
      "-c:v libx264 -preset ultrafast -crf 32 -pix_fmt yuv420p -g 100 -keyint_min 100 -sc_threshold 0", "v");
  cut("-f lavfi -i 'sine=f=330:d=60' ", "-af volume=0.2 -c:a aac", "a0");
  cut("-f lavfi -i 'sine=f=220:d=60' ", "-af volume=0.2 -c:a aac", "a1");
  run(quiet + "-f lavfi -i 'testsrc2=s=854x480:d=10' -c:v libx264 -preset ultrafast '" + (folder / "film.mp4").string() + "' </dev/null");
}

// The picture comes from ffmpeg in real time; its pipe is read on a thread of its own until it breaks.
void cast(asio::io_context& io, FakeStream& stream, std::FILE* pipe) {
  const auto now = std::chrono::time_point_cast<base::Duration>(std::chrono::system_clock::now());
  Fmp4Splitter splitter{1, 90'000, base::WallTime{now.time_since_epoch()}};
  char some[16384];
  while (const ssize_t size = ::read(::fileno(pipe), some, sizeof some)) {
    if (size < 0) break;
    for (auto& item : splitter.push(base::as_bytes({some, static_cast<std::size_t>(size)}))) {
      asio::post(io, [&stream, item] {
        if (const auto* init = std::get_if<media::InitSegment>(&item)) {
          media::InitSegment named = *init;
          named.tracks.resize(2);
          named.tracks[0].codecs = "avc1.42c01f";
          named.tracks[0].width = 1280;
          named.tracks[0].height = 720;
          named.tracks[1].kind = media::TrackKind::audio;
          named.tracks[1].codecs = "mp4a.40.2";
          stream.timeline_->add(named);
        } else {
          stream.timeline_->add(std::get<media::MediaChunk>(item));
        }
      });
    }
  }
}

std::FILE* start_picture() {
  return ::popen(
      "exec ffmpeg -v error -re -f lavfi -i testsrc2=s=1280x720:r=30 -f lavfi -i sine=f=300 -af volume=0.1 -c:v libx264 -preset ultrafast "
      "-tune zerolatency -g 30 -keyint_min 30 -sc_threshold 0 -b:v 1500k -video_track_timescale 90000 -c:a aac "
      "-movflags empty_moov+default_base_moof+frag_keyframe -frag_duration 100000 -flush_packets 1 -f mp4 pipe:1 </dev/null",
      "r");
}

void add_streams(asio::io_context& io, FakeStreams& streams, const fs::path& folder) {
  FakeStream& live = streams.add("01" + std::string(66, '7'), "Harbour camera", true);
  live.timeline_ = std::make_unique<media::LiveTimeline>(media::LiveTimeline::Config{});
  live.status_.state = "playing";
  live.status_.known_peers = 11;
  live.status_.trackers = {"http://192.168.1.20:6969/announce: 9 peers, next in 14 min"};
  live.add_peer("192.168.1.20:6778", true, true, 12.1);
  live.add_peer("192.168.1.31:40112", false, false, 3.4);
  live.add_peer("[2001:db8::8a2e:370]:6778", true, false, 28.9);
  live.add_peer("203.0.113.77:51413", false, false, 41.5);
  live.add_peer("198.51.100.4:6778", true, false, 66.0);
  live.add_peer("192.168.1.44:39001", false, false, 2.2);

  FakeStream& film = streams.add(std::string(64, 'c'), "The Long Tide", false);
  film.content_ = std::make_unique<FileContent>(io, read_file(folder / "film.mp4"));
  film.status_.state = "playing";
  film.status_.problem = "The tracker http://192.168.1.20:6969/announce does not answer; the known peers are used, next try in 30 s.";
  film.status_.total_bytes = 48'000'000;
  film.add_peer("192.168.1.20:6778", true, true, 12.1);
  film.add_peer("192.168.1.31:40112", false, false, 3.4);
  film.add_peer("203.0.113.77:51413", false, false, 41.5);

  FakeStream& own = streams.add(std::string(64, 'd'), "Holiday in the hills", false);
  own.role_ = "cast";
  own.content_ = std::make_unique<FileContent>(io, read_file(folder / "film.mp4"));
  own.status_.state = "seeding";
  own.status_.total_bytes = 48'000'000;
  for (int i = 1; i < 9; ++i) own.add_peer("192.168.1." + std::to_string(60 + i) + ":6778", false, false, 2.0 + i);

  FakeStream& bytes = streams.add(std::string(64, 'e'), "archive.zip", false);
  bytes.mime_ = "application/zip";
  bytes.file_name_ = "archive.zip";
  bytes.content_ = std::make_unique<FileContent>(io, base::Bytes(1000));
  bytes.status_.state = "seeding";
  bytes.status_.total_bytes = bytes.status_.have_bytes = 1000;
}

int serve(const std::string& listen, const fs::path& folder) {
  make_film(folder);
  asio::io_context io;
  FakeStreams streams;
  add_streams(io, streams, folder);
  player::HttpServer::Config config;
  config.listen = base::Endpoint::parse(listen).value();
  config.start_demand = [&folder](asio::io_context& context, media::DemandConfig, media::ContentReader&) {
    return std::make_unique<FolderDemand>(context, folder);
  };
  auto server = player::HttpServer::start(io, std::move(config), streams);
  if (!server) {
    std::cerr << server.error() << '\n';
    return 1;
  }
  std::cout << (*server)->base_url() << std::endl;

  std::FILE* picture = start_picture();
  std::thread caster{[&] { cast(io, static_cast<FakeStream&>(*streams.list().front()), picture); }};
  double t = 0;
  asio::steady_timer timer{io};
  std::function<void()> tick = [&] {
    constexpr std::chrono::milliseconds kStep{500};
    streams.tick(t += 0.5, 0.5);
    timer.expires_after(kStep);
    timer.async_wait([&](const boost::system::error_code& error) {
      if (!error) tick();
    });
  };
  tick();
  asio::posix::stream_descriptor input{io, ::dup(STDIN_FILENO)};
  char ignored[256];
  std::function<void()> watch_input = [&] {
    input.async_read_some(asio::buffer(ignored),
                          [&](const boost::system::error_code& error, std::size_t) { error ? io.stop() : watch_input(); });
  };
  watch_input();
  io.run();
  server->reset();
  ::close(::fileno(picture));   // ends ffmpeg at its next write, and the reading thread
  caster.join();
  return 0;
}

}  // namespace
}  // namespace runnel::test

int main(int argc, char** argv) {
  if (argc != 3) {
    std::cerr << "usage: fake_node ADDR:PORT FOLDER\n";
    return 2;
  }
  try {
    std::filesystem::create_directories(argv[2]);
    return runnel::test::serve(argv[1], std::filesystem::absolute(argv[2]));
  } catch (const std::exception& e) {
    std::cerr << "fake_node: " << e.what() << '\n';
    return 1;
  }
}
