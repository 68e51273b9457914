// Everything that the fuzzer of model specs knows, run again: specs/safety.md clause 9.
#include "fuzz/corpus.h"
#include "fuzz/spec_entries.h"

namespace thaw::fuzz {
namespace {

TEST_CASE("parse_model_spec: holds its promises over the fuzzer's corpus") {
  run_corpus("spec", run_spec);
}

}  // namespace
}  // namespace thaw::fuzz
