// Packets of a film from any cut on, whatever its container: seeks, opens anew after failures, and stops when it is told to.
#pragma once
#include <functional>
#include <string>

#include "media_helper/demand_index.hpp"

namespace runnel::media_helper {

// What is kept of a stream; the container may be opened anew.
struct StreamFacts {
  Parameters parameters;
  AVRational time_base{1, 1};
  AVRational frame_rate{0, 1};
  base::Bytes display_matrix;       // of a phone's film; empty if there is none
  std::optional<std::int64_t> start;   // first time stamp, in time_base
};

// One owner, one thread. The reader given outlives it.
class FilmReader {
 public:
  struct Options {
    std::string name;
    std::optional<ScannedIndex> scanned;
    std::function<bool()> cancelled;   // asked between packets and pictures; may be empty
  };
  static std::expected<std::unique_ptr<FilmReader>, DemandError> open(RandomReader& reader, Options options);

  [[nodiscard]] const FilmIndex& film() const { return film_; }
  [[nodiscard]] const std::string& mime() const { return mime_; }
  [[nodiscard]] const StreamFacts& stream(int index) const { return streams_[static_cast<std::size_t>(index)]; }

  // What next() gives then begins at or before segment `number` of that stream (and of others: except for MP4, they are met too).
  // Where it costs nothing, it begins `lead_us` earlier.
  [[nodiscard]] std::expected<void, DemandError> go_to(std::size_t number, int stream, std::int64_t lead_us = 0);
  // False at the end. Errors: cancelled, read_failed.
  [[nodiscard]] std::expected<bool, DemandError> next(AVPacket& packet);

  // Told to stop: for those who work long between packets.
  [[nodiscard]] bool cancelled() const { return options_.cancelled && options_.cancelled(); }
  [[nodiscard]] std::optional<std::int64_t> time_us(const AVPacket& packet) const;
  [[nodiscard]] std::optional<std::int64_t> id(const AVPacket& packet) const;

 private:
  explicit FilmReader(RandomReader& reader) : cache_(reader) {}
  void remember_streams();
  std::expected<void, DemandError> ensure_open();
  std::expected<void, DemandError> reopen_at(std::optional<std::uint64_t> position);
  std::expected<void, DemandError> prepare_search();
  [[nodiscard]] std::int64_t byte_lead() const;
  std::expected<void, DemandError> go_to_start();
  std::expected<void, DemandError> go_to_time(int stream, std::int64_t time_us);
  std::expected<std::optional<std::int64_t>, DemandError> time_at(std::uint64_t position);
  std::expected<std::optional<std::uint64_t>, DemandError> search(std::int64_t time_us);
  void keep_only(int stream);

  BlockCache cache_;
  Options options_;
  FilmIndex film_;
  std::string mime_;
  std::vector<StreamFacts> streams_;
  std::unique_ptr<Container> container_;
};

}  // namespace runnel::media_helper
