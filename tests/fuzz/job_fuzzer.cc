#include "fuzz/job_entries.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  thaw::fuzz::run_job_file(data, size);
  return 0;
}
