#include "convert/convert.h"

#include <chrono>
#include <memory>

#include "convert/convert_part.h"
#include "convert/disk.h"
#include "convert/fill_sink.h"
#include "convert/prepare.h"

namespace thaw {

Result<PlanSummary> plan_conversion(const ConvertOptions& options, FileSystem& file_system) {
  THAW_ASSIGN_OR_RETURN(const std::unique_ptr<Prepared> prepared, prepare(options, file_system));
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
