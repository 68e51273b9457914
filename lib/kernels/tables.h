// One constant table for each instruction set: the only symbol that its file exports.
#pragma once

#include "kernels/kernels.h"

namespace thaw::kernels {

namespace {

// Does not compile where a layout is missing from a table or stands in another's place.
constexpr Table checked(const Table& table) {
  for (std::size_t i = 0; i < kLayoutCount; ++i) {
    const Layout& layout = table.layouts[i];
    if (static_cast<std::size_t>(layout.id) != i || layout.dequantize == nullptr) __builtin_trap();
  }
  return table;
}

}  // namespace

extern const Table kScalarTable;
#if defined(__x86_64__)
extern const Table kSsse3Table;
extern const Table kAvx2Table;
extern const Table kAvx512Table;
#elif defined(__aarch64__)
extern const Table kNeonTable;
#endif

}  // namespace thaw::kernels
