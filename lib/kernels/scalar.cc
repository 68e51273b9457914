// The table in plain C++: the fallback of every machine.
#include "kernels/cast-inl.h"
#include "kernels/divide-inl.h"
#include "kernels/layouts-inl.h"
#include "kernels/tables.h"

namespace thaw::kernels {
namespace {

template <class Layout>
void dequantize(const PackedLinear& linear, std::uint64_t row_begin, std::uint64_t row_end,
                void* out, const OutputFormat& format) {
  switch (target_of(format)) {
    case Target::float16:
      return dequantize_plain<Layout, Target::float16>(linear, row_begin, row_end, out);
    case Target::bfloat16:
      return dequantize_plain<Layout, Target::bfloat16>(linear, row_begin, row_end, out);
    case Target::bfloat16_via_float16:
      return dequantize_plain<Layout, Target::bfloat16_via_float16>(linear, row_begin, row_end,
                                                                    out);
    case Target::float32:
      return dequantize_plain<Layout, Target::float32>(linear, row_begin, row_end, out);
  }
}

template <class Layout>
constexpr thaw::kernels::Layout entry() {
  return {Layout::kName, Layout::kRowBlock, dequantize<Layout>};
}

constexpr Layout kLayouts[] = {entry<AwqGemm>(), entry<AwqGemv>(), entry<AwqGemvFast>(),
                               entry<AwqMarlin>()};

}  // namespace

constexpr Table kScalarTable = {"scalar", kLayouts, sizeof kLayouts / sizeof kLayouts[0],
                                cast_with<PlainSteps>, divide_with<PlainSteps>};

}  // namespace thaw::kernels
