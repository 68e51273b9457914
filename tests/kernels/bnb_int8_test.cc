// bnb_int8 on every table that this CPU runs, against the oracle: specs/bitsandbytes.md.
#include <doctest/doctest.h>

#include <vector>

#include "kernels/case_checks.h"

namespace thaw::test {
namespace {

using kernels::FloatType;
using kernels::OutputFormat;

Shape shape(std::uint64_t in, std::uint64_t out) {
  Shape made;
  made.layout = "bnb_int8";
  made.in_features = made.group_size = in;
  made.out_features = out;
  made.bits = 8;
  made.has_zeros = false;
  return made;
}

TEST_CASE("bnb_int8: a 127th of the scale, for every size, kind of scale and code") {
  std::uint32_t seed = 13000;
  std::uint64_t seen = 0;
  for (Shape one : {shape(1152, 5), shape(96, 40), shape(75, 6), shape(1, 3), shape(513, 4)}) {
    one.misalignment = seed % 4;
    for (const Scales scales :
         {Scales::usual, Scales::random_bits, Scales::huge, Scales::tiny, Scales::nearly_fused}) {
      const PackedCase packed(one, FloatType::float32, scales, ++seed);
      check_case(packed);
      for (const OutputFormat& format : output_formats()) {
        const std::vector<unsigned char> out = packed.expected(format);
        const std::uint64_t want = packed.expected_overflows(format);
        CAPTURE(seed);
        CHECK_EQ(kernels::count_overflows(kernels::LayoutId::bnb_int8, packed.linear(), 0,
                                          one.out_features, out.data(), format),
                 want);
        seen += want;
      }
    }
  }
  CHECK_GT(seen, 0u);
}

}  // namespace
}  // namespace thaw::test
