// How a memory budget is divided: specs/memory.md has the formula and what it counts.
#pragma once

#include <cstdint>
#include <functional>

#include "base/status.h"
#include "plan/plan.h"

namespace thaw {

struct MemoryRequest {
  std::uint64_t budget = 256'000'000;  // bytes, the whole process
  unsigned threads = 1;                // at most so many workers
  bool ordered = false;                // the sink takes pieces in order only
  bool buffered = false;               // files of a directory are written through the page cache
  std::uint64_t stream = 0;            // what the sink holds whatever happens, in bytes
  // Bytes that a compressor of so many workers takes; empty: nothing is compressed.
  std::function<std::uint64_t(unsigned)> compressor = {};
};

// All of it is allocated at most once and recycled. Changes the speed, never a byte of output.
struct MemoryPlan {
  unsigned workers = 1;
  unsigned writers = 1;
  std::uint64_t buffers = 2;        // tile buffers
  std::uint64_t tile_bytes = 0;     // of one; a multiple of 2 MiB
  std::uint64_t scratch_bytes = 0;  // of a worker, where a weight is divided
  std::uint64_t input_bytes = 0;    // mapped input that may be in use at once
  std::uint64_t slab_bytes = 0;     // for linears whose packed bytes exceed input_bytes; 0: none
  std::uint64_t idle_bytes = 0;     // input kept for a moment after use
  std::uint64_t read_ahead = 0;     // input that the kernel brings in unasked
  std::uint64_t write_window = 0;   // output in the page cache, where O_DIRECT is refused
  unsigned compressors = 0;         // threads of the compressor; 0: none
  std::uint64_t stream_bytes = 0;   // the compressor and the buffers behind it
  std::uint64_t peak = 0;           // the sum, with base and plan
};

// Errors: ErrorCode::no_space, with the smallest budget that works.
[[nodiscard]] Result<MemoryPlan> plan_memory(const Plan& plan, const MemoryRequest& request);

// True when the linear has to be read in column slabs.
[[nodiscard]] bool needs_slabs(const QuantizedLinear& linear, const MemoryPlan& memory);
// What dividing the weight of a linear takes: some rows in float32, a whole number of row blocks.
[[nodiscard]] std::uint64_t scratch_bytes(const QuantizedLinear& linear);
// The bytes of all operands of a linear.
[[nodiscard]] std::uint64_t packed_bytes(const QuantizedLinear& linear);

}  // namespace thaw
