// What a conversion would do (PlanSummary) and has done (ConvertReport).
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/dtype.h"

namespace thaw {

struct ShardSummary {
  std::string name;
  std::uint64_t bytes = 0;
  std::uint64_t tensors = 0;
};

// How a base and a quantized checkpoint were compared before anything was written.
struct MatchSummary {
  std::uint64_t samples = 0;  // linears that were compared
  double lowest_cosine = 1;   // of all of them
  std::string lowest;         // the tensor of the base that has it; safe for a terminal
};

// What goes where, with a base. specs/overlay.md.
struct OverlaySummary {
  std::string base;              // as the user named it
  std::string spec;              // the name of the model spec
  std::string base_layers;       // the path of the blocks: "model.layers"
  std::string quantized_layers;  // the same in the quantized checkpoint
  std::uint64_t layers = 0;
  std::uint64_t replaced = 0;         // tensors of the base
  std::uint64_t kept = 0;             // likewise
  std::uint64_t ignored = 0;          // tensors of the quantized checkpoint beside its blocks
  std::optional<MatchSummary> match;  // nothing: not checked
  std::string backup;                 // where the old directory stays; empty: nowhere
  // Quantized modules outside of the blocks: put into the base, and not; safe for a terminal.
  std::vector<std::string> taken;
  std::vector<std::string> left;
};

// Of the file system that the output goes to, before the run.
struct DiskSpace {
  std::uint64_t need = 0;  // of the files that are still to be made, blocks included
  std::uint64_t free = 0;  // what this user may still write there
  bool bound = false;      // `need` is the most that it can be: a compressor writes less
  friend bool operator==(const DiskSpace&, const DiskSpace&) = default;
};

// Linears that are packed the same way.
struct LayoutCount {
  std::string title;  // "AWQ GEMM"
  std::uint64_t linears = 0;
};

// One of several runs that make one output. specs/parts.md.
struct PartSummary {
  unsigned index = 1;
  unsigned count = 1;
  std::uint64_t files = 0;  // of the output, that are its own
  std::uint64_t bytes = 0;  // of these
};

struct PlanSummary {
  std::string model;
  std::string out;
  std::string to;            // "directory", "tar", "tar.zst", "safetensors"
  std::string archive_root;  // the archive's top folder
  Dtype dtype = Dtype::f16;
  std::string dtype_reason;  // "torch_dtype in config.json", "--dtype", "the scales' type"
  std::uint64_t linears = 0;
  std::uint64_t folded = 0;          // linears that activation scales are folded into
  std::uint64_t tensors = 0;         // of the output
  std::uint64_t tensors_cast = 0;    // float tensors converted to dtype
  std::uint64_t tensors_copied = 0;  // unchanged
  std::uint64_t bytes_in = 0;        // of the shards
  std::uint64_t bytes_out = 0;       // of all output files
  std::vector<ShardSummary> shards;
  std::uint64_t shards_in = 0;
  std::vector<LayoutCount> layouts;  // of the linears, in the order of their titles
  std::optional<DiskSpace> disk;     // nothing: standard output, no OUT, or nobody knows
  std::vector<std::string> side_files;
  std::uint64_t side_bytes = 0;  // of all of these
  std::vector<std::string> not_carried;
  std::vector<std::string> warnings;  // of the model and its files; safe for a terminal
  std::vector<std::string> notes;     // what is left out or taken for granted; likewise
  std::string threads_note;           // that the memory budget holds fewer threads; mostly empty
  std::optional<OverlaySummary> overlay;
  std::optional<PartSummary> part;
  std::string fingerprint;  // of everything that decides the output's bytes, hex
  // The memory plan.
  std::string isa;
  unsigned workers = 0;
  unsigned compressors = 0;  // threads of the compressor
  std::uint64_t tile_bytes = 0;
  std::uint64_t buffers = 0;
  std::uint64_t peak_bytes = 0;       // what the plan promises to stay below
  std::uint64_t slabbed_linears = 0;  // read in more than one pass because the budget is small
};

// Of --verify (specs/verify.md); all of it agreed, or there would be no report.
struct VerifySummary {
  bool done = false;
  std::uint64_t bytes = 0;      // compared
  std::uint64_t recovered = 0;  // weights whose code was recovered
  std::uint64_t ambiguous = 0;  // weights that several codes give
};

struct ConvertReport {
  PlanSummary plan;
  double seconds = 0;
  std::uint64_t bytes_read = 0;     // of all input files; more where slabs read twice
  std::uint64_t bytes_written = 0;  // of the files in it, where it is an archive
  std::uint64_t stream_bytes = 0;   // of the archive or stream itself; 0: a directory
  std::uint64_t files_kept = 0;     // of an earlier run that was interrupted
  std::uint64_t bytes_kept = 0;     // of these; bytes_written does not count them
  std::uint64_t overflows = 0;      // elements of this run, only with allow_overflow
  std::uint64_t peak_memory = 0;    // the process's peak resident set, 0 where unknown
  bool direct_io = false;           // some output was written with O_DIRECT
  VerifySummary verified;
  // Of a part that ended well, but for which OUT did not appear: the parts that are not finished;
  // none: another run is publishing.
  bool waits = false;
  std::vector<unsigned> missing_parts;
};

// What is told once, on the calling thread, when nothing stands in the way any more and before the
// first byte is made: the plan that will be executed.
using Announce = std::function<void(const PlanSummary&)>;

}  // namespace thaw
