// The table for AVX2, FMA and F16C.
#include "kernels/avx2-factors-inl.h"
#include "kernels/avx2-turned-inl.h"
#include "kernels/table-inl.h"

namespace thaw::kernels {
namespace {

struct Avx2 : Planes<Avx2Ops> {
  using FusedFactors = Avx2Factors;
  using Turned = Avx2Turned;
};

}  // namespace

constexpr Table kAvx2Table = table_of<Avx2>("avx2");

}  // namespace thaw::kernels
