// A planned linear as the kernels see it: pointers into the mapped input, or into a slab.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "kernels/kernels.h"
#include "plan/plan.h"

namespace thaw {

[[nodiscard]] kernels::FloatType float_type(Dtype dtype);

// The kernels of a layout: the one place where lib/quant's layouts and those of lib/kernels meet.
[[nodiscard]] kernels::LayoutId kernels_of(LayoutId id);

// The whole linear, in the mapped input.
[[nodiscard]] kernels::PackedLinear mapped_view(const Plan& plan, const QuantizedLinear& linear);

// Where a slab's operands lie: out_features [first, last), the lines of each operand one after
// another, padded to 64 bytes.
struct SlabOperand {
  std::uint64_t offset = 0;  // in the slab buffer
  std::uint64_t pitch = 0;
  std::uint64_t source_begin = 0;  // bytes into each line of the tensor
  std::uint64_t source_size = 0;
};
struct Slab {
  std::uint64_t first = 0;
  std::uint64_t last = 0;
  std::array<SlabOperand, kRoleCount> operands;  // in the order of Role
  std::uint64_t size = 0;                        // of the buffer
};
[[nodiscard]] Slab lay_out_slab(const QuantizedLinear& linear, std::uint64_t first,
                                std::uint64_t last);
// Row 0 of the view is out_feature slab.first.
[[nodiscard]] kernels::PackedLinear slab_view(const QuantizedLinear& linear, const Slab& slab,
                                              const std::byte* buffer);

}  // namespace thaw
