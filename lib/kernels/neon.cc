// The table for NEON (AArch64).
#include "kernels/neon-inl.h"
#include "kernels/products-inl.h"
#include "kernels/table-inl.h"

namespace thaw::kernels {

constexpr Table kNeonTable = table_of<StepProducts<Planes<NeonOps>>>("neon");

}  // namespace thaw::kernels
