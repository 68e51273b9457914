// A plan's files in order through one stream: as a tar archive, plain or compressed, or the one
// shard as it is; into a file that appears by a rename, or into a descriptor. specs/archives.md.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/status.h"
#include "base/stop.h"
#include "io/file_system.h"
#include "io/output_file.h"
#include "plan/plan.h"
#include "sink/likeness.h"
#include "sink/sink.h"

namespace thaw {

enum class StreamFormat : std::uint8_t {
  tar,
  tar_zst,
  safetensors,  // a plan of one file: its bytes and nothing else
};

struct ArchiveSettings {
  StreamFormat format = StreamFormat::tar;
  std::string root;          // tar: the top folder, without slashes
  std::uint64_t mtime = 0;   // tar: of every member, seconds since 1970
  int level = 1;             // tar_zst
  unsigned compressors = 1;  // tar_zst: threads of libzstd

  std::string out;                     // resolved; empty: `descriptor`
  bool replace = false;                // a regular file that stands at `out`
  std::optional<Likeness> found = {};  // what stood there when it was judged; else at open
  OutputSettings file = {};
  int descriptor = 1;
  std::string descriptor_name = "standard output";
  const StopFlag* stop = nullptr;  // ends a wait for a reader; must outlive the sink
};

// Writes nothing before the first write(). An ordered sink: any failure, and abandon(), leave a
// stream that ends before the archive does, and no file.
// `plan` must outlive the sink. Errors: ErrorCode::locked, no_space (a plain tar or one shard is
// compared with the free space), usage (something else is called `out`.partial), io.
[[nodiscard]] Result<std::unique_ptr<Sink>> open_archive_sink(FileSystem& file_system,
                                                              const PlannedFiles& plan,
                                                              const ArchiveSettings& settings);

// What such a sink holds beside the compressor's memory: buffers of the file and of the pipe.
constexpr std::uint64_t kStreamBytes = 6u << 20;

}  // namespace thaw
