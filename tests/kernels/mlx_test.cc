// mlx_affine on every table that this CPU runs, against the oracle: specs/mlx.md.
#include <doctest/doctest.h>

#include <iterator>
#include <vector>

#include "kernels/case_checks.h"

namespace thaw::test {
namespace {

using kernels::FloatType;
using kernels::OutputFormat;

constexpr FloatType kTypes[] = {FloatType::float16, FloatType::bfloat16, FloatType::float32};

Shape shape(std::uint64_t in, std::uint64_t out, std::uint64_t group, std::uint64_t bits) {
  return {.layout = "mlx_affine",
          .in_features = in,
          .out_features = out,
          .group_size = group,
          .bits = bits};
}

TEST_CASE("mlx_affine: every width and size: the oracle's bytes") {
  for (std::uint64_t bits = 1; bits <= 8; ++bits) {
    Shape odd = shape(75, 6, 25, bits);
    odd.misalignment = 3;
    odd.extra_pitch = 12;
    check_shapes({shape(1152, 5, 64, bits), shape(2112, 3, 32, bits), shape(160, 4, 160, bits),
                  shape(170, 4, 64, bits), odd},
                 {std::begin(kTypes), std::end(kTypes)}, 11000);
  }
}

TEST_CASE("mlx_affine: huge and tiny scales and biases round, overflow and are counted") {
  std::uint32_t seed = 12000;
  std::uint64_t seen = 0;
  for (const std::uint64_t bits : {2u, 3u, 8u}) {
    for (const FloatType type : kTypes) {
      for (const Scales scales : {Scales::huge, Scales::tiny, Scales::random_bits}) {
        const PackedCase packed(shape(192, 9, 64, bits), type, scales, ++seed);
        check_case(packed);
        for (const OutputFormat& format : output_formats()) {
          const std::vector<unsigned char> out = packed.expected(format);
          const std::uint64_t want = packed.expected_overflows(format);
          CAPTURE(seed);
          CHECK_EQ(kernels::count_overflows(kernels::LayoutId::mlx_affine, packed.linear(), 0, 9,
                                            out.data(), format),
                   want);
          seen += want;
        }
      }
    }
  }
  CHECK_GT(seen, 0u);
}

}  // namespace
}  // namespace thaw::test
