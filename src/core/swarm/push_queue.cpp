#include "core/swarm/push_queue.hpp"

namespace runnel::swarm {

bool PushQueue::add(const Send& send) {
  if (sends_.size() >= kMaxQueued) return false;
  if (send.what == SendClass::repair && repairs_.contains(send.to) && repairs_.at(send.to) >= kMaxRepairs) return false;
  if (sends_.contains(send)) return false;
  if (send.what == SendClass::repair) {
    remove(send.to, send.index);   // it need not go twice
    ++repairs_[send.to];
  }
  sends_.insert(send);
  bytes_ += bytes_of(send.what);
  return true;
}

PushQueue::Sends::iterator PushQueue::erase(Sends::iterator at) {
  bytes_ -= bytes_of(at->what);
  if (at->what == SendClass::repair) {
    const auto count = repairs_.find(at->to);
    if (--count->second == 0) repairs_.erase(count);
  }
  return sends_.erase(at);
}

std::optional<Send> PushQueue::pop() {
  if (sends_.empty()) return std::nullopt;
  const Send first = *sends_.begin();
  erase(sends_.begin());
  return first;
}

void PushQueue::remove(PeerKey to, tree::ChunkIndex index) {
  for (const SendClass what : {SendClass::repair, SendClass::push}) {
    if (const auto it = sends_.find(Send{what, index, to, {}}); it != sends_.end()) erase(it);
  }
}

void PushQueue::forget(PeerKey to) {
  for (auto it = sends_.begin(); it != sends_.end();) it = it->to == to ? erase(it) : std::next(it);
}

void PushQueue::forget_tree(PeerKey to, std::size_t tree) {
  const auto dead = [&](const Send& send) {
    return send.to == to && send.what == SendClass::push && tree_of(send.index) == tree;
  };
  for (auto it = sends_.begin(); it != sends_.end();) it = dead(*it) ? erase(it) : std::next(it);
}

}  // namespace runnel::swarm
