#include "core/swarm/push_queue.hpp"

namespace runnel::swarm {

std::map<PeerKey, std::size_t>* PushQueue::counts(SendClass what) {
  switch (what) {
    case SendClass::repair: return &repairs_;
    case SendClass::pull: return &pulls_;
    case SendClass::bundle:
    case SendClass::welcome:
    case SendClass::push: break;
  }
  return nullptr;
}

bool PushQueue::add(const Send& send) {
  if (sends_.size() >= kMaxQueued || sends_.contains(send)) return false;
  if (auto* counts = this->counts(send.what)) {
    const std::size_t most = send.what == SendClass::repair ? kMaxRepairs : kMaxPulls;
    if (const auto it = counts->find(send.to); it != counts->end() && it->second >= most) return false;
  }
  // It need not go twice.
  if (send.what == SendClass::repair) remove(send.to, send.index);
  if (send.what == SendClass::pull) {
    for (const SendClass sooner : {SendClass::repair, SendClass::push}) {
      if (sends_.contains({sooner, send.index, send.to, {}})) return false;
    }
  }
  if (auto* counts = this->counts(send.what)) ++(*counts)[send.to];
  sends_.insert(send);
  (send.what == SendClass::pull ? pull_bytes_ : bytes_) += bytes_of(send.what);
  return true;
}

PushQueue::Sends::iterator PushQueue::erase(Sends::iterator at) {
  (at->what == SendClass::pull ? pull_bytes_ : bytes_) -= bytes_of(at->what);
  if (auto* counts = this->counts(at->what)) {
    const auto count = counts->find(at->to);
    if (--count->second == 0) counts->erase(count);
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
  for (const SendClass what : {SendClass::welcome, SendClass::repair, SendClass::push, SendClass::pull}) {
    if (const auto it = sends_.find(Send{what, index, to, {}}); it != sends_.end()) erase(it);
  }
}

void PushQueue::forget(PeerKey to) {
  for (auto it = sends_.begin(); it != sends_.end();) it = it->to == to ? erase(it) : std::next(it);
}

void PushQueue::forget_tree(PeerKey to, std::size_t tree) {
  const auto dead = [&](const Send& send) { return send.to == to && send.what == SendClass::push && tree_of(send.index) == tree; };
  for (auto it = sends_.begin(); it != sends_.end();) it = dead(*it) ? erase(it) : std::next(it);
}

}  // namespace runnel::swarm
