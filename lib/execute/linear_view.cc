#include "execute/linear_view.h"

#include "base/bytes.h"
#include "plan/input_ranges.h"

namespace thaw {

namespace {

kernels::Operand mapped_operand(const Plan& plan, const PackedOperand& operand) {
  if (operand.tensor == nullptr) return {};
  return {plan.inputs[operand.tensor->shard]->bytes().data() + operand.tensor->begin,
          operand.pitch};
}

kernels::PackedLinear without_operands(const QuantizedLinear& linear) {
  kernels::PackedLinear view;
  view.in_features = linear.in_features;
  view.out_features = linear.out_features;
  view.group_size = linear.group_size;
  view.scale_type = float_type(linear.scale_dtype);
  view.groups = linear.scales.lines;
  view.bits = linear.bits;
  view.zero_addend = linear.zero_addend;
  view.rows_per_slice = linear.rows_per_slice;
  if (linear.qzeros.tensor != nullptr && linear.qzeros.tensor->dtype == Dtype::i8) {
    view.zeros = kernels::Zeros::int8;
  }
  return view;
}

// The kernels step from entry to entry.
void set_group_index(const QuantizedLinear& linear, kernels::Operand operand,
                     kernels::PackedLinear& view) {
  if (linear.group_index.tensor == nullptr) return;
  operand.pitch = dtype_bits(linear.group_index.tensor->dtype) / 8;
  view.group_index = operand;
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

kernels::Operand slab_operand(const PackedOperand& operand, const SlabOperand& placed,
                              const std::byte* buffer) {
  if (operand.tensor == nullptr) return {};
  return {buffer + placed.offset, placed.pitch};
}

}  // namespace

kernels::FloatType float_type(Dtype dtype) {
  if (dtype == Dtype::f16) return kernels::FloatType::float16;
  return dtype == Dtype::bf16 ? kernels::FloatType::bfloat16 : kernels::FloatType::float32;
}

kernels::PackedLinear mapped_view(const Plan& plan, const QuantizedLinear& linear) {
  kernels::PackedLinear view = without_operands(linear);
  view.qweight = mapped_operand(plan, linear.qweight);
  view.qzeros = mapped_operand(plan, linear.qzeros);
  view.scales = mapped_operand(plan, linear.scales);
  set_group_index(linear, mapped_operand(plan, linear.group_index), view);
  return view;
}

Slab lay_out_slab(const QuantizedLinear& linear, std::uint64_t first, std::uint64_t last) {
  Slab slab;
  slab.first = first;
  slab.last = last;
  slab.qweight = lay_out(linear.qweight, slab);
  slab.qzeros = lay_out(linear.qzeros, slab);
  slab.scales = lay_out(linear.scales, slab);
  slab.group_index = lay_out(linear.group_index, slab);
  return slab;
}

kernels::PackedLinear slab_view(const QuantizedLinear& linear, const Slab& slab,
                                const std::byte* buffer) {
  kernels::PackedLinear view = without_operands(linear);
  view.out_features = slab.last - slab.first;
  view.qweight = slab_operand(linear.qweight, slab.qweight, buffer);
  view.qzeros = slab_operand(linear.qzeros, slab.qzeros, buffer);
  view.scales = slab_operand(linear.scales, slab.scales, buffer);
  set_group_index(linear, slab_operand(linear.group_index, slab.group_index, buffer), view);
  return view;
}

}  // namespace thaw
