// How lib/quant's layouts and operands meet those of lib/kernels.
#include "execute/linear_view.h"

#include <doctest/doctest.h>

#include <array>
#include <cstddef>
#include <vector>

namespace thaw {
namespace {

TEST_CASE("a view has every operand in the role that it has in the linear") {
  std::array<Tensor, kRoleCount> tensors;
  constexpr std::array<Dtype, kRoleCount> kTypes = {Dtype::i32, Dtype::i8, Dtype::bf16, Dtype::i64,
                                                    Dtype::f32};
  PackLayout layout;
  QuantizedLinear linear;
  linear.layout = &layout;
  linear.in_features = 64;
  linear.out_features = 16;
  linear.group_size = 32;
  linear.scale_dtype = Dtype::bf16;
  linear.byte_zeros = true;
  for (std::size_t i = 0; i < kRoleCount; ++i) {
    tensors[i].dtype = kTypes[i];
    linear.operands[static_cast<Role>(i)] = {
        .tensor = &tensors[i], .lines = 2 + i, .pitch = 16, .block_rows = 1, .block_bytes = 1};
  }
  const Slab slab = lay_out_slab(linear, 0, 8);
  const std::vector<std::byte> buffer(slab.size);
  const kernels::PackedLinear view = slab_view(linear, slab, buffer.data());

  constexpr std::array kRoles = {kernels::Role::codes, kernels::Role::zeros, kernels::Role::scales,
                                 kernels::Role::group_index, kernels::Role::global_scale};
  constexpr std::array<std::uint64_t, kRoleCount> kElements = {4, 1, 2, 8, 4};
  for (std::size_t i = 0; i < kRoleCount; ++i) {
    CAPTURE(i);
    CHECK(view[kRoles[i]].data == buffer.data() + slab.operands[i].offset);
    CHECK(&view[kRoles[i]] == &view.operands[i]);
    CHECK(view[kRoles[i]].element == kElements[i]);
  }
  CHECK(view.out_features == 8);
  CHECK(view.scale_type == kernels::FloatType::bfloat16);
  CHECK(view.zeros == kernels::Zeros::int8);
  CHECK(view.groups == 4);  // lines of scales
}

}  // namespace
}  // namespace thaw
