#include "execute/each_file.h"

#include <algorithm>
#include <atomic>
#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <optional>
#include <utility>

#include "execute/buffer_pool.h"

namespace thaw {

namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::milliseconds kTick(100);
// A disk is as fast as it gets with requests of this size.
constexpr std::uint64_t kBuffer = 4u << 20;

class EachFile {
 public:
  EachFile(const PlannedFiles& plan, std::span<const std::uint32_t> files, std::string_view stage,
           const FileWork& work, StopFlag& stop)
      : files_(files), stage_(stage), work_(work), stop_(stop) {
    for (const std::uint32_t file : files) bytes_total_ += plan.files[file].size;
  }

  // The body of each thread.
  void run(std::span<std::byte> buffer) {
    Status status;
    try {
      for (std::size_t i = next_++; i < files_.size() && status.ok(); i = next_++) {
        status = work_(files_[i], buffer, [this](std::uint64_t bytes) { return advance(bytes); });
      }
    } catch (const std::exception& exception) {
      status = fail(ErrorCode::bug, {}, exception.what());
    }
    const std::lock_guard lock(mutex_);
    if (!status.ok()) {
      ended_ = true;
      if (!error_) error_ = std::move(status).take_error();
    }
    ++threads_done_;
    changed_.notify_all();
  }

  // On the calling thread, until `threads` have ended.
  Status watch(unsigned threads, Observer& observer) {
    const Clock::time_point begin = Clock::now();
    std::unique_lock lock(mutex_);
    for (bool done = false;;) {
      lock.unlock();
      observer.on_progress(
          {.stage = stage_,
           .bytes_done = bytes_done_,
           .bytes_total = bytes_total_,
           .seconds = std::chrono::duration<double>(Clock::now() - begin).count()});
      lock.lock();
      if (done) break;
      done = changed_.wait_for(lock, kTick, [&] { return threads_done_ == threads; });
    }
    if (stop_.requested()) return fail(*stop_.reason(), {}, "stopped by a signal");
    if (error_) return Status(std::move(*error_));
    return {};
  }

 private:
  Status advance(std::uint64_t bytes) {
    bytes_done_ += bytes;
    if (stop_.requested()) return fail(*stop_.reason(), {}, "stopped by a signal");
    if (ended_) return fail(ErrorCode::bug, {}, "ended by another thread's error");
    return {};
  }

  const std::span<const std::uint32_t> files_;
  const std::string_view stage_;
  const FileWork& work_;
  StopFlag& stop_;
  std::uint64_t bytes_total_ = 0;
  std::atomic<std::size_t> next_{0};
  std::atomic<std::uint64_t> bytes_done_{0};
  std::atomic<bool> ended_{false};
  std::mutex mutex_;
  std::condition_variable changed_;
  unsigned threads_done_ = 0;
  std::optional<Error> error_;  // the first
};

}  // namespace

Status for_each_file(const PlannedFiles& plan, const MemoryPlan& memory,
                     std::span<const std::uint32_t> files, std::string_view stage,
                     const FileWork& work, Observer& observer, StopFlag& stop) {
  if (files.empty()) return {};
  const auto threads = static_cast<unsigned>(std::min<std::uint64_t>(memory.workers, files.size()));
  THAW_ASSIGN_OR_RETURN(const std::vector<AlignedMemory> buffers,
                        BufferPool::allocate(threads, std::min(kBuffer, memory.tile_bytes)));
  EachFile each(plan, files, stage, work, stop);
  boost::asio::thread_pool pool(threads);
  for (unsigned i = 0; i < threads; ++i) {
    boost::asio::post(pool, [&each, &buffer = buffers[i]] {
      each.run({buffer.data(), static_cast<std::size_t>(buffer.size())});
    });
  }
  Status status = each.watch(threads, observer);
  pool.join();
  return status;
}

}  // namespace thaw
