// A live channel as the service thread sees it: records in and out, the timeline that players read, the recording.
#pragma once
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "core/swarm/content.hpp"
#include "media/live_timeline.hpp"
#include "media/record.hpp"
#include "node/live_host.hpp"
#include "node/live_lag.hpp"
#include "node/stream_base.hpp"

namespace runnel::node {

// What is kept of a live stream: fMP4, a new numbered file with each epoch.
class LiveRecording {
 public:
  struct File {
    std::uint32_t epoch = 0;
    std::filesystem::path path;
  };
  // `file`: of the first epoch; later ones become NAME-2.EXT, NAME-3.EXT. The folder must exist.
  explicit LiveRecording(std::filesystem::path file) : file_(std::move(file)) {}
  // The error is a text for the user; after it nothing more is written.
  std::expected<void, std::string> begin(const media::InitSegment& init);
  std::expected<void, std::string> add(const media::MediaChunk& chunk);
  // The stream has ended: what was written since the last time, without files that hold no media. What comes later begins a new one.
  [[nodiscard]] std::vector<File> finish();

 private:
  std::expected<void, std::string> write(const base::Bytes& bytes);

  std::filesystem::path file_;
  std::filesystem::path current_;
  std::optional<std::uint32_t> epoch_;
  bool started_ = false;           // an independent chunk came: a decoder can begin
  unsigned files_ = 0;
  std::vector<File> written_;      // since finish()
  std::ofstream out_;
};

// Service thread.
class LiveStream final : public StreamBase {
 public:
  // `window`: of media that is kept for players.
  LiveStream(swarm::SwarmHandle handle, std::string role, swarm::Link link, base::Duration window);

  [[nodiscard]] bool is_live() const override { return true; }
  media::ContentReader* content() override { return nullptr; }
  [[nodiscard]] std::string mime() const override { return "application/vnd.apple.mpegurl"; }
  [[nodiscard]] std::string file_name() const override { return {}; }
  [[nodiscard]] std::optional<base::Bytes> scanned_index() const override { return std::nullopt; }
  media::LiveTimeline* timeline() override { return &timeline_; }

  // A viewer: verified munros in order.
  void on_munro(const LiveHost::Munro& munro);
  void record_to(std::filesystem::path file, std::function<void(std::string)> on_error);
  // The caster: what its recording has become since the last time, once the stream has ended.
  [[nodiscard]] std::vector<LiveRecording::File> finish_recording();
  // A viewer: the files that the caster's recording became, as the newest END names them.
  [[nodiscard]] const std::vector<media::RecordedFile>& recorded_files() const { return recorded_files_; }
  // The caster: media as it was made and signed.
  void on_made(const media::MediaChunk& chunk);
  // Media of either side goes here.
  void add(const media::InitSegment& init);
  void add(const media::MediaChunk& chunk);
  void end() { timeline_.end(); }

  [[nodiscard]] discovery::TransferStats transfer_stats() const override { return {swarm_state().up_bytes, swarm_state().down_bytes, 1}; }
  [[nodiscard]] bool playable() const override;
  [[nodiscard]] std::string state_word() const override;
  // Seconds behind the caster, by both clocks.
  [[nodiscard]] std::optional<double> lag_s() const;
  // A viewer's that is not served, among those who wait for uplink to be left.
  [[nodiscard]] std::optional<unsigned> place() const;

 protected:
  void fill(player::StreamStatus& status) const override;

 private:
  void on_record(media::Record record, base::WallTime signed_at);
  void recorded(std::expected<void, std::string> result);

  media::LiveTimeline timeline_;
  media::RecordReader reader_;
  LiveLag lag_;
  std::optional<tree::ChunkIndex> next_;      // the munro that would follow the last one without a gap
  std::vector<media::RecordedFile> recorded_files_;
  std::optional<LiveRecording> recording_;
  std::function<void(std::string)> on_recording_error_;
};

}  // namespace runnel::node
