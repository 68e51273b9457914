// Everything that the fuzzer of the kernels knows, run again: specs/safety.md clause 9.
#include "fuzz/corpus.h"
#include "fuzz/kernel_entries.h"

namespace thaw::fuzz {
namespace {

TEST_CASE("kernels: give the oracle's bytes over the fuzzer's corpus") {
  run_corpus("kernels", run_kernels);
}

}  // namespace
}  // namespace thaw::fuzz
