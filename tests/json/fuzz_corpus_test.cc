// Everything that the fuzzers know, run again: specs/safety.md clause 9.
#include "fuzz/corpus.h"
#include "fuzz/json_entries.h"

namespace thaw::fuzz {
namespace {

TEST_CASE("parse and ObjectWalk: hold their promises over the fuzzer's corpus") {
  run_corpus("json", run_json);
}

TEST_CASE("Editor: holds its promises over the fuzzer's corpus") { run_corpus("edit", run_edit); }

}  // namespace
}  // namespace thaw::fuzz
