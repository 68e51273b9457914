// The table in plain C++: the fallback of every machine.
#include "kernels/cast-inl.h"
#include "kernels/ct-bytes-inl.h"
#include "kernels/divide-inl.h"
#include "kernels/layouts-inl.h"
#include "kernels/tables.h"

namespace thaw::kernels {
namespace {

template <class Layout, Target kTarget>
struct Rows {
  static void run(const PackedLinear& linear, std::uint64_t begin, std::uint64_t end, void* out) {
    dequantize_plain<Layout, kTarget>(linear, begin, end, out);
  }
};

template <Target kTarget>
struct Rows<CtPack, kTarget> {
  static void run(const PackedLinear& linear, std::uint64_t begin, std::uint64_t end, void* out) {
    linear.bits == 8 ? ct_byte_rows<PlainSteps, kTarget>(linear, begin, end, out)
                     : ct_plain<kTarget>(linear, begin, end, out);
  }
};

template <class Layout>
void dequantize(const PackedLinear& linear, std::uint64_t row_begin, std::uint64_t row_end,
                void* out, const OutputFormat& format) {
  switch (target_of(format)) {
    case Target::float16:
      return Rows<Layout, Target::float16>::run(linear, row_begin, row_end, out);
    case Target::bfloat16:
      return Rows<Layout, Target::bfloat16>::run(linear, row_begin, row_end, out);
    case Target::bfloat16_via_float16:
      return Rows<Layout, Target::bfloat16_via_float16>::run(linear, row_begin, row_end, out);
    case Target::float32:
      return Rows<Layout, Target::float32>::run(linear, row_begin, row_end, out);
  }
}

template <class Layout>
constexpr thaw::kernels::Layout entry() {
  return {Layout::kName, Layout::kRowBlock, dequantize<Layout>};
}

constexpr Layout kLayouts[] = {entry<AwqGemm>(), entry<AwqGemv>(), entry<AwqGemvFast>(),
                               entry<AwqMarlin>(), entry<CtPack>()};

}  // namespace

constexpr Table kScalarTable = {"scalar", kLayouts, sizeof kLayouts / sizeof kLayouts[0],
                                cast_with<PlainSteps>, divide_with<PlainSteps>};

}  // namespace thaw::kernels
