#include "core/swarm/push_queue.hpp"

#include <algorithm>
#include <array>

namespace runnel::swarm {
namespace {

constexpr std::array kOfChunks{SendClass::welcome, SendClass::repair, SendClass::onward,
                               SendClass::push,    SendClass::spare,  SendClass::pull};

}  // namespace

bool PushQueue::add(const Send& send) {
  if (sends_.size() >= (is_spare(send.what) ? kMaxQueued / 2 : kMaxQueued) || sends_.contains(send)) return false;
  if (const auto it = waiting_.find(send.to); it != waiting_.end() && it->second.full(send.what)) return false;
  // It need not go twice.
  if (send.what == SendClass::repair) remove(send.to, send.index);
  if (is_spare(send.what)) {
    const auto sooner = [&](SendClass what) { return what < send.what && sends_.contains({what, send.index, send.to, {}}); };
    if (std::ranges::any_of(kOfChunks, sooner)) return false;
  }
  waiting_[send.to].count(send.what, 1);
  sends_.insert(send);
  bytes_in(send.what) += bytes_of(send.what);
  return true;
}

PushQueue::Sends::iterator PushQueue::erase(Sends::iterator at) {
  bytes_in(at->what) -= bytes_of(at->what);
  const auto waiting = waiting_.find(at->to);
  waiting->second.count(at->what, std::size_t{0} - 1);
  if (waiting->second.all == 0) waiting_.erase(waiting);
  return sends_.erase(at);
}

std::optional<Send> PushQueue::pop(bool welcome) {
  if (sends_.empty()) return std::nullopt;
  auto first = sends_.begin();
  if (first->what == SendClass::welcome && !welcome) {
    const auto other = sends_.lower_bound(Send{SendClass::repair, {}, {}, {}});
    if (other != sends_.end() && other->what != SendClass::pull) first = other;
  }
  const Send send = *first;
  erase(first);
  return send;
}

void PushQueue::remove(PeerKey to, tree::ChunkIndex index) {
  const auto found = waiting_.find(to);
  if (found == waiting_.end()) return;
  const Waiting waiting = found->second;
  for (const SendClass what : kOfChunks) {
    if (waiting.of(what) == 0) continue;
    if (const auto it = sends_.find(Send{what, index, to, {}}); it != sends_.end()) erase(it);
  }
}

void PushQueue::forget(PeerKey to) {
  if (!waits_for(to)) return;
  for (auto it = sends_.begin(); it != sends_.end();) it = it->to == to ? erase(it) : std::next(it);
}

void PushQueue::forget_tree(PeerKey to, std::size_t tree) {
  if (!waits_for(to)) return;
  const auto dead = [&](const Send& send) { return send.to == to && is_pushed(send.what) && tree_of(send.index) == tree; };
  for (auto it = sends_.begin(); it != sends_.end();) it = dead(*it) ? erase(it) : std::next(it);
}

}  // namespace runnel::swarm
