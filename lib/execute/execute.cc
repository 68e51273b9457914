#include "execute/execute.h"

#include <algorithm>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <chrono>
#include <exception>
#include <functional>
#include <new>
#include <utility>

#include "execute/run.h"

namespace thaw {

namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::milliseconds kTick(100);

// Runs `body` so that nothing it throws leaves the thread.
void guarded(Run& run, void (*body)(Run&)) {
  try {
    body(run);
  } catch (const std::bad_alloc&) {
    run.stop(make_error(ErrorCode::no_space, {}, "out of memory", "Try a smaller --memory."));
  } catch (const std::exception& exception) {
    run.stop(make_error(ErrorCode::bug, {}, exception.what()));
  }
}

// The calling thread's part: tells the observer how far the run is, and the run when to stop.
class Ticker {
 public:
  Ticker(Run& run, Observer& observer, StopFlag& stop)
      : run_(run),
        observer_(observer),
        stop_(stop),
        timer_(context_),
        work_(context_.get_executor()) {}

  void tick_until_finished() {
    tick();
    context_.run();
    report();
  }
  // From any thread: lets tick_until_finished() return.
  void finished() {
    boost::asio::post(context_, [this] {
      work_.reset();
      timer_.cancel();
    });
  }

 private:
  void tick() {
    report();
    if (stop_.requested()) run_.stop(std::nullopt);
    timer_.expires_after(kTick);
    timer_.async_wait([this](const boost::system::error_code& error) {
      if (!error && work_.owns_work()) tick();
    });
  }
  void report() {
    observer_.on_progress(
        {.stage = "converting",
         .bytes_done = run_.bytes_done,
         .bytes_total = run_.files.bytes,
         .tensors_done = run_.tensors_done,
         .tensors_total = run_.files.tensor_count,
         .seconds = std::chrono::duration<double>(Clock::now() - begin_).count()});
  }

  Run& run_;
  Observer& observer_;
  StopFlag& stop_;
  const Clock::time_point begin_ = Clock::now();
  boost::asio::io_context context_;
  boost::asio::steady_timer timer_;
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_;
};

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
  Ticker ticker(run, observer, stop);

  const unsigned threads = 1 + memory.workers + memory.writers;
  std::atomic<unsigned> threads_left = threads;
  boost::asio::thread_pool pool(threads);
  const auto start = [&](void (*body)(Run&)) {
    boost::asio::post(pool, [&run, &ticker, &threads_left, body] {
      guarded(run, body);
      if (threads_left.fetch_sub(1) == 1) ticker.finished();
    });
  };
  start(read_input);
  for (unsigned i = 0; i < memory.workers; ++i) start(make_pieces);
  for (unsigned i = 0; i < memory.writers; ++i) start(write_output);
  ticker.tick_until_finished();
  pool.join();

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
