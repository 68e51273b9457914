#include "execute/feed.h"

namespace thaw {

bool Feed::admit(std::uint64_t input_bytes, std::uint64_t units, bool slab) {
  std::unique_lock lock(mutex_);
  room_.wait(lock, [&] {
    const bool fits = in_flight_ == 0 || admitted_ + input_bytes <= most_;
    return stopped_ || (fits && !(slab && slab_in_use_));
  });
  if (stopped_) return false;
  admitted_ += input_bytes;
  in_flight_ += units;
  if (slab) slab_in_use_ = true;
  return true;
}

void Feed::push(const Unit& unit, std::uint64_t input_bytes, const TileSource& slab) {
  const std::lock_guard lock(mutex_);
  units_.push_back({.unit = unit,
                    .input_bytes = input_bytes,
                    .slab = slab,
                    .pieces = piece_count(unit),
                    .taken = 0,
                    .completed = 0});
  work_.notify_all();
}

void Feed::end() {
  const std::lock_guard lock(mutex_);
  ended_ = true;
  work_.notify_all();
}

std::optional<TakenPiece> Feed::take() {
  std::unique_lock lock(mutex_);
  work_.wait(lock, [this] { return stopped_ || ended_ || next_ < units_.size(); });
  if (stopped_ || next_ >= units_.size()) return std::nullopt;
  LoadedUnit& unit = units_[next_];
  const TakenPiece piece{&unit, unit.taken++, sequence_++};
  if (unit.taken == unit.pieces) ++next_;
  return piece;
}

std::optional<LoadedUnit> Feed::complete(const TakenPiece& piece) {
  const std::lock_guard lock(mutex_);
  LoadedUnit& unit = *piece.unit;
  if (++unit.completed != unit.pieces) return std::nullopt;
  const LoadedUnit whole = unit;
  while (!units_.empty() && units_.front().completed == units_.front().pieces) {
    units_.pop_front();
    --next_;
  }
  return whole;
}

void Feed::forget(const LoadedUnit& unit) {
  const std::lock_guard lock(mutex_);
  admitted_ -= unit.input_bytes;
  --in_flight_;
  if (unit.unit.slab) slab_in_use_ = false;
  room_.notify_all();
}

void Feed::stop() {
  const std::lock_guard lock(mutex_);
  stopped_ = true;
  room_.notify_all();
  work_.notify_all();
}

}  // namespace thaw
