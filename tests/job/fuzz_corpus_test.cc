// Everything that the fuzzer of job files knows, run again: specs/jobs.md clause 2.
#include "fuzz/corpus.h"
#include "fuzz/job_entries.h"

namespace thaw::fuzz {
namespace {

TEST_CASE("parse_job_file: holds its promises over the fuzzer's corpus") {
  run_corpus("job", run_job_file);
}

}  // namespace
}  // namespace thaw::fuzz
