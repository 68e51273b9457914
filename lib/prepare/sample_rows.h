// Some rows of tensors as float32, whatever makes them, in bounded memory. Private to lib/prepare.
#pragma once

#include <cstdint>
#include <span>

#include "base/status.h"
#include "execute/input_cache.h"
#include "execute/tensor_reader.h"
#include "kernels/kernels.h"
#include "plan/plan.h"

namespace thaw {

// Of a plan whose floats are float32 (plan_tensors), which it owns. One thread at a time.
class SampleRows {
 public:
  SampleRows(Plan plan, const kernels::Table& table);
  // Gives the input's pages back.
  ~SampleRows() { input_.drop_idle(); }
  SampleRows(const SampleRows&) = delete;
  SampleRows& operator=(const SampleRows&) = delete;

  // Null: there is none, or its values are not read as float32.
  [[nodiscard]] const PlannedTensor* find(std::string_view name) const;

  // Elements [first, first + count) of a tensor that find() gave, row after row. The result is
  // valid until the next call. Errors: ErrorCode::io, input, no_space.
  [[nodiscard]] Result<std::span<const float>> elements(const PlannedTensor& tensor,
                                                        std::uint64_t first, std::uint64_t count);
  // Rows that are made together; 1 where each stands alone.
  [[nodiscard]] std::uint64_t row_block(const PlannedTensor& tensor) const;

 private:
  const Plan plan_;
  InputCache input_;
  TensorReader reader_;
  ReadSpace space_;
  AlignedMemory values_;
};

}  // namespace thaw
