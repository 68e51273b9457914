#include "execute/divide.h"

#include <algorithm>
#include <cassert>

#include "execute/linear_view.h"
#include "plan/memory.h"

namespace thaw {

namespace {

struct DivisorView {
  const std::byte* data;
  kernels::FloatType type;
  std::uint64_t element;  // bytes
};

DivisorView view_of(const Plan& plan, const Divisor& divisor) {
  const Tensor& scales = *divisor.scales;
  return {plan.inputs[scales.shard]->bytes().data() + scales.begin, float_type(scales.dtype),
          dtype_bits(scales.dtype) / 8};
}

}  // namespace

std::uint64_t make_divided_cast(const Plan& plan, const kernels::Table& table,
                                const Segment& segment, const kernels::OutputFormat& format,
                                std::byte* out) {
  const Divisor& divisor = plan.divisors[segment.divisor - 1];
  const DivisorView by = view_of(plan, divisor);
  const std::byte* in = plan.inputs[segment.source]->bytes().data() + segment.begin;
  const std::uint64_t in_element = dtype_bits(segment.from) / 8;
  const std::uint64_t out_element = dtype_bits(segment.to) / 8;
  const std::uint64_t count = segment.size / out_element;
  // A segment may begin and end within a row.
  std::uint64_t column = (segment.begin - divisor.weight_begin) / in_element % divisor.columns;
  std::uint64_t overflows = 0;
  for (std::uint64_t i = 0; i < count;) {
    const std::uint64_t run = std::min(divisor.columns - column, count - i);
    overflows +=
        table.divide(in + i * in_element, float_type(segment.from), by.data + column * by.element,
                     by.type, out + i * out_element, format, run);
    i += run;
    column = 0;
  }
  return overflows;
}

std::uint64_t make_divided_tile(const Plan& plan, const kernels::Table& table,
                                const Segment& segment, const TileSource& source,
                                std::uint64_t first, std::uint64_t last,
                                const kernels::OutputFormat& format, std::byte* out) {
  const QuantizedLinear& linear = *plan.linears[segment.source];
  const DivisorView by = view_of(plan, plan.divisors[segment.divisor - 1]);
  const kernels::Layout& layout = kernels::layout_in(table, kernels_of(linear.layout->id));
  assert(source.scratch != nullptr);
  const kernels::OutputFormat exact{.type = kernels::FloatType::float32};
  const std::uint64_t row = linear.in_features * sizeof(float);
  const std::uint64_t rows = scratch_bytes(linear) / row;
  std::uint64_t overflows = 0;
  for (std::uint64_t begin = first; begin < last; begin += rows) {
    const std::uint64_t end = std::min(begin + rows, last);
    layout.dequantize(source.view, begin, end, source.scratch, exact);
    overflows +=
        kernels::count_overflows(layout.id, source.view, begin, end, source.scratch, exact);
    for (std::uint64_t i = begin; i < end; ++i) {
      overflows +=
          table.divide(source.scratch + (i - begin) * row, kernels::FloatType::float32, by.data,
                       by.type, out + (i - first) * segment.row_bytes, format, linear.in_features);
    }
  }
  return overflows;
}

}  // namespace thaw
