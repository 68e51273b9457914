#include "convert/convert.h"

#include <chrono>
#include <memory>
#include <utility>

#include "base/text.h"
#include "convert/add_checksums.h"
#include "convert/prepare.h"
#include "convert/verify.h"
#include "execute/each_file.h"
#include "execute/execute.h"
#include "io/process.h"
#include "sink/directory_sink.h"

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
  const bool repeats = error.code == ErrorCode::numbers || error.code == ErrorCode::bug ||
                       error.code == ErrorCode::differs;
  return repeats ? Sink::Keep::nothing : Sink::Keep::partial;
}

// Reads back what was written. Before it is published, so that a bad result never appears, and an
// overlay's base is still there: all files but empty ones carry their names in OUT.partial.
Status verify_unpublished(const Prepared& prepared, Observer& observer, StopFlag& stop,
                          FileSystem& file_system, VerifySummary& summary) {
  const OutputCheck check{.directory = prepared.out + ".partial", .unpublished = true};
  THAW_ASSIGN_OR_RETURN(const VerifyReport found,
                        check_output(prepared, check, observer, stop, file_system));
  summary = {.done = true, .bytes = found.bytes};
  if (found.certificate) {
    summary.recovered = found.certificate->recovered;
    summary.ambiguous = found.certificate->ambiguous;
  }
  return verdict(found);
}

// Ends the run without a destination, and says what stands on the disk all the same.
Status abandon(DirectorySink& sink, const std::string& out, Error error) {
  if (sink.published()) {
    error.hint = printable(out) + " stands, new and whole; what failed came after that.";
    return Status(std::move(error));
  }
  const Sink::Keep keep = worth_keeping(error);
  sink.abandon(keep);
  if (keep == Sink::Keep::partial) {
    if (!error.hint.empty()) error.hint += ' ';
    error.hint += printable(out) +
                  ".partial holds what was written; the same command continues it, and removing "
                  "it frees the space.";
  }
  return Status(std::move(error));
}

// Reads back what an earlier run has finished; what is not whole is made anew.
Status check_found(const Prepared& prepared, DirectorySink& sink, Observer& observer,
                   StopFlag& stop) {
  const std::vector<std::uint32_t> files = sink.found();
  return for_each_file(
      prepared.plan, prepared.memory, files, "checking finished files",
      [&](std::uint32_t file, std::span<std::byte> buffer,
          const std::function<Status(std::uint64_t)>& advance) {
        return sink.check(file, buffer, advance);
      },
      observer, stop);
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

  THAW_ASSIGN_OR_RETURN(
      const std::unique_ptr<DirectorySink> sink,
      DirectorySink::open(file_system, plan,
                          {.out = prepared->out,
                           .replace = options.force || options.in_place,
                           .backup = prepared->backup,
                           .keep_backup = options.keep_backup,
                           .restart = options.restart,
                           .file = {.direct = options.output_mode == OutputMode::automatic,
                                    .window = prepared->memory.write_window}}));
  // Before finish the destination does not exist; after it, it is whole.
  if (Status checked = check_found(*prepared, *sink, observer, stop); !checked.ok()) {
    return abandon(*sink, prepared->out, std::move(checked).take_error());
  }
  Result<ExecuteReport> run = execute(plan, prepared->memory, *prepared->table, *sink,
                                      {.allow_overflow = options.allow_overflow}, observer, stop);
  if (!run.ok()) {
    return abandon(*sink, prepared->out, std::move(run).take_status().take_error());
  }
  ConvertReport report;
  if (options.verify) {
    if (Status verified =
            verify_unpublished(*prepared, observer, stop, file_system, report.verified);
        !verified.ok()) {
      return abandon(*sink, prepared->out, std::move(verified).take_error());
    }
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
  Status finished;
  if (options.checksums) {
    finished = add_checksums(file_system, plan, prepared->memory, *sink, observer, stop);
  }
  if (finished.ok()) finished = sink->finish();
  if (!finished.ok()) {
    return abandon(*sink, prepared->out, std::move(finished).take_error());
  }

  report.plan = summarize(*prepared, options);
  report.bytes_read = run.value().bytes_read;
  report.bytes_written = run.value().bytes_written;
  report.files_kept = run.value().files_kept;
  report.bytes_kept = run.value().bytes_kept;
  for (const auto& [name, count] : run.value().overflows) {
    report.overflows += count;
    report.plan.warnings.push_back(printable(name) + ": " + std::to_string(count) +
                                   " finite values became infinite");
  }
  report.direct_io = sink->used_direct();
  report.peak_memory = peak_resident_bytes();
  report.seconds = std::chrono::duration<double>(Clock::now() - begin).count();
  return report;
}

}  // namespace thaw
