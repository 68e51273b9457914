#include "convert/convert_part.h"

#include <optional>
#include <utility>

#include "convert/fill_sink.h"
#include "io/directory.h"
#include "sink/directory_sink.h"
#include "sink/part_files.h"

namespace thaw {

namespace {

// The files of this part, reported with the plan of the whole. What speaks of the whole output is
// left to the last step.
Result<ConvertReport> make_part(const Prepared& prepared, const ConvertOptions& options,
                                Observer& observer, StopFlag& stop, FileSystem& file_system,
                                const Announce& announce) {
  ConvertOptions own = options;
  own.verify = false;
  own.checksums = false;
  const PlannedFiles files = files_of_part(prepared.plan, *options.part);
  return fill_sink(prepared, files, own, observer, stop, file_system, announce);
}

}  // namespace

Result<ConvertReport> convert_part(const Prepared& prepared, const ConvertOptions& options,
                                   Observer& observer, StopFlag& stop, FileSystem& file_system,
                                   const Announce& announce) {
  THAW_ASSIGN_OR_RETURN(ConvertReport report,
                        make_part(prepared, options, observer, stop, file_system, announce));
  // Every part looks for the others after it is noted as finished, so the last one finds them all.
  const auto missing = [&]() -> std::vector<unsigned> {
    const Result<Folder> partial = Folder::open(file_system, prepared.out + kPartial);
    if (!partial.ok()) return {};
    const Result<PartStates> states = read_part_states(partial.value(), options.part->count);
    if (!states.ok()) return {};
    return missing_parts(states.value(), options.part->count);
  };
  // By another part, since this one looked at OUT.
  const auto published = [&] {
    const Result<Likeness> now = Likeness::at(file_system, prepared.out);
    return now.ok() && !(now.value() == prepared.found) &&
           holds_files(file_system, prepared.out, prepared.plan);
  };
  if (!exists(prepared.out + kPartial) && published()) return report;
  report.missing_parts = missing();
  report.waits = !report.missing_parts.empty();
  if (report.waits) return report;

  ConvertOptions last = options;
  last.part.reset();
  last.restart = false;
  last.finish = true;
  Result<ConvertReport> finished =
      fill_sink(prepared, prepared.plan, last, observer, stop, file_system, {});
  if (finished.ok()) {
    report.verified = finished.value().verified;
    report.bytes_read += finished.value().bytes_read;
    report.bytes_written += finished.value().bytes_written;
    report.peak_memory = finished.value().peak_memory;
    return report;
  }
  // Two that end at the same moment both come here: one publishes.
  if (published()) return report;
  const bool others = finished.error().code == ErrorCode::locked;
  report.missing_parts = missing();
  if (!others && report.missing_parts.empty()) return finished;
  report.waits = true;
  return report;
}

}  // namespace thaw
