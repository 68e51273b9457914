#include "execute/execute.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "execute/run.h"
#include "execute/threads.h"
#include "io/limits.h"

namespace thaw {

namespace {

using Clock = std::chrono::steady_clock;

// What each thread does, in the order in which they are started: with one of each kind a run comes
// to its end, and more only make it faster.
enum class Role : std::uint8_t { reader, writer, worker };
constexpr unsigned kKinds = 3;

Role role_of(unsigned index, unsigned workers) {
  if (index == 0) return Role::reader;
  return index == 1 || index >= 2 + workers ? Role::writer : Role::worker;
}

void play(Role role, Run& run) {
  Status status = guarded([&] {
    if (role == Role::reader) read_input(run);
    if (role == Role::worker) make_pieces(run);
    if (role == Role::writer) write_output(run);
    return Status();
  });
  if (!status.ok()) run.stop(std::move(status).take_error());
}

}  // namespace

void Run::stop(std::optional<Error> error) {
  {
    const std::lock_guard lock(error_mutex_);
    if (error && !error_) error_ = std::move(error);
  }
  feed.stop();
  output.stop();
  pool.close();
}

std::optional<Error> Run::take_error() {
  const std::lock_guard lock(error_mutex_);
  return std::exchange(error_, std::nullopt);
}

Result<ExecuteReport> execute(const Plan& plan, const PlannedFiles& files, const MemoryPlan& memory,
                              const kernels::Table& table, Sink& sink,
                              const ExecuteOptions& options, Observer& observer, StopFlag& stop) {
  THAW_ASSIGN_OR_RETURN(const std::vector<AlignedMemory> buffers,
                        BufferPool::allocate(memory.buffers, memory.tile_bytes));
  Run run(plan, files, memory, table, sink, options, buffers);
  ExecuteReport report;
  for (std::uint32_t i = 0; i < files.files.size(); ++i) {
    if (!sink.has(i)) continue;
    ++report.files_kept;
    report.bytes_kept += files.files[i].size;
    run.tensors_done += files.files[i].tensors;
  }
  run.bytes_done = report.bytes_kept;

  // All are there before the first begins: how many workers there are must not change any more.
  Threads threads(1 + memory.workers + memory.writers);
  if (threads.count() < kKinds) return threads_refused(threads.count(), kKinds);
  run.workers_left = std::min(memory.workers, threads.count() - 2);
  const Clock::time_point begin = Clock::now();
  const auto tick = [&] {
    observer.on_progress({.stage = "converting",
                          .bytes_done = run.bytes_done,
                          .bytes_total = files.bytes,
                          .tensors_done = run.tensors_done,
                          .tensors_total = files.tensor_count,
                          .seconds = std::chrono::duration<double>(Clock::now() - begin).count()});
    if (stop.requested()) run.stop(std::nullopt);
  };
  tick();
  threads.run(
      threads.count(), [&](unsigned index) { play(role_of(index, memory.workers), run); }, tick);

  if (std::optional<Error> error = run.take_error()) return Status(std::move(*error));
  if (const std::optional<ErrorCode> reason = stop.reason()) {
    return fail(*reason, {}, "stopped by a signal");
  }
  report.bytes_read = run.input.bytes_read();
  report.bytes_written = run.bytes_done - report.bytes_kept;
  report.overflows.assign(run.overflows.begin(), run.overflows.end());
  run.input.drop_idle();
  return report;
}

}  // namespace thaw
