#include "node/static_host.hpp"

#include <algorithm>

#include "crypto/openssl.hpp"
#include "net/clock.hpp"

namespace runnel::node {

StaticHost::StaticHost(net::EngineLoop& loop, swarm::SwarmHandle handle, std::unique_ptr<crypto::Hasher> store_hasher,
                       std::unique_ptr<store::StaticStore> store, Events events)
    : loop_(loop),
      handle_(handle),
      store_hasher_(std::move(store_hasher)),
      tree_hasher_(crypto::make_hasher(store_hasher_->algorithm())),
      store_(std::move(store)),
      events_(std::move(events)) {}

// ---- chunks ---------------------------------------------------------------------------------------------------------

bool StaticHost::load(tree::ChunkRange range, base::Bytes& buffer, std::vector<base::ByteView>& chunks, base::Time now) {
  const std::uint64_t chunk = store_->chunk_size();
  buffer.resize(range.count() * chunk);
  const auto read = store_->read(range.first.value() * chunk, buffer, now);
  if (!read) {
    if (read.error().fault == store::Fault::changed_on_disk) changed_on_disk();
    return false;
  }
  base::ByteView rest = base::ByteView{buffer}.first(*read);
  for (std::uint64_t i = 0; i < range.count(); ++i) {
    if (rest.empty()) return false;
    chunks.push_back(rest.first(std::min<std::size_t>(chunk, rest.size())));
    rest = rest.subspan(chunks.back().size());
  }
  return true;
}

void StaticHost::store(std::span<const tree::ChunkRun> runs, base::Time now) {
  if (failed_) return;
  first_stored_ = first_stored_.value_or(now);
  last_stored_ = now;
  if (const auto written = store_->write(runs, now); !written) fail(written.error());
}

void StaticHost::fail(const store::Error& error) {
  if (failed_) return;
  failed_ = true;
  events_.on_failure(message(error));
}

// Somebody changed the file that we share: what no longer matches is given up, and told to nobody as ours again.
void StaticHost::changed_on_disk() {
  const auto chunks = store_->chunk_count();
  if (!chunks) return;
  const auto lost = store_->reverify({tree::ChunkIndex{0}, tree::ChunkIndex{*chunks - 1}});
  if (!lost) {
    fail(lost.error());
    return;
  }
  loop_.post([this, ranges = *lost] {
    for (const tree::ChunkRange& range : ranges) loop_.input(swarm::ForgetChunks{handle_, range});
  });
  if (!lost->empty() && store_->read_only()) fail({store::Fault::changed_on_disk, 0, store_->file()});
}

// ---- readers --------------------------------------------------------------------------------------------------------

void StaticHost::read(std::uint64_t token, std::uint64_t offset, std::size_t length, ReadDone done) {
  readings_[token] = {offset, length, std::move(done)};
  const std::uint64_t chunk = store_->chunk_size();
  const tree::ChunkRange range{tree::ChunkIndex{offset / chunk}, tree::ChunkIndex{(offset + length - 1) / chunk}};
  loop_.input(swarm::Want{handle_, token, range, net::steady_now()});
}

void StaticHost::cancel(std::uint64_t token) {
  if (readings_.erase(token) > 0) loop_.input(swarm::Unwant{handle_, token});
}

void StaticHost::finish(std::uint64_t token) {
  const auto it = readings_.find(token);
  if (it == readings_.end()) return;
  const Reading reading = std::move(it->second);
  readings_.erase(it);
  base::Bytes bytes(reading.length);
  const auto read = store_->read(reading.offset, bytes, net::steady_now());
  if (!read)
    reading.done(std::unexpected(message(read.error())));
  else if (*read != bytes.size())
    reading.done(std::unexpected(std::string{"the file is shorter than it was"}));
  else
    reading.done(std::move(bytes));
}

// ---- events ---------------------------------------------------------------------------------------------------------

void StaticHost::on_event(const swarm::Event& event, base::Time) {
  if (const auto* size = std::get_if<swarm::SizeKnown>(&event)) {
    if (const auto set = store_->set_size(size->bytes); !set)
      fail(set.error());
    else
      events_.on_size(size->bytes);
  } else if (const auto* ready = std::get_if<swarm::RangeReady>(&event)) {
    finish(ready->token);
  } else if (std::holds_alternative<swarm::Completed>(event)) {
    events_.on_complete(first_stored_ ? last_stored_ - *first_stored_ : base::Duration{});
  }
}

std::optional<base::Time> StaticHost::on_idle(base::Time now) {
  constexpr base::Duration kNotAtOnce{50'000};   // what stays due (a sync under way, a full disk) is looked at again a little later
  if (failed_) return std::nullopt;
  if (const auto due = store_->next_commit(); due && *due <= now) {
    if (const auto done = store_->commit(now); !done) fail(done.error());
  }
  const auto next = store_->next_commit();
  return next && !failed_ ? std::optional{std::max(*next, now + kNotAtOnce)} : std::nullopt;
}

void StaticHost::close() {
  if (const auto closed = store_->close(); !closed && !failed_) fail(closed.error());
}

}  // namespace runnel::node
