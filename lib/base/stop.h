// A request to stop, set by a signal or by the first failing thread, read by all.
#pragma once

#include <atomic>
#include <optional>

#include "base/status.h"

namespace thaw {

// Thread-safe. The first request wins.
class StopFlag {
 public:
  void request(ErrorCode reason) {
    int none = 0;
    reason_.compare_exchange_strong(none, static_cast<int>(reason));
  }
  [[nodiscard]] bool requested() const { return reason_.load(std::memory_order_relaxed) != 0; }
  [[nodiscard]] std::optional<ErrorCode> reason() const {
    const int reason = reason_.load();
    if (reason == 0) return std::nullopt;
    return static_cast<ErrorCode>(reason);
  }

 private:
  std::atomic<int> reason_{0};
};

}  // namespace thaw
