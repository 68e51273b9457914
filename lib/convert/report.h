// What a conversion would do (PlanSummary) and has done (ConvertReport).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/dtype.h"

namespace thaw {

struct ShardSummary {
  std::string name;
  std::uint64_t bytes = 0;
  std::uint64_t tensors = 0;
};

struct PlanSummary {
  std::string model;
  std::string out;
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
  std::vector<std::string> side_files;
  std::vector<std::string> not_carried;
  std::vector<std::string> warnings;  // safe for a terminal
  std::string fingerprint;            // of everything that decides the output's bytes, hex
  // The memory plan.
  std::string isa;
  unsigned workers = 0;
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
  std::uint64_t bytes_read = 0;  // of all input files; more where slabs read twice
  std::uint64_t bytes_written = 0;
  std::uint64_t overflows = 0;    // elements, only with allow_overflow
  std::uint64_t peak_memory = 0;  // the process's peak resident set, 0 where unknown
  bool direct_io = false;         // some output was written with O_DIRECT
  VerifySummary verified;
};

}  // namespace thaw
