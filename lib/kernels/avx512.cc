// The table for AVX-512 (F, BW, VL, DQ).
#include "kernels/avx512-inl.h"
#include "kernels/table-inl.h"

namespace thaw::kernels {

constexpr Table kAvx512Table = table_of<Avx512>("avx512");

}  // namespace thaw::kernels
