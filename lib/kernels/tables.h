// One constant table for each instruction set: the only symbol that its file exports.
#pragma once

#include "kernels/kernels.h"

namespace thaw::kernels {

extern const Table kScalarTable;
#if defined(__x86_64__)
extern const Table kSsse3Table;
extern const Table kAvx2Table;
extern const Table kAvx512Table;
#elif defined(__aarch64__)
extern const Table kNeonTable;
#endif

}  // namespace thaw::kernels
