#include "execute/linear_view.h"

#include "base/bytes.h"
#include "plan/input_ranges.h"

namespace thaw {

namespace {

kernels::Role role_of(Role role) {
  switch (role) {
    case Role::codes:
      return kernels::Role::codes;
    case Role::zeros:
      return kernels::Role::zeros;
    case Role::scales:
      return kernels::Role::scales;
    case Role::group_index:
      return kernels::Role::group_index;
    case Role::global_scale:
      return kernels::Role::global_scale;
  }
  __builtin_unreachable();
}

kernels::SmallFloat element_of(SmallFloat element) {
  switch (element) {
    case SmallFloat::e4m3:
      return kernels::SmallFloat::e4m3;
    case SmallFloat::e5m2:
      return kernels::SmallFloat::e5m2;
    case SmallFloat::e2m1:
      return kernels::SmallFloat::e2m1;
  }
  __builtin_unreachable();
}

kernels::ScaleForm form_of(Dtype scales) {
  if (scales == Dtype::f8_e4m3) return kernels::ScaleForm::e4m3;
  return scales == Dtype::f8_e8m0 ? kernels::ScaleForm::e8m0 : kernels::ScaleForm::wide;
}

// The view with its operands where `address` has them, as {data, pitch}.
template <typename Address>
kernels::PackedLinear view_of(const QuantizedLinear& linear, const Address& address) {
  kernels::PackedLinear view;
  view.in_features = linear.in_features;
  view.out_features = linear.out_features;
  view.group_size = linear.group_size;
  view.scale_type = float_type(linear.scale_dtype);
  view.groups = linear[Role::scales].lines;
  view.bits = linear.bits;
  view.zero_addend = linear.zero_addend;
  view.rows_per_slice = linear.rows_per_slice;
  view.rows_per_scale = linear.rows_per_scale;
  view.word_bytes = linear.word_bytes;
  view.planes = linear.planes;
  view.scaled = {.element = element_of(linear.scaled.element),
                 .form = form_of(linear.scale_dtype),
                 .block_rows = linear.scaled.block_rows,
                 .divides_by_scale = linear.scaled.divides_by_scale,
                 .divides_by_global = linear.scaled.divides_by_global};
  if (linear.layout->id == LayoutId::modelopt_int4 && linear.operands.has(Role::global_scale)) {
    view.column_type = float_type(linear[Role::global_scale].tensor->dtype);
  }
  if (linear.table != nullptr) {
    view.table = linear.table->numbers.data();
    view.nested_table = linear.table->nested.empty() ? nullptr : linear.table->nested.data();
    view.nested_block = linear.table->nested_block;
    view.nested_offset = linear.table->offset;
  }
  view.zeros = linear.byte_zeros ? kernels::Zeros::int8 : kernels::Zeros::packed;
  for (std::size_t i = 0; i < kRoleCount; ++i) {
    const auto role = static_cast<Role>(i);
    const PackedOperand& operand = linear[role];
    if (operand.tensor == nullptr) continue;
    kernels::Operand& placed = view[role_of(role)];
    placed = address(i, operand);
    placed.element = dtype_bits(operand.tensor->dtype) / 8;
  }
  return view;
}

SlabOperand lay_out(const PackedOperand& operand, Slab& slab) {
  SlabOperand placed;
  if (operand.tensor == nullptr) return placed;
  const ColumnRange columns = column_range(operand, slab.first, slab.last);
  placed.offset = slab.size;
  placed.source_begin = columns.begin;
  placed.source_size = columns.end - columns.begin;
  placed.pitch = round_up(placed.source_size, 64);
  slab.size += placed.pitch * operand.lines;
  return placed;
}

}  // namespace

kernels::FloatType float_type(Dtype dtype) {
  if (dtype == Dtype::f16) return kernels::FloatType::float16;
  return dtype == Dtype::bf16 ? kernels::FloatType::bfloat16 : kernels::FloatType::float32;
}

kernels::LayoutId kernels_of(LayoutId id) {
  switch (id) {
    case LayoutId::awq_gemm:
      return kernels::LayoutId::awq_gemm;
    case LayoutId::awq_gemv:
      return kernels::LayoutId::awq_gemv;
    case LayoutId::awq_gemv_fast:
    case LayoutId::llm_awq_v2:
      return kernels::LayoutId::awq_gemv_fast;
    case LayoutId::awq_marlin:
      return kernels::LayoutId::awq_marlin;
    case LayoutId::ct_pack:
      return kernels::LayoutId::ct_pack;
    case LayoutId::ct_int8:
      return kernels::LayoutId::ct_int8;
    case LayoutId::gptq:
      return kernels::LayoutId::gptq;
    case LayoutId::gptq_rows:
      return kernels::LayoutId::gptq_rows;
    case LayoutId::gptq_bits:
      return kernels::LayoutId::gptq_bits;
    case LayoutId::gptq_bits_rows:
      return kernels::LayoutId::gptq_bits_rows;
    case LayoutId::mlx_affine:
      return kernels::LayoutId::mlx_affine;
    case LayoutId::bnb_int8:
      return kernels::LayoutId::bnb_int8;
    case LayoutId::bnb_4bit:
      return kernels::LayoutId::bnb_4bit;
    case LayoutId::modelopt_int4:
      return kernels::LayoutId::modelopt_int4;
    case LayoutId::scaled:
      return kernels::LayoutId::scaled;
  }
  __builtin_unreachable();
}

kernels::PackedLinear mapped_view(const Plan& plan, const QuantizedLinear& linear) {
  return view_of(linear, [&](std::size_t, const PackedOperand& operand) -> kernels::Operand {
    return {plan.inputs[operand.tensor->shard]->bytes().data() + operand.tensor->begin,
            operand.pitch};
  });
}

Slab lay_out_slab(const QuantizedLinear& linear, std::uint64_t first, std::uint64_t last) {
  Slab slab;
  slab.first = first;
  slab.last = last;
  std::size_t i = 0;
  for (const PackedOperand& operand : linear.operands) slab.operands[i++] = lay_out(operand, slab);
  return slab;
}

kernels::PackedLinear slab_view(const QuantizedLinear& linear, const Slab& slab,
                                const std::byte* buffer) {
  kernels::PackedLinear view =
      view_of(linear, [&](std::size_t i, const PackedOperand&) -> kernels::Operand {
        return {buffer + slab.operands[i].offset, slab.operands[i].pitch};
      });
  view.out_features = slab.last - slab.first;
  return view;
}

}  // namespace thaw
