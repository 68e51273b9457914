#include "execute/make_segment.h"

#include <cstring>

#include "execute/divide.h"
#include "execute/linear_view.h"

namespace thaw {

std::uint64_t make_segment(const Plan& plan, const kernels::Table& table, const Segment& segment,
                           const TileSource& source, kernels::Stores stores, std::byte* out) {
  const kernels::OutputFormat format{.type = float_type(segment.to),
                                     .rounding = plan.via_float16 && segment.to == Dtype::bf16
                                                     ? kernels::Rounding::via_float16
                                                     : kernels::Rounding::exact,
                                     .stores = stores};
  switch (segment.kind) {
    case SegmentKind::woven:  // its parts are made, and scattered: TensorReader
      return 0;
    case SegmentKind::literal:
      std::memcpy(out, plan.literals[segment.source].data() + segment.begin, segment.size);
      return 0;
    case SegmentKind::copy:
      std::memcpy(out, plan.inputs[segment.source]->bytes().data() + segment.begin, segment.size);
      return 0;
    case SegmentKind::cast:
      if (segment.divisor != 0) return make_divided_cast(plan, table, segment, format, out);
      return table.cast(plan.inputs[segment.source]->bytes().data() + segment.begin,
                        float_type(segment.from), out, format,
                        segment.size / (dtype_bits(segment.to) / 8));
    case SegmentKind::tile: {
      const kernels::LayoutId id = kernels_of(plan.linears[segment.source]->layout->id);
      const std::uint64_t first = segment.begin - source.first_row;
      const std::uint64_t last = first + segment.size / segment.row_bytes;
      if (segment.divisor != 0) {
        return make_divided_tile(plan, table, segment, source, first, last, format, out);
      }
      kernels::layout_in(table, id).dequantize(source.view, first, last, out, format);
      return kernels::count_overflows(id, source.view, first, last, out, format);
    }
  }
  __builtin_unreachable();
}

}  // namespace thaw
