// Where the output goes, chosen by the options.
#pragma once

#include <memory>

#include "base/status.h"
#include "base/stop.h"
#include "io/file_system.h"
#include "prepare/options.h"
#include "prepare/prepare.h"
#include "sink/directory_sink.h"
#include "sink/sink.h"

namespace thaw {

struct OpenSink {
  std::unique_ptr<Sink> sink;
  DirectorySink* directory = nullptr;  // the same; null: an archive or a single file
};

// `prepared`, `files` and `stop` must outlive the sink. Errors: those of the sinks.
[[nodiscard]] Result<OpenSink> open_sink(const Prepared& prepared, const PlannedFiles& files,
                                         const ConvertOptions& options, const StopFlag& stop,
                                         FileSystem& file_system);

}  // namespace thaw
