// Everything that the fuzzers of configs know, run again: specs/safety.md clause 9.
#include "fuzz/config_entries.h"
#include "fuzz/corpus.h"

namespace thaw::fuzz {
namespace {

TEST_CASE("read_quant_config: holds its promises over the fuzzer's corpus") {
  run_corpus("config", run_config);
}

TEST_CASE("Pattern: holds its promises over the fuzzer's corpus") {
  run_corpus("pattern", run_pattern);
}

}  // namespace
}  // namespace thaw::fuzz
