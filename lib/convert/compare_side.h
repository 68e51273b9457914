// One side of a comparison: a checkpoint whose tensors can be had as float32, quantized or not.
// Private to lib/convert.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "checkpoint/checkpoint.h"
#include "execute/buffer_pool.h"
#include "execute/input_cache.h"
#include "execute/make_segment.h"
#include "kernels/kernels.h"
#include "model/spec.h"
#include "plan/fold.h"
#include "plan/plan.h"
#include "quant/linears.h"

namespace thaw {

// The plan's tensors are those of a conversion to float32; tensors that are no half-precision
// floats stay as they are.
struct CompareSide {
  explicit CompareSide(Checkpoint opened) : checkpoint(std::move(opened)) {}
  Checkpoint checkpoint;
  QuantizedLinears linears;
  std::vector<Fold> folds;
  Plan plan;                          // inputs, linears and divisors only
  std::vector<OutputTensor> tensors;  // in natural order
  const ModelSpec* spec = nullptr;

  [[nodiscard]] const OutputTensor* find(std::string_view name) const;
  [[nodiscard]] const QuantizedLinear* linear_of(const OutputTensor& tensor) const {
    return tensor.segment.kind == SegmentKind::tile ? plan.linears[tensor.segment.source] : nullptr;
  }
};

// `specs` must outlive the side. Scales that no spec folds stay as tensors, with a warning.
[[nodiscard]] Result<std::unique_ptr<CompareSide>> open_side(const std::string& model,
                                                             std::span<const ModelSpec> specs,
                                                             FileSystem& file_system,
                                                             std::vector<std::string>& warnings);

// The type as people know it: "F16", or the layout's title.
[[nodiscard]] std::string type_text(const CompareSide& side, const OutputTensor& tensor);

// Where a tensor's values come from while some of its rows are looked at: what needs all of its
// packed bytes is held in memory, or a slab of them.
class HeldTensor {
 public:
  HeldTensor(const CompareSide& side, const OutputTensor& tensor, InputCache& cache)
      : side_(side), tensor_(tensor), cache_(cache) {}
  HeldTensor(const HeldTensor&) = delete;
  HeldTensor& operator=(const HeldTensor&) = delete;
  ~HeldTensor() { release(); }

  // Rows [first, last) of a linear may be read from now on. Not while another thread reads. Up to
  // `most` bytes are held; a slab may be larger where one row block is.
  [[nodiscard]] Status hold(std::uint64_t first, std::uint64_t last, std::uint64_t most);
  void release();

  // Elements [begin, begin + count) as float32; of a linear whole rows, a multiple of its row
  // block, within what is held. `out` is 64-byte aligned; `scratch` holds what a divided linear
  // takes. Thread-safe.
  [[nodiscard]] Status read(const kernels::Table& table, std::uint64_t begin, std::uint64_t count,
                            std::byte* scratch, float* out) const;
  // The same of a tensor that is not float16, bfloat16 or float32.
  [[nodiscard]] Status read_others(std::uint64_t begin, std::uint64_t count, double* out) const;

 private:
  Status gather(const PackedOperand& operand, std::uint64_t offset, std::uint64_t pitch,
                std::uint64_t source_begin, std::uint64_t source_size);

  const CompareSide& side_;
  const OutputTensor& tensor_;
  InputCache& cache_;
  std::vector<InputRange> held_;
  AlignedMemory slab_;
  TileSource source_;
};

// True when the tensor's values are float32 after read(); else read_others() has them, unless
// is_opaque().
[[nodiscard]] bool is_plain(const OutputTensor& tensor);
// Types whose numbers are not read: of less than 8 bits, scales without a value, complex ones.
[[nodiscard]] bool is_opaque(const OutputTensor& tensor);

}  // namespace thaw
