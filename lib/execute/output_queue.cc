#include "execute/output_queue.h"

namespace thaw {

void OutputQueue::push(std::uint64_t sequence, const FilledBuffer& filled) {
  const std::lock_guard lock(mutex_);
  waiting_.emplace(sequence, filled);
  changed_.notify_all();
}

std::optional<FilledBuffer> OutputQueue::pop() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] {
    if (stopped_ || (ended_ && waiting_.empty())) return true;
    return !waiting_.empty() && (!in_order_ || waiting_.begin()->first == next_);
  });
  if (stopped_ || waiting_.empty()) return std::nullopt;
  const auto first = waiting_.begin();
  const FilledBuffer filled = first->second;
  waiting_.erase(first);
  ++next_;
  return filled;
}

void OutputQueue::end() {
  const std::lock_guard lock(mutex_);
  ended_ = true;
  changed_.notify_all();
}

void OutputQueue::stop() {
  const std::lock_guard lock(mutex_);
  stopped_ = true;
  changed_.notify_all();
}

}  // namespace thaw
