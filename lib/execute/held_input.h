// Input that stays in memory while somebody uses it. Private to lib/execute and lib/verify.
#pragma once

#include <span>
#include <utility>
#include <vector>

#include "base/status.h"
#include "execute/input_cache.h"

namespace thaw {

// Releases what it has acquired, failed attempts included, as InputCache counts those too. One
// thread at a time; the cache must outlive it.
class HeldInput {
 public:
  explicit HeldInput(InputCache& cache) : cache_(&cache) {}
  HeldInput(HeldInput&& other) noexcept
      : cache_(other.cache_), ranges_(std::exchange(other.ranges_, {})) {}
  HeldInput& operator=(HeldInput&&) = delete;
  ~HeldInput() { release(); }

  // Errors: ErrorCode::io.
  [[nodiscard]] Status add(std::span<const InputRange> ranges) {
    for (const InputRange& range : ranges) {
      if (range.size == 0) continue;
      ranges_.push_back(range);
      THAW_RETURN_IF_ERROR(cache_->acquire(range));
    }
    return {};
  }
  [[nodiscard]] Status add(const InputRange& range) { return add({&range, 1}); }
  [[nodiscard]] Status add(const Plan& plan, const Segment& segment) {
    Status status;
    each_input_range(plan, segment, [&](const InputRange& range) {
      if (status.ok()) status = add(range);
    });
    return status;
  }
  // Keeps its storage.
  void release() {
    for (const InputRange& range : ranges_) cache_->release(range);
    ranges_.clear();
  }

 private:
  InputCache* cache_;
  std::vector<InputRange> ranges_;
};

}  // namespace thaw
