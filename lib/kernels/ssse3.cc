// The table for SSSE3.
#include "kernels/products-inl.h"
#include "kernels/ssse3-inl.h"
#include "kernels/table-inl.h"

namespace thaw::kernels {

constexpr Table kSsse3Table = table_of<StepProducts<Planes<Ssse3Ops>>>("ssse3");

}  // namespace thaw::kernels
