#include "execute/each_file.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "execute/buffer_pool.h"
#include "execute/parallel.h"

namespace thaw {

namespace {

using Clock = std::chrono::steady_clock;
// A disk is as fast as it gets with requests of this size.
constexpr std::uint64_t kBuffer = 4u << 20;

class EachFile {
 public:
  EachFile(const PlannedFiles& plan, std::span<const std::uint32_t> files, std::string_view stage,
           const FileWork& work, Observer& observer, StopFlag& stop)
      : files_(files), stage_(stage), work_(work), observer_(observer), stop_(stop) {
    for (const std::uint32_t file : files) bytes_total_ += plan.files[file].size;
  }

  Status run(const MemoryPlan& memory) {
    const auto most = static_cast<unsigned>(std::min<std::uint64_t>(memory.workers, files_.size()));
    report();
    Parallel parallel(most, stop_, [this] { report(); });
    THAW_ASSIGN_OR_RETURN(
        const std::vector<AlignedMemory> buffers,
        BufferPool::allocate(parallel.threads(), std::min(kBuffer, memory.tile_bytes)));
    Status status = parallel.run(files_.size(), [&](unsigned worker, std::uint64_t i) {
      const AlignedMemory& buffer = buffers[worker];
      return one(files_[i], {buffer.data(), static_cast<std::size_t>(buffer.size())});
    });
    // Those that were ended by the first error have one of their own, which says nothing.
    if (first_) return Status(std::move(*first_));
    return status;
  }

 private:
  Status one(std::uint32_t file, std::span<std::byte> buffer) {
    Status status = guarded([&] {
      return work_(file, buffer, [this](std::uint64_t bytes) { return advance(bytes); });
    });
    if (status.ok()) return status;
    const std::lock_guard lock(mutex_);
    if (!first_) first_ = status.error();
    ended_ = true;
    return status;
  }

  Status advance(std::uint64_t bytes) {
    bytes_done_ += bytes;
    if (const auto reason = stop_.reason()) return fail(*reason, {}, "stopped by a signal");
    if (ended_) return fail(ErrorCode::bug, {}, "ended by another thread's error");
    return {};
  }

  void report() {
    observer_.on_progress(
        {.stage = stage_,
         .bytes_done = bytes_done_,
         .bytes_total = bytes_total_,
         .seconds = std::chrono::duration<double>(Clock::now() - begin_).count()});
  }

  const std::span<const std::uint32_t> files_;
  const std::string_view stage_;
  const FileWork& work_;
  Observer& observer_;
  StopFlag& stop_;
  const Clock::time_point begin_ = Clock::now();
  std::uint64_t bytes_total_ = 0;
  std::atomic<std::uint64_t> bytes_done_{0};
  std::atomic<bool> ended_{false};
  std::mutex mutex_;  // of the first error
  std::optional<Error> first_;
};

}  // namespace

Status for_each_file(const PlannedFiles& plan, const MemoryPlan& memory,
                     std::span<const std::uint32_t> files, std::string_view stage,
                     const FileWork& work, Observer& observer, StopFlag& stop) {
  if (files.empty()) return {};
  return EachFile(plan, files, stage, work, observer, stop).run(memory);
}

}  // namespace thaw
