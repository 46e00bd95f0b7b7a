#include "media_helper/demand_server.hpp"

#include <algorithm>
#include <utility>

namespace runnel::media_helper {

DemandServer::DemandServer(HelperLink& link, messages::StartDemand start) : link_(link), start_(std::move(start)) {}

void DemandServer::run() {
  for (;;) {
    while (queue_.empty()) {
      auto message = link_.receive();
      if (!message) return;
      take(*message);
    }
    while (auto more = link_.try_receive()) take(*more);   // several may have come together: the newest counts
    running_ = next_request();
    overtaken_ = false;
    busy_.emplace(link_);
    answer(*running_);
    busy_.reset();
    running_.reset();
  }
}

void DemandServer::take(messages::Message& message) {
  if (const auto* index = std::get_if<messages::GetIndex>(&message)) return queue({.kind = Kind::index, .id = index->id});
  if (const auto* init = std::get_if<messages::GetInit>(&message)) return queue({.kind = Kind::init, .id = init->id, .track = init->track});
  if (const auto* segment = std::get_if<messages::GetSegment>(&message)) {
    return queue({.kind = Kind::segment, .id = segment->id, .track = segment->track, .number = segment->number});
  }
  if (auto* reply = std::get_if<messages::ReadReply>(&message)) {
    if (reply->id == awaited_) reply_ = std::move(reply->bytes);
    if (prefetch_ && reply->id == prefetch_->id) prefetch_->reply = std::move(reply->bytes);
  }
}

bool DemandServer::is_jump(const Request& from, const Request& to) {
  if (from.kind != Kind::segment || to.kind != Kind::segment || from.track != to.track) return false;
  return to.number < from.number || to.number - from.number > kReadAheadSegments;
}

void DemandServer::queue(Request request) {
  if (running_ && is_jump(*running_, request)) overtaken_ = true;
  queue_.push_back(request);
  if (queue_.size() <= kMaxQueued) return;
  give_up(queue_.front(), std::string{message(DemandError::cancelled)});
  queue_.pop_front();
}

// The oldest, unless its viewer has jumped meanwhile: then that one goes first.
DemandServer::Request DemandServer::next_request() {
  auto chosen = queue_.begin();
  for (auto it = std::next(chosen); it != queue_.end(); ++it) {
    if (is_jump(*chosen, *it)) chosen = it;
  }
  const Request request = *chosen;
  queue_.erase(chosen);
  return request;
}

bool DemandServer::was_overtaken() {
  busy_.emplace(link_);   // a sign of life
  while (auto message = link_.try_receive()) take(*message);
  return overtaken_;
}

std::string DemandServer::words(DemandError error) const {
  std::string text{message(error)};
  if (error == DemandError::read_failed && !read_error_.empty()) text += ": " + read_error_;
  return text;
}

void DemandServer::give_up(const Request& request, const std::string& why) {
  if (request.kind == Kind::index) {
    link_.send(messages::IndexReply{request.id, std::unexpected{why}});
  } else {
    link_.send(messages::SegmentReply{request.id, std::unexpected{why}});
  }
}

std::expected<Film*, DemandError> DemandServer::film() {
  if (film_) return film_.get();
  FilmReader::Options options{.name = start_.name, .cancelled = [this] { return was_overtaken(); }};
  if (start_.scanned_index) {
    // One that does not parse is as none: the film then plays with less exact seeking.
    if (auto scanned = decode_scanned_index(*start_.scanned_index)) options.scanned = std::move(*scanned);
  }
  auto opened = Film::open(*this, std::move(options));
  if (!opened) return std::unexpected{opened.error()};
  film_ = std::move(*opened);
  return film_.get();
}

void DemandServer::answer(const Request& request) {
  read_error_.clear();
  const auto opened = film();
  std::expected<base::Bytes, DemandError> bytes = std::unexpected{opened ? DemandError::corrupt : opened.error()};
  if (opened && request.kind == Kind::index) {
    link_.send(messages::IndexReply{request.id, (*opened)->index()});
    return;
  }
  if (opened) bytes = request.kind == Kind::init ? (*opened)->init(request.track) : (*opened)->segment(request.track, request.number);
  if (bytes) {
    link_.send(messages::SegmentReply{request.id, std::move(*bytes)});
    return;
  }
  if (bytes.error() == DemandError::cancelled && request.overtaken < kMaxOvertakings) {
    Request again = request;
    ++again.overtaken;
    queue_.push_back(again);   // another viewer may still wait for it
    return;
  }
  give_up(request, words(bytes.error()));
}

std::expected<std::size_t, ReadError> DemandServer::read(std::uint64_t offset, base::MutableByteView into) {
  const std::size_t wanted = std::min(into.size(), messages::kMaxRead);
  std::optional<messages::Result<base::Bytes>> got;
  std::size_t length = wanted;
  if (prefetch_ && prefetch_->offset == offset) {
    length = prefetch_->length;
    if (prefetch_->reply) {
      got = std::exchange(prefetch_, std::nullopt)->reply;
    } else {
      const std::uint64_t id = std::exchange(prefetch_, std::nullopt)->id;
      got = wait_for(id);
    }
  } else {
    drop_prefetch();
    const std::uint64_t id = next_read_++;
    link_.send(messages::Read{id, offset, static_cast<std::uint32_t>(wanted)});
    got = wait_for(id);
  }
  if (!got) return std::unexpected{ReadError::cancelled};
  if (!*got || (*got)->size() != length) {
    read_error_ = *got ? "fewer bytes than asked for" : got->error();
    return std::unexpected{ReadError::failed};
  }
  const std::size_t size = std::min(wanted, (*got)->size());
  std::copy_n((*got)->begin(), size, into.begin());
  return size;
}

// The reply to this read; nullopt if the request that reads was overtaken meanwhile (or the node has gone).
std::optional<messages::Result<base::Bytes>> DemandServer::wait_for(std::uint64_t id) {
  awaited_ = id;
  reply_.reset();
  busy_.reset();
  while (!reply_ && !overtaken_) {
    auto message = link_.receive();
    if (!message) break;
    take(*message);
  }
  awaited_ = 0;
  if (running_) busy_.emplace(link_);
  if (!reply_) link_.send(messages::CancelRead{id});
  return std::exchange(reply_, std::nullopt);
}

void DemandServer::prefetch(std::uint64_t offset, std::size_t length) {
  drop_prefetch();
  prefetch_ = Prefetch{.id = next_read_++, .offset = offset, .length = std::min(length, messages::kMaxRead)};
  link_.send(messages::Read{prefetch_->id, offset, static_cast<std::uint32_t>(prefetch_->length)});
}

void DemandServer::drop_prefetch() {
  if (!prefetch_) return;
  if (!prefetch_->reply) link_.send(messages::CancelRead{prefetch_->id});
  prefetch_.reset();
}

}  // namespace runnel::media_helper
