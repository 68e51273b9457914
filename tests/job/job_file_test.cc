#include "job/job_file.h"

#include <doctest/doctest.h>

#include <string>

namespace thaw {
namespace {

std::string error_of(const std::string& text) {
  const Result<Job> job = parse_job_file("dir/j.json", text);
  REQUIRE(!job.ok());
  CHECK(job.error().code == ErrorCode::usage);
  return job.error().text();
}

TEST_CASE("parse_job_file: members and options (specs/jobs.md clauses 2.2 to 2.5)") {
  const Result<Job> parsed = parse_job_file("dir/nightly.json", R"({
    "input": "org/name", "output": "out", "dtype": "float32", "memory": "64MB", "threads": 3,
    "max-shard-size": 1000000, "copy-unknown": true, "no-match-check": true,
    "retry": {"times": 2, "delay": 5}, "keep-going": false, "report": "/r.json",
    "hooks": {"success": ["notify", "done"], "failure": ["page"]}})");
  REQUIRE(parsed.ok());
  const Job& job = parsed.value();
  CHECK(job.name == "nightly");
  CHECK(job.options.model == "org/name");  // not there: left for the cache
  CHECK(job.options.out == "dir/out");
  CHECK(job.options.dtype == Dtype::f32);
  CHECK(job.options.memory == 64'000'000);
  CHECK(job.options.threads == 3);
  CHECK(job.options.max_shard_size == 1'000'000);
  CHECK(job.options.copy_unknown);
  CHECK(!job.options.match_check);
  CHECK(job.retries == 2);
  CHECK(job.retry_delay == 5);
  CHECK(!job.keep_going);
  CHECK(job.report == "/r.json");
  CHECK(job.on_success == std::vector<std::string>{"notify", "done"});
  CHECK(job.on_failure == std::vector<std::string>{"page"});
  CHECK(job.sets_memory);
  CHECK(job.sets_threads);
}

TEST_CASE("parse_job_file: what a job does not say") {
  const Result<Job> parsed = parse_job_file("j.json", R"({"input": "./m", "output": "/o"})");
  REQUIRE(parsed.ok());
  const Job& job = parsed.value();
  CHECK(job.options.model == "./m");
  CHECK(job.options.out == "/o");
  CHECK(job.options.memory == ConvertOptions().memory);
  CHECK(job.retries == 0);
  CHECK(job.keep_going);
  CHECK(job.on_success.empty());
  CHECK(!job.sets_memory);
  CHECK(!job.sets_threads);
}

TEST_CASE("parse_job_file: errors have line and column, all at once (clause 2.6)") {
  const std::string text = error_of("{\n \"input\": 3,\n  \"outptu\": \"x\"}");
  CHECK(text.find("dir/j.json: line 2, column 11: \"input\"") != std::string::npos);
  CHECK(text.find("dir/j.json: line 3, column 3: \"outptu\" is no key") != std::string::npos);
  CHECK(text.find("line 1, column 1: \"output\" is missing") != std::string::npos);
  CHECK(error_of("{\"input\": \"m\",\n \"output\"; 3}").find("line 2, column 10") !=
        std::string::npos);
}

TEST_CASE("parse_job_file: a name is a file name (clause 2.4)") {
  for (const char* name : {"", ".", "..", ".hidden", "a/b", "a b", "\\u00e4", "a\\n"}) {
    CAPTURE(name);
    CHECK(error_of(std::string(R"({"input": "m", "output": "o", "name": ")") + name + "\"}")
              .find("name") != std::string::npos);
  }
  CHECK(!parse_job_file("a b.json", R"({"input": "m", "output": "o"})").ok());
  CHECK(parse_job_file("a b.json", R"({"name": "ab", "input": "m", "output": "o"})").ok());
}

}  // namespace
}  // namespace thaw
