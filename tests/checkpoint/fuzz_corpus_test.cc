// Everything that the fuzzers know, run again: specs/safety.md clause 9.
#include "fuzz/checkpoint_entries.h"
#include "fuzz/corpus.h"

namespace thaw::fuzz {
namespace {

TEST_CASE("read_header: holds its promises over the fuzzer's corpus") {
  run_corpus("header", run_header);
}

TEST_CASE("shards_of_index: holds its promises over the fuzzer's corpus") {
  run_corpus("index", run_index);
}

}  // namespace
}  // namespace thaw::fuzz
