#include "convert/convert.h"

#include <chrono>
#include <memory>

#include "base/text.h"
#include "convert/convert_part.h"
#include "convert/fill_sink.h"
#include "prepare/disk.h"
#include "prepare/prepare.h"
#include "prepare/summarize.h"
#include "sink/directory_sink.h"

namespace thaw {

namespace {

// All that the earlier run had left to do is to put away what it had replaced.
Result<ConvertReport> end_killed_run(const Prepared& prepared, const ConvertOptions& options,
                                     FileSystem& file_system, const Announce& announce) {
  THAW_RETURN_IF_ERROR(tidy_published(file_system, prepared.out));
  ConvertReport report;
  report.plan = summarize(prepared, options);
  report.plan.warnings.push_back("an earlier run had replaced " + printable(prepared.out) +
                                 " already and was stopped after that: nothing was left to do");
  if (announce) announce(report.plan);
  return report;
}

}  // namespace

Result<PlanSummary> plan_conversion(const ConvertOptions& options, FileSystem& file_system) {
  THAW_ASSIGN_OR_RETURN(const std::unique_ptr<Prepared> prepared, prepare(options, file_system));
  THAW_RETURN_IF_ERROR(judge(*prepared, options, nullptr));
  PlanSummary summary = summarize(*prepared, options);
  summary.disk = options.part ? disk_space(*prepared, files_of_part(prepared->plan, *options.part),
                                           options, file_system)
                              : disk_space(*prepared, prepared->plan, options, file_system);
  return summary;
}

Result<ConvertReport> convert(const ConvertOptions& options, Observer& observer, StopFlag& stop,
                              FileSystem& file_system, const Announce& announce) {
  using Clock = std::chrono::steady_clock;
  const Clock::time_point begin = Clock::now();
  observer.on_progress({.stage = "reading headers"});

  // Open, recognise, plan.
  THAW_ASSIGN_OR_RETURN(const std::unique_ptr<Prepared> prepared, prepare(options, file_system));
  if (prepared->done_before) return end_killed_run(*prepared, options, file_system, announce);
  observer.on_progress({.stage = "reading scales"});
  THAW_RETURN_IF_ERROR(judge(*prepared, options, &stop));
  // From here on the output is fixed. Only I/O, lack of space, an overflow and the user can make
  // us fail.

  Result<ConvertReport> report =
      options.part
          ? convert_part(*prepared, options, observer, stop, file_system, announce)
          : fill_sink(*prepared, prepared->plan, options, observer, stop, file_system, announce);
  if (report.ok()) {
    report.value().seconds = std::chrono::duration<double>(Clock::now() - begin).count();
  }
  return report;
}

}  // namespace thaw
