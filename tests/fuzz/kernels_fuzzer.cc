#include "fuzz/kernel_entries.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  thaw::fuzz::run_kernels(data, size);
  return 0;
}
