#include "convert/open_sink.h"

#include <utility>

#include "prepare/output_format.h"
#include "sink/archive_sink.h"
#include "sink/directory_sink.h"
#include "sink/zstd_stream.h"

namespace thaw {

Result<OpenSink> open_sink(const Prepared& prepared, const PlannedFiles& files,
                           const ConvertOptions& options, const StopFlag& stop,
                           FileSystem& file_system) {
  const OutputSettings file{.direct = options.output_mode == OutputMode::automatic,
                            .window = prepared.memory.write_window};
  if (prepared.format) {
    ArchiveSettings settings;
    settings.format = *prepared.format;
    settings.root = prepared.archive_root;
    settings.mtime = options.archive_mtime;
    settings.level = options.level.value_or(kLeastLevel);
    settings.compressors = prepared.memory.compressors;
    if (prepared.out != kStandardOutput) settings.out = prepared.out;
    settings.replace = options.force;
    settings.found = prepared.found;
    settings.file = file;
    settings.stop = &stop;
    THAW_ASSIGN_OR_RETURN(std::unique_ptr<Sink> sink,
                          open_archive_sink(file_system, files, settings));
    return OpenSink{std::move(sink), nullptr};
  }
  THAW_ASSIGN_OR_RETURN(std::unique_ptr<DirectorySink> sink,
                        DirectorySink::open(file_system, files,
                                            {.out = prepared.out,
                                             .replace = options.force || options.in_place,
                                             .found = prepared.found,
                                             .keep_backup = options.keep_backup,
                                             .purpose = prepared.purpose,
                                             .restart = options.restart,
                                             .drop_foreign = options.drop_foreign,
                                             .part = options.part,
                                             .finish_parts = options.finish,
                                             .inputs = input_marks(prepared.plan),
                                             .stop = &stop,
                                             .file = file}));
  DirectorySink* const directory = sink.get();
  return OpenSink{std::move(sink), directory};
}

}  // namespace thaw
