// The whole output, fixed before the first byte is written: a pure function of the input
// checkpoint and of the options that change bytes. Layout of the files: specs/output.md.
// Immutable once made; any thread may read it.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/dtype.h"
#include "base/status.h"
#include "checkpoint/arena.h"
#include "checkpoint/checkpoint.h"  // and with it MappedFile, which the plan only points at
#include "model/spec.h"
#include "plan/fold.h"
#include "plan/overlay.h"
#include "plan/segment.h"
#include "plan/weave.h"
#include "quant/linears.h"

namespace thaw {

// A tensor of the output: what it is called, what it is, and where its bytes lie. What makes them
// are its segments (Plan::segments_of), one or several, in the order of its bytes.
struct PlannedTensor {
  static constexpr std::uint32_t kNoFile = 0xffffffff;

  std::string_view name;                 // points into the Plan or a Checkpoint
  std::span<const std::uint64_t> shape;  // likewise
  std::uint64_t size = 0;                // bytes
  std::uint64_t offset = 0;              // bytes into its file
  std::uint32_t file = kNoFile;          // index into Plan::files; none: it is read and not written
  std::uint32_t first_segment = 0;       // index into Plan::segments
  std::uint32_t segment_count = 0;
  Dtype dtype = Dtype::f16;
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
  std::span<const Segment> segments = {};  // cover [0, size) exactly, in order; of the Plan
  std::uint64_t tensors = 0;               // 0: not a shard
};

// Files of a plan that one run makes: all of them, or those of a part (plan/part.h). Borrows from
// the Plan.
struct PlannedFiles {
  std::vector<PlannedFile> files;              // config and side files, index, then shards
  std::span<const std::string> literals = {};  // of the whole Plan
  std::uint64_t bytes = 0;                     // of all these files
  std::uint64_t tensor_count = 0;              // in these files
  std::string fingerprint;                     // of everything that decides the output's bytes
};

// Borrows the checkpoints, the linears and the side inputs that it was made from. What points into
// it stays valid when it is moved.
struct Plan : PlannedFiles {
  std::vector<PlannedTensor> tensors;  // in natural name order
  std::vector<Segment> segments;       // of all files and tensors
  std::vector<std::string> texts;      // what `literals` are
  // Shards of the checkpoint, those of the base, the base's index, side files.
  std::vector<const MappedFile*> inputs;
  std::vector<const QuantizedLinear*> linears;
  std::vector<Divisor> divisors;
  std::vector<Weave> weaves;
  // Biases of experts that the output has no place for: they must be zero (prepare/zero_biases.h).
  std::vector<const Tensor*> biases_left_out;
  Dtype dtype = Dtype::f16;        // with an overlay, each tensor has its base's type
  bool via_float16 = false;        // where the output is bfloat16
  std::uint64_t base_tensors = 0;  // of an overlay's base
  std::uint64_t tensors_cast = 0;
  std::uint64_t tensors_copied = 0;
  Arena arena;  // names and shapes that no checkpoint has

  Plan() = default;
  Plan(Plan&&) noexcept = default;
  Plan& operator=(Plan&&) noexcept = default;
  Plan(const Plan&) = delete;
  Plan& operator=(const Plan&) = delete;
  ~Plan() = default;

  [[nodiscard]] std::span<const Segment> segments_of(const PlannedTensor& tensor) const {
    return std::span(segments).subspan(tensor.first_segment, tensor.segment_count);
  }
  // Of the tensor that a segment is of, for messages; empty where it is of none.
  [[nodiscard]] std::string_view name_of(const Segment& segment) const {
    return segment.tensor == Segment::kNoTensor ? std::string_view() : tensors[segment.tensor].name;
  }
  // Null: no tensor of that name.
  [[nodiscard]] const PlannedTensor* find(std::string_view name) const;
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
  bool shards_only = false;  // no config, index and side files
  // The spec of the model's type, which may say how experts are held. Null: all names are kept. Not
  // with an overlay.
  const ModelSpec* expert_spec = nullptr;
  bool as_float32 = false;   // of an overlay: its floats of 16 bits become float32
  bool keep_shards = false;  // only with an overlay: the base's shards; max_shard_size is not used
  std::uint64_t max_shard_size = 5'000'000'000;

  // Whose config and side files the output has.
  [[nodiscard]] const Checkpoint& frame() const {
    return overlay != nullptr ? *overlay->base : *checkpoint;
  }
};

// Errors: ErrorCode::input (a name that would be produced twice, a header beyond 100 MB).
[[nodiscard]] Result<Plan> make_plan(const PlanRequest& request);

// The same tensors in no files, for who reads some of them. Errors as above.
[[nodiscard]] Result<Plan> plan_tensors(const PlanRequest& request);

}  // namespace thaw
