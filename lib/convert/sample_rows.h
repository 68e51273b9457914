// Some rows of a weight as float32, whatever holds it, in bounded memory. Private to lib/convert.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/status.h"
#include "checkpoint/checkpoint.h"
#include "execute/buffer_pool.h"
#include "execute/input_cache.h"
#include "kernels/kernels.h"
#include "plan/overlay.h"
#include "quant/linears.h"

namespace thaw {

// Reads from two checkpoints, which must outlive it.
class SampleRows {
 public:
  SampleRows(const Checkpoint& quantized, const Checkpoint& base, const kernels::Table& table);
  // Gives the input's pages back.
  ~SampleRows() { input_.drop_idle(); }
  SampleRows(const SampleRows&) = delete;
  SampleRows& operator=(const SampleRows&) = delete;

  enum class Side : std::uint8_t { quantized, base };

  // Elements [first, first + count) of a float tensor (is_output_dtype), row after row. The result
  // is valid until the next call for the same side. Errors: ErrorCode::io, no_space.
  [[nodiscard]] Result<std::span<const float>> elements(Side side, const Tensor& tensor,
                                                        std::uint64_t first, std::uint64_t count);
  // Rows [first, first + rows) of a linear of the quantized checkpoint; multiples of its row block,
  // or up to the last row.
  [[nodiscard]] Result<std::span<const float>> rows(const QuantizedLinear& linear,
                                                    std::uint64_t first, std::uint64_t rows);

 private:
  Result<std::byte*> buffer(Side side, std::uint64_t bytes);

  const kernels::Table& table_;
  std::vector<const MappedFile*> files_;  // the quantized checkpoint's shards, then the base's
  std::uint32_t first_of_base_ = 0;
  InputCache input_;
  AlignedMemory quantized_rows_;
  AlignedMemory base_rows_;
  AlignedMemory slab_;
};

}  // namespace thaw
