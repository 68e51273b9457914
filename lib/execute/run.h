// What the threads of one run share. Private to lib/execute.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/status.h"
#include "execute/buffer_pool.h"
#include "execute/execute.h"
#include "execute/feed.h"
#include "execute/input_cache.h"
#include "execute/output_queue.h"
#include "execute/tensor_reader.h"
#include "plan/input_ranges.h"
#include "plan/schedule.h"

namespace thaw {

struct Run {
  Run(const Plan& the_plan, const PlannedFiles& the_files, const MemoryPlan& the_memory,
      const kernels::Table& table, Sink& the_sink, const ExecuteOptions& the_options,
      std::span<const AlignedMemory> buffers)
      : plan(the_plan),
        files(the_files),
        memory(the_memory),
        sink(the_sink),
        options(the_options),
        schedule(missing_units(the_plan, the_files, the_memory, the_sink)),
        pool(buffers),
        input(the_plan.inputs, the_memory.idle_bytes),
        reader(the_plan, table, input),
        feed(the_memory.input_bytes),
        output(the_sink.ordered()),
        workers_left(the_memory.workers) {}

  // What the sink has already is not made again.
  static std::vector<Unit> missing_units(const Plan& plan, const PlannedFiles& files,
                                         const MemoryPlan& memory, const Sink& sink) {
    std::vector<Unit> units = make_schedule(plan, files, memory);
    std::erase_if(units, [&](const Unit& unit) { return sink.has(unit.file); });
    return units;
  }

  // What was asked.
  const Plan& plan;
  const PlannedFiles& files;  // of the plan: those that are made
  const MemoryPlan& memory;
  Sink& sink;
  const ExecuteOptions& options;
  const std::vector<Unit> schedule;

  // What passes between the threads.
  BufferPool pool;
  InputCache input;
  const TensorReader reader;
  Feed feed;
  OutputQueue output;
  ReadSpace woven_space;      // of the one slab unit in use, where it is a weave
  AlignedMemory slab_buffer;  // made by the reader when first needed; one slab is in use at a time
  std::atomic<unsigned> workers_left;

  // What has happened, the files that the sink had before included.
  std::atomic<std::uint64_t> bytes_done{0};
  std::atomic<std::uint64_t> tensors_done{0};
  std::mutex overflow_mutex;
  std::map<std::string, std::uint64_t> overflows;

  // Ends the run: wakes every thread. The first reason wins; without an error it is the user's.
  void stop(std::optional<Error> error);
  [[nodiscard]] std::optional<Error> take_error();

 private:
  std::mutex error_mutex_;
  std::optional<Error> error_;
};

// Calls function(InputRange) for all input that the segments of a mapped unit are made from. The
// same order and ranges at each call.
template <typename Function>
void for_each_input_range(const Run& run, const Unit& unit, const Function& function) {
  const std::span<const Segment> segments = run.files.files[unit.file].segments;
  for (std::uint32_t i = 0; i < unit.segments; ++i) {
    const Segment& whole = segments[unit.first_segment + i];
    const bool part = unit.segments == 1 && unit.size != whole.size;
    const Segment segment = part ? cut(whole, unit.begin, unit.size) : whole;
    each_input_range(run.plan, segment, function);
  }
}

// The bodies of the threads; they return when there is nothing left to do or the run was stopped.
void read_input(Run& run);
void make_pieces(Run& run);
void write_output(Run& run);

}  // namespace thaw
