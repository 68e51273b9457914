#include "fuzz/spec_entries.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  thaw::fuzz::run_spec(data, size);
  return 0;
}
