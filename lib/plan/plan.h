// The whole output, fixed before the first byte is written: a pure function of the input
// checkpoint and of the options that change bytes. Layout of the files: specs/output.md.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/dtype.h"
#include "base/status.h"
#include "checkpoint/checkpoint.h"  // and with it MappedFile, which the plan only points at
#include "plan/fold.h"
#include "plan/overlay.h"
#include "plan/segment.h"
#include "quant/linears.h"

namespace thaw {

struct OutputTensor {
  std::string name;
  Dtype dtype = Dtype::f16;
  std::span<const std::uint64_t> shape;  // points into the Plan or the Checkpoint
  std::uint64_t size = 0;                // bytes
  Segment segment;                       // makes it whole; offset is set once it is laid out
};

// Activation scales that are folded: column k of a weight is divided by element k of `scales`.
struct Divisor {
  const Tensor* scales = nullptr;
  std::uint64_t columns = 0;       // input features, as many as scales has elements
  std::uint64_t weight_begin = 0;  // of a float weight: where it begins in its shard
};

struct PlannedFile {
  std::string name;  // below the output directory, with '/'
  std::uint64_t size = 0;
  std::vector<Segment> segments;  // cover [0, size) exactly, in order
  std::uint64_t tensors = 0;      // 0: not a shard
};

// Borrows the checkpoints, the linears and the side inputs that it was made from.
struct Plan {
  std::vector<PlannedFile> files;  // config and side files, index, then shards
  std::vector<std::string> literals;
  // Shards of the checkpoint, those of the base, the base's index, side files.
  std::vector<const MappedFile*> inputs;
  std::vector<const QuantizedLinear*> linears;
  std::vector<Divisor> divisors;
  Dtype dtype = Dtype::f16;        // with an overlay, each tensor has its base's type
  bool via_float16 = false;        // where the output is bfloat16
  std::uint64_t base_tensors = 0;  // of an overlay's base
  std::uint64_t bytes = 0;         // of all files
  std::uint64_t tensors = 0;
  std::uint64_t tensors_cast = 0;
  std::uint64_t tensors_copied = 0;
  std::string fingerprint;  // of everything that decides the output's bytes
  std::deque<std::array<std::uint64_t, 3>> weight_shapes;  // of the linears, addresses stable
};

struct PlanRequest {
  const Checkpoint* checkpoint = nullptr;
  const QuantizedLinears* linears = nullptr;
  std::span<const Fold> folds = {};   // of activation scales
  const Overlay* overlay = nullptr;   // null: no base
  const MappedFile* index = nullptr;  // of the overlay's base, null: it has none
  // Of Checkpoint::side_files(), in that order; with an overlay, of the base.
  std::span<const MappedFile> side_files = {};
  Dtype dtype = Dtype::f16;
  bool via_float16 = false;
  bool allow_overflow = false;
  bool keep_shards = false;  // only with an overlay: the base's shards; max_shard_size is not used
  std::uint64_t max_shard_size = 5'000'000'000;

  // Whose config and side files the output has.
  [[nodiscard]] const Checkpoint& frame() const {
    return overlay != nullptr ? *overlay->base : *checkpoint;
  }
};

// Errors: ErrorCode::input (a name that would be produced twice, a header beyond 100 MB).
[[nodiscard]] Result<Plan> make_plan(const PlanRequest& request);

}  // namespace thaw
