#include "fuzz/whole_entries.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  thaw::fuzz::run_checkpoint(data, size);
  return 0;
}
