#include "node/live_host.hpp"

#include "crypto/openssl.hpp"
#include "media/record.hpp"
#include "net/clock.hpp"

namespace runnel::node {
namespace {

// Where a player must begin that has these bytes from `first` on, as their header tells it (docs/STREAM.md, "newest independent").
// nullopt: they are from the middle of a record, or the stream has not begun.
std::optional<tree::ChunkIndex> beginning_of(tree::ChunkIndex first, base::ByteView bytes) {
  if (media::names_recording(bytes)) return first;   // what came before is in there
  const auto independent = media::newest_independent(bytes.first(std::min(bytes.size(), media::kRecordHeaderBytes)));
  if (!independent || *independent == media::kNoIndependent || *independent > first.value()) return std::nullopt;
  return tree::ChunkIndex{*independent};
}

// As many bytes a second as the usual window takes.
store::LiveWindowLimits limits_for(const swarm::Metadata& metadata) {
  store::LiveWindowLimits limits;
  if (metadata.compat()) return limits;
  limits.max_bytes = limits.max_bytes * metadata.live_window / limits.span_chunks;
  limits.span_chunks = metadata.live_window;
  return limits;
}

}  // namespace

LiveHost::LiveHost(net::EngineLoop& loop, swarm::SwarmHandle handle, const swarm::Metadata& metadata, crypto::Signer* signer,
                   OnMunro on_munro)
    : loop_(loop),
      handle_(handle),
      records_(!metadata.compat()),
      chunk_size_(metadata.chunk_size),
      hasher_(crypto::make_hasher(metadata.hash)),
      verifier_(std::move(*crypto::make_verifier(metadata.id))),
      signer_(signer),
      certificate_issuer_(signer != nullptr ? crypto::make_certificate_issuer(*signer) : nullptr),
      certificate_checker_(signer != nullptr ? nullptr : crypto::make_certificate_checker(*verifier_)),
      on_munro_(std::move(on_munro)),
      window_(limits_for(metadata)) {}

swarm::SwarmParts LiveHost::parts() {
  return {&nodes_, hasher_.get(), verifier_.get(), signer_, certificate_issuer_.get(), certificate_checker_.get()};
}

void LiveHost::publish(tree::ChunkIndex first, base::ByteView record, base::WallTime now) {
  loop_.input(swarm::Publish{handle_, first, record, now});
  note_beginning(first, record);
}

void LiveHost::note_beginning(tree::ChunkIndex first, base::ByteView bytes) {
  const auto beginning = records_ ? beginning_of(first, bytes) : std::nullopt;
  if (!beginning || told_beginning_ == beginning) return;
  told_beginning_ = beginning;
  loop_.input(swarm::NewBeginning{handle_, *beginning});
}

bool LiveHost::load(tree::ChunkRange range, base::Bytes&, std::vector<base::ByteView>& chunks, base::Time) {
  for (std::uint64_t i = range.first.value(); i <= range.last.value(); ++i) {
    const auto bytes = window_.get(tree::ChunkIndex{i});
    if (!bytes) return false;
    chunks.push_back(*bytes);
  }
  return true;
}

void LiveHost::store(std::span<const tree::ChunkRun> runs, base::Time) {
  for (const tree::ChunkRun& run : runs) {
    for (std::size_t i = 0; i < run.chunks.size(); ++i) window_.put(tree::ChunkIndex{run.first.value() + i}, run.chunks[i]);
  }
}

void LiveHost::on_event(const swarm::Event& event, base::Time now) {
  if (const auto* moved = std::get_if<swarm::WindowMoved>(&event)) {
    window_.drop_before(moved->first);
  } else if (const auto* munro = std::get_if<swarm::MunroComplete>(&event); munro && signer_ == nullptr) {
    order_.add(munro->range, now);
  }
}

std::optional<base::Time> LiveHost::on_idle(base::Time now) {
  constexpr base::Duration kTellClock = std::chrono::seconds{1};
  if (const base::WallTime wall = net::wall_now(); wall - last_wall_ > kTellClock || wall < last_wall_) {
    last_wall_ = wall;
    loop_.input(swarm::WallClock{wall});
  }
  if (signer_ == nullptr) {
    if (!tuned_) tune_in();
    if (tuned_) deliver(now);
  }
  return order_.deadline();
}

base::Bytes LiveHost::bytes_of(tree::ChunkRange munro) const {
  base::Bytes bytes;
  bytes.reserve(munro.count() * chunk_size_);
  for (std::uint64_t i = munro.first.value(); i <= munro.last.value(); ++i) {
    const auto chunk = window_.get(tree::ChunkIndex{i});
    if (!chunk) return {};
    bytes.insert(bytes.end(), chunk->begin(), chunk->end());
  }
  return bytes;
}

std::optional<tree::ChunkIndex> LiveHost::begin_at(tree::ChunkRange munro) const {
  if (!records_) return munro.first;   // a demuxer finds its way from anywhere
  return beginning_of(munro.first, bytes_of(munro));
}

void LiveHost::tune_in() {
  for (const tree::ChunkRange& munro : order_.take_unread()) {
    const auto first = begin_at(munro);
    if (!first) continue;
    if (!beginning_.from()) loop_.input(swarm::FollowFrom{handle_, *first});
    if (!records_) return begin(*first);
    beginning_.named(*first);
  }
  const auto first = beginning_.find([this](tree::ChunkIndex record) { return whole(record); });
  if (!first) return;
  if (*first != *beginning_.from()) loop_.input(swarm::FollowFrom{handle_, *first});
  begin(*first);
}

void LiveHost::begin(tree::ChunkIndex first) {
  tuned_ = true;
  order_.start_at(first);
}

bool LiveHost::whole(tree::ChunkIndex record) const {
  const auto head = window_.get(record);
  const auto run = window_.run_around(record);
  if (!head || !run) return false;
  const auto length = media::record_length(head->first(std::min(head->size(), media::kRecordHeaderBytes)));
  if (!length) return false;
  std::size_t bytes = 0;
  for (std::uint64_t i = record.value(); i <= run->last.value() && bytes < *length; ++i) bytes += window_.get(tree::ChunkIndex{i})->size();
  return bytes >= *length;
}

// Within a record munros stand side by side; its first one tells what it follows. One that does neither lacks its record's beginning.
// Where munros tell nothing of each other, neighbours do: by what they show of older chunks.
bool LiveHost::follows(tree::ChunkRange munro) const {
  if (!records_ || !delivered_) {
    const auto missing = loop_.engine().first_missing(handle_);
    return !missing || *missing >= munro.first;
  }
  if (munro.first.value() == delivered_->value() + 1) return true;
  const auto chunk = window_.get(munro.first);
  if (!chunk) return true;
  const auto followed = media::followed_chunk(chunk->first(std::min(chunk->size(), media::kFollowingHeaderBytes)));
  return followed && (*followed == media::kNothingBefore || tree::ChunkIndex{*followed} <= *delivered_);
}

void LiveHost::deliver(base::Time now) {
  const auto follows = [this](tree::ChunkRange munro) { return this->follows(munro); };
  while (const auto munro = order_.take(follows, now)) {
    delivered_ = munro->last;
    if (const auto head = window_.get(munro->first)) note_beginning(munro->first, *head);
    on_munro_({*munro, bytes_of(*munro), loop_.engine().signed_at(handle_, munro->first).value_or(base::WallTime{})});
  }
}

}  // namespace runnel::node
