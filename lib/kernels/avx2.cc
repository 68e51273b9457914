// The table for AVX2 and F16C.
#include "kernels/avx2-inl.h"
#include "kernels/table-inl.h"

namespace thaw::kernels {

constexpr Table kAvx2Table = table_of<Planes<Avx2Ops>>("avx2");

}  // namespace thaw::kernels
