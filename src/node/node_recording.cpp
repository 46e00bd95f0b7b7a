// Recording a cast, and the recording as what its link plays once the stream has ended (docs/STREAM.md, END).
#include <algorithm>
#include <array>
#include <ctime>
#include <fstream>

#include "net/clock.hpp"
#include "node/node_impl.hpp"

namespace runnel::node {
namespace {

// An END may be followed by media: the caster has returned. Only what stays the newest for so long is opened.
constexpr base::Duration kEndStays = std::chrono::seconds{2};
constexpr std::size_t kMaxNameBytes = 120;

// A title as a file's name, with the local time, by which recordings of one channel sort.
std::string file_name(std::string_view title) {
  constexpr std::array kOfFilms{".mp4", ".mkv", ".webm", ".mov", ".ts"};   // a film's title is its file's name
  for (const std::string_view kind : kOfFilms) {
    if (title.ends_with(kind)) title.remove_suffix(kind.size());
  }
  std::string name{title.substr(0, kMaxNameBytes)};
  const auto within_character = [&] {
    return name.size() < title.size() && (static_cast<unsigned char>(title[name.size()]) & 0xC0U) == 0x80U;
  };
  while (!name.empty() && within_character()) name.pop_back();
  std::ranges::replace_if(name, [](char c) { return c == '/' || static_cast<unsigned char>(c) < ' '; }, '_');
  if (name.starts_with('.')) name.front() = '_';
  const std::time_t now = std::chrono::duration_cast<std::chrono::seconds>(net::wall_now().time_since_epoch()).count();
  std::tm local{};
  std::array<char, 32> time{};
  localtime_r(&now, &local);
  const std::size_t size = std::strftime(time.data(), time.size(), " %Y-%m-%d %H.%M.%S", &local);
  return name.append(time.data(), size);
}

// "name.mp4", or "name (2).mp4" where that is taken: nothing is written over.
std::filesystem::path free_place(const std::filesystem::path& folder, const std::string& name) {
  std::filesystem::path place = folder / (name + ".mp4");
  for (int i = 2; std::filesystem::exists(place); ++i) place = folder / (name + " (" + std::to_string(i) + ").mp4");
  return place;
}

}  // namespace

// ---- the caster -----------------------------------------------------------------------------------------------------

std::expected<void, std::string> NodeImpl::begin_recording(Entry& entry, const CastLive& cast) {
  std::error_code error;
  std::filesystem::create_directories(*cast.record, error);
  if (error) return std::unexpected("the folder " + cast.record->string() + " can not be made: " + error.message());
  const auto file = free_place(std::filesystem::absolute(*cast.record), file_name(cast.title));
  // Found out now, not when the first picture comes.
  if (std::ofstream probe{file}; !probe) return std::unexpected("nothing can be written in the folder " + cast.record->string());
  std::filesystem::remove(file, error);
  entry.live->record_to(file, events_.on_error);
  return {};
}

void NodeImpl::share_recording(Entry& entry) {
  auto files = entry.live->finish_recording();
  if (files.empty()) return;
  events_.on_notice("the recording is being hashed; then the link plays it");
  entry.sharing = std::make_unique<RecordingShare>(std::move(files), config_.cache_folder);
}

void NodeImpl::look_after_recording(Entry& entry) {
  if (entry.watched) return open_recording(entry);
  if (!entry.sharing) return;
  auto result = entry.sharing->poll();
  if (!result) return;
  entry.sharing.reset();
  if (!*result) return events_.on_error("the recording can not be shared: " + result->error());
  entry.recordings_due += (*result)->size();
  for (RecordingShare::Shared& shared : **result) share_recorded_file(entry.stream->handle(), std::move(shared));
}

// A film like any other; its swarm is named by the live stream's END once its seek index is known.
void NodeImpl::share_recorded_file(SwarmHandle of, RecordingShare::Shared shared) {
  const swarm::Link& live = entry_of(of)->stream->parsed_link();
  Film film = seeded(std::move(shared.store), std::move(shared.hasher), shared.file.path.filename().string());
  film.link.title = film.file_name;
  film.link.secret = live.secret;
  film.link = complete_link(std::move(film.link));
  Entry& entry = add_film(std::move(film));
  entry.film->set_first_bytes_here();
  entry.when_ready = [this, of, epoch = shared.file.epoch](Entry& ready) {
    const swarm::Link& link = ready.stream->parsed_link();
    media::RecordedFile file{epoch, link.id_bytes, *link.size, link.title, std::nullopt};
    if (link.index) file.index = {link.index->root, link.index->size};
    events_.on_notice("the recording " + ready.file.string() + " is shared: the stream's link plays it, and so does " +
                      swarm::to_string(link));
    Entry* stream = entry_of(of);
    if (stream == nullptr) return;
    if (stream->recorded.size() < media::kMaxRecordedFiles) stream->recorded.push_back(std::move(file));
    if (--stream->recordings_due > 0) return;
    std::ranges::sort(stream->recorded, {}, &media::RecordedFile::epoch);
    stream->source->on_recorded({stream->recorded});
  };
  const SwarmHandle handle = entry.stream->handle();
  entry.scan =
      media::start_scan(service_, {config_.helper}, shared.file.path.string(),
                        [this, handle](std::expected<media::ScanResult, std::string> result) { scanned(handle, std::move(result)); });
}

// ---- the viewer -----------------------------------------------------------------------------------------------------

// Who saw the stream is told where the recording is; who came too late for it watches that.
void NodeImpl::open_recording(Entry& entry) {
  const auto& files = entry.live->recorded_files();
  if (files.empty() || entry.recording_told || !entry.ended_at || net::steady_now() - *entry.ended_at < kEndStays) return;
  entry.recording_told = true;
  const swarm::Link& live = entry.stream->parsed_link();
  for (const media::RecordedFile& file : files) {
    Watch watch;
    watch.link.id_bytes = file.swarm_id;
    watch.link.size = file.bytes;
    watch.link.title = file.name.substr(0, swarm::kMaxLinkTitleSize);
    watch.link.secret = live.secret;
    watch.link.peers = live.peers;
    watch.link.trackers = live.trackers;
    if (file.index) watch.link.index = swarm::LinkIndex{file.index->swarm_id, file.index->bytes};
    // What the source signed may still be no link that can be used.
    const auto link = swarm::parse_link(swarm::to_string(watch.link));
    if (!link) {
      events_.on_notice("the recording " + file.name + " can not be opened: " + std::string{swarm::message(link.error())});
      continue;
    }
    if (entry.playable_told) {
      events_.on_notice("the recording " + file.name + ": " + swarm::to_string(*link));
      continue;
    }
    watch.link = *link;
    watch.peers = entry.watched->peers;
    if (entry.watched->out) watch.out = std::exchange(entry.watched->out, std::nullopt);
    entry.hidden = true;
    if (const auto opened = this->watch(watch); !opened) events_.on_error(opened.error());
  }
}

}  // namespace runnel::node
