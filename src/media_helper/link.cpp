#include "media_helper/link.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace runnel::media_helper {

HelperLink::HelperLink(int descriptor, void (*on_closed)()) : descriptor_(descriptor), on_closed_(on_closed) {
  reader_ = std::thread{[this] { read_loop(); }};
  beater_ = std::thread{[this] { beat_loop(); }};
}

HelperLink::~HelperLink() {
  {
    const std::lock_guard lock{mutex_};
    stopping_ = true;
  }
  changed_.notify_all();
  ::shutdown(descriptor_, SHUT_RDWR);
  reader_.join();
  beater_.join();
  ::close(descriptor_);
}

bool HelperLink::read_exactly(base::MutableByteView into) const {
  while (!into.empty()) {
    const ssize_t got = ::read(descriptor_, into.data(), into.size());
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    into = into.subspan(static_cast<std::size_t>(got));
  }
  return true;
}

void HelperLink::read_loop() {
  base::Bytes header(messages::kFrameHeaderBytes), body;
  while (read_exactly(header)) {
    const auto size = messages::body_size(header);
    if (!size) break;
    body.resize(*size);
    if (!read_exactly(body)) break;
    auto message = messages::decode(body);
    if (!message) break;
    std::unique_lock lock{mutex_};
    changed_.wait(lock, [&] { return stopping_ || incoming_bytes_ <= kMaxIncomingBytes; });
    if (stopping_) break;
    incoming_bytes_ += *size;
    incoming_.push_back({std::move(*message), *size});
    changed_.notify_all();
  }
  bool wanted = false;
  {
    const std::lock_guard lock{mutex_};
    closed_ = true;
    wanted = stopping_;
  }
  changed_.notify_all();
  if (!wanted && on_closed_ != nullptr) on_closed_();
}

void HelperLink::beat_loop() {
  std::unique_lock lock{mutex_};
  while (!stopping_ && !closed_) {
    const auto now = std::chrono::steady_clock::now();
    const bool hangs = std::ranges::any_of(busy_, [&](const BusyEntry& b) { return now - b.since > kBusyLimit; });
    if (!hangs) {
      lock.unlock();
      send(messages::Heartbeat{});
      lock.lock();
    }
    changed_.wait_for(lock, kBeat, [&] { return stopping_ || closed_; });
  }
}

void HelperLink::send(const messages::Message& message) {
  const base::Bytes frame = messages::encode(message);
  const std::lock_guard lock{write_mutex_};
  base::ByteView rest{frame};
  while (!rest.empty() && !broken_) {
    const ssize_t sent = ::send(descriptor_, rest.data(), rest.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0) broken_ = true;  // the reader sees the end too, and ends the process
    if (sent > 0) rest = rest.subspan(static_cast<std::size_t>(sent));
  }
}

std::optional<messages::Message> HelperLink::take(std::unique_lock<std::mutex>&) {
  if (incoming_.empty()) return std::nullopt;
  std::optional<messages::Message> message{std::move(incoming_.front().message)};
  incoming_bytes_ -= incoming_.front().bytes;
  incoming_.pop_front();
  changed_.notify_all();
  return message;
}

std::optional<messages::Message> HelperLink::receive() {
  std::unique_lock lock{mutex_};
  for (;;) {
    changed_.wait(lock, [&] { return closed_ || stopping_ || !incoming_.empty(); });
    auto message = take(lock);
    if (!message || !std::holds_alternative<messages::Heartbeat>(*message)) return message;
  }
}

std::optional<messages::Message> HelperLink::try_receive() {
  std::unique_lock lock{mutex_};
  return take(lock);
}

HelperLink::Busy::Busy(HelperLink* link) : link_(link) {
  if (link_ == nullptr) return;
  const std::lock_guard lock{link_->mutex_};
  id_ = link_->next_busy_++;
  link_->busy_.push_back({id_, std::chrono::steady_clock::now()});
}

HelperLink::Busy::~Busy() {
  if (link_ == nullptr) return;
  const std::lock_guard lock{link_->mutex_};
  std::erase_if(link_->busy_, [&](const BusyEntry& b) { return b.id == id_; });
}

}  // namespace runnel::media_helper
