#include "convert/convert.h"

#include <chrono>
#include <memory>
#include <utility>

#include "base/text.h"
#include "convert/open_sink.h"
#include "convert/output_format.h"
#include "convert/prepare.h"
#include "execute/execute.h"
#include "io/process.h"

namespace thaw {

namespace {

using Clock = std::chrono::steady_clock;

Status check_inputs_unchanged(const Plan& plan) {
  ErrorList errors;
  for (const MappedFile* input : plan.inputs) errors.add(input->check_unchanged());
  return errors.take();
}

// What a later run can use stays; after a failure that comes back with the same plan, nothing does.
Sink::Keep worth_keeping(const Error& error) {
  const bool repeats = error.code == ErrorCode::numbers || error.code == ErrorCode::bug;
  return repeats ? Sink::Keep::nothing : Sink::Keep::partial;
}

// Ends the run without a destination, and says what stands on the disk all the same.
Status abandon(Sink& sink, const std::string& out, Error error) {
  const Sink::Keep keep = worth_keeping(error);
  sink.abandon(keep);
  if (sink.ordered()) {
    if (out != kStandardOutput) {
      if (!error.hint.empty()) error.hint += ' ';
      error.hint += "What was written of " + printable(out) +
                    " is removed: an archive starts from its beginning.";
    }
  } else if (keep == Sink::Keep::partial) {
    if (!error.hint.empty()) error.hint += ' ';
    error.hint += printable(out) +
                  ".partial holds what was written; the same command takes it over, and removing "
                  "it frees the space.";
  }
  return Status(std::move(error));
}

}  // namespace

Result<PlanSummary> plan_conversion(const ConvertOptions& options, FileSystem& file_system) {
  THAW_ASSIGN_OR_RETURN(const std::unique_ptr<Prepared> prepared, prepare(options, file_system));
  return summarize(*prepared, options);
}

Result<ConvertReport> convert(const ConvertOptions& options, Observer& observer, StopFlag& stop,
                              FileSystem& file_system) {
  const Clock::time_point begin = Clock::now();
  observer.on_progress({.stage = "reading headers"});

  // Open, recognise, plan.
  THAW_ASSIGN_OR_RETURN(const std::unique_ptr<Prepared> prepared, prepare(options, file_system));
  const Plan& plan = prepared->plan;
  // From here on the output is fixed. Only I/O, lack of space, an overflow and the user can make
  // us fail.

  THAW_ASSIGN_OR_RETURN(const std::unique_ptr<Sink> sink,
                        open_sink(*prepared, options, stop, file_system));
  // Before finish the destination does not exist; after it, it is whole.
  Result<ExecuteReport> run = execute(plan, prepared->memory, *prepared->table, *sink,
                                      {.allow_overflow = options.allow_overflow}, observer, stop);
  if (!run.ok()) {
    return abandon(*sink, prepared->out, std::move(run).take_status().take_error());
  }
  observer.on_progress({.stage = "finishing",
                        .bytes_done = plan.bytes,
                        .bytes_total = plan.bytes,
                        .tensors_done = plan.tensors,
                        .tensors_total = plan.tensors});
  if (Status unchanged = check_inputs_unchanged(plan); !unchanged.ok()) {
    sink->abandon(Sink::Keep::nothing);
    return unchanged;
  }
  if (Status finished = sink->finish(); !finished.ok()) {
    return abandon(*sink, prepared->out, std::move(finished).take_error());
  }

  ConvertReport report;
  report.plan = summarize(*prepared, options);
  report.bytes_read = run.value().bytes_read;
  report.bytes_written = run.value().bytes_written;
  for (const auto& [name, count] : run.value().overflows) {
    report.overflows += count;
    report.plan.warnings.push_back(printable(name) + ": " + std::to_string(count) +
                                   " finite values became infinite");
  }
  report.direct_io = sink->used_direct();
  report.stream_bytes = sink->stream_bytes();
  report.peak_memory = peak_resident_bytes();
  report.seconds = std::chrono::duration<double>(Clock::now() - begin).count();
  return report;
}

}  // namespace thaw
