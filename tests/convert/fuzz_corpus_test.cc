// Everything that the fuzzer of whole checkpoints knows, run again: specs/safety.md clause 9.
#include "fuzz/corpus.h"
#include "fuzz/whole_entries.h"

namespace thaw::fuzz {
namespace {

TEST_CASE("prepare and make_segment: hold their promises over the fuzzer's corpus") {
  run_corpus("checkpoint", run_checkpoint);
}

}  // namespace
}  // namespace thaw::fuzz
