#include "convert/fill_sink.h"

#include <algorithm>
#include <utility>

#include "base/text.h"
#include "convert/add_checksums.h"
#include "convert/open_sink.h"
#include "execute/each_file.h"
#include "execute/execute.h"
#include "io/process.h"
#include "prepare/disk.h"
#include "prepare/output_format.h"
#include "prepare/prepare.h"
#include "prepare/summarize.h"
#include "verify/verify.h"

namespace thaw {

namespace {

Status check_inputs_unchanged(const Plan& plan) {
  ErrorList errors;
  for (const MappedFile* input : plan.inputs) errors.add(input->check_unchanged());
  return errors.take();
}

// What a later run can use stays; after a failure that comes back with the same plan, and where
// the input is no longer that of the plan, nothing does.
Sink::Keep worth_keeping(const Plan& plan, const Error& error) {
  const bool repeats = error.code == ErrorCode::numbers || error.code == ErrorCode::bug ||
                       error.code == ErrorCode::differs;
  const bool changed = std::any_of(plan.inputs.begin(), plan.inputs.end(),
                                   [](const MappedFile* input) { return input->changed(); });
  return repeats || changed ? Sink::Keep::nothing : Sink::Keep::partial;
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
Status abandon(Sink& sink, const Prepared& prepared, Error error) {
  const std::string& out = prepared.out;
  if (sink.published()) {
    error.hint = printable(out) + " stands, new and whole; what failed came after that.";
    return Status(std::move(error));
  }
  const Sink::Keep keep = worth_keeping(prepared.plan, error);
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
                  ".partial holds what was written; the same command continues it, and removing "
                  "it frees the space.";
  }
  return Status(std::move(error));
}

// Reads back what an earlier run has finished; what is not whole is made anew.
Status check_found(const Prepared& prepared, const PlannedFiles& planned, DirectorySink& sink,
                   Observer& observer, StopFlag& stop) {
  const std::vector<std::uint32_t> files = sink.found();
  return for_each_file(
      planned, prepared.memory, files, "checking finished files",
      [&](std::uint32_t file, std::span<std::byte> buffer,
          const std::function<Status(std::uint64_t)>& advance) {
        return sink.check(file, buffer, advance);
      },
      observer, stop);
}

}  // namespace

Result<ConvertReport> fill_sink(const Prepared& prepared, const PlannedFiles& files,
                                const ConvertOptions& options, Observer& observer, StopFlag& stop,
                                FileSystem& file_system, const Announce& announce) {
  const Plan& plan = prepared.plan;
  // What the check of space is about to see.
  const std::optional<DiskSpace> disk = disk_space(prepared, files, options, file_system);
  THAW_ASSIGN_OR_RETURN(const OpenSink opened,
                        open_sink(prepared, files, options, stop, file_system));
  Sink& sink = *opened.sink;
  ConvertReport report;
  report.plan = summarize(prepared, options);
  report.plan.disk = disk;
  if (!sink.locked()) {
    report.plan.warnings.push_back(
        printable(prepared.out) +
        ": this file system has no locks: see to it yourself that no other run writes here");
  }
  if (announce) announce(report.plan);
  // Before finish the destination does not exist; after it, it is whole.
  if (opened.directory != nullptr) {
    if (Status checked = check_found(prepared, files, *opened.directory, observer, stop);
        !checked.ok()) {
      return abandon(sink, prepared, std::move(checked).take_error());
    }
  }
  Result<ExecuteReport> run = execute(plan, files, prepared.memory, *prepared.table, sink,
                                      {.allow_overflow = options.allow_overflow}, observer, stop);
  if (!run.ok()) {
    return abandon(sink, prepared, std::move(run).take_status().take_error());
  }
  if (options.verify) {
    if (Status verified =
            verify_unpublished(prepared, observer, stop, file_system, report.verified);
        !verified.ok()) {
      return abandon(sink, prepared, std::move(verified).take_error());
    }
  }
  observer.on_progress({.stage = "finishing",
                        .bytes_done = files.bytes,
                        .bytes_total = files.bytes,
                        .tensors_done = files.tensor_count,
                        .tensors_total = files.tensor_count});
  if (Status unchanged = check_inputs_unchanged(plan); !unchanged.ok()) {
    return abandon(sink, prepared, std::move(unchanged).take_error());
  }
  Status finished;
  if (options.checksums) {
    finished = add_checksums(plan, prepared.memory, *opened.directory, observer, stop);
  }
  if (finished.ok()) finished = sink.finish();
  if (!finished.ok()) {
    return abandon(sink, prepared, std::move(finished).take_error());
  }

  report.bytes_read = run.value().bytes_read;
  report.bytes_written = run.value().bytes_written;
  report.files_kept = run.value().files_kept;
  report.bytes_kept = run.value().bytes_kept;
  for (const auto& [name, count] : run.value().overflows) {
    report.overflows += count;
    report.plan.warnings.push_back(printable(name) + ": " + std::to_string(count) +
                                   " finite values became infinite");
  }
  report.direct_io = sink.used_direct();
  report.stream_bytes = sink.stream_bytes();
  report.peak_memory = peak_resident_bytes();
  return report;
}

}  // namespace thaw
