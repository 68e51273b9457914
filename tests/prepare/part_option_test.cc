// specs/parts.md clause 1: what a part is called, and what a scheduler calls it.
#include "prepare/part_option.h"

#include <doctest/doctest.h>

#include <map>
#include <string>

namespace thaw {
namespace {

using Variables = std::map<std::string, std::string>;

Result<Part> parse(const std::string& word, const Variables& variables = {}) {
  return parse_part(word, [&](const char* name) -> const char* {
    const auto at = variables.find(name);
    return at == variables.end() ? nullptr : at->second.c_str();
  });
}

Variables slurm(const std::string& id, const std::string& first, const std::string& count) {
  return {{"SLURM_ARRAY_TASK_ID", id},
          {"SLURM_ARRAY_TASK_MIN", first},
          {"SLURM_ARRAY_TASK_COUNT", count}};
}

TEST_CASE("parts count from 1") {
  CHECK(parse("1/1").value() == Part{.index = 1, .count = 1});
  CHECK(parse("3/8").value() == Part{.index = 3, .count = 8});
  for (const char* word : {"", "/", "0/3", "4/3", "-1/3", "1/", "/3", "1/0", "1/3/3", "1/10001",
                           "1.5/3", " 1/3", "a/3", "99999999999/3", "1", "Auto", "auto/0"}) {
    CAPTURE(std::string(word));
    const Result<Part> refused = parse(word);
    REQUIRE_FALSE(refused.ok());
    CHECK(refused.error().code == ErrorCode::usage);
  }
}

TEST_CASE("a task of a Slurm array knows its part") {
  CHECK(parse("auto", slurm("0", "0", "4")).value() == Part{.index = 1, .count = 4});
  CHECK(parse("auto", slurm("12", "10", "3")).value() == Part{.index = 3, .count = 3});
  const Variables refused[] = {{},
                               slurm("5", "1", "4"),
                               slurm("0", "1", "4"),
                               slurm("1", "1", "0"),
                               slurm("x", "1", "4"),
                               slurm("1", "", "4"),
                               slurm("1", "1", "-3"),
                               slurm("1", "1", "20000")};
  for (const Variables& variables : refused) {
    const Result<Part> part = parse("auto", variables);
    REQUIRE_FALSE(part.ok());
    CHECK(part.error().code == ErrorCode::usage);
    CHECK(part.error().text().find("SLURM") + part.error().text().find("Slurm") !=
          2 * std::string::npos);
  }
}

TEST_CASE("a pod of an indexed Job knows its part") {
  CHECK(parse("auto/4", {{"JOB_COMPLETION_INDEX", "0"}}).value() == Part{.index = 1, .count = 4});
  CHECK(parse("auto/4", {{"JOB_COMPLETION_INDEX", "3"}}).value() == Part{.index = 4, .count = 4});
  CHECK_FALSE(parse("auto/4", {{"JOB_COMPLETION_INDEX", "4"}}).ok());
  CHECK_FALSE(parse("auto/4", {{"JOB_COMPLETION_INDEX", "x"}}).ok());
  CHECK_FALSE(parse("auto/4").ok());
}

TEST_CASE("what has no parts says so") {
  ConvertOptions options;
  options.part = Part{.index = 1, .count = 2};
  CHECK(check_part_options(options, std::nullopt).ok());
  CHECK(check_part_options(options, StreamFormat::tar).error().code == ErrorCode::usage);
  ConvertOptions in_place = options;
  in_place.in_place = true;
  CHECK(check_part_options(in_place, std::nullopt).error().code == ErrorCode::usage);
  ConvertOptions both = options;
  both.finish = true;
  CHECK(check_part_options(both, std::nullopt).error().code == ErrorCode::usage);
  ConvertOptions restarted;
  restarted.finish = restarted.restart = true;
  CHECK(check_part_options(restarted, std::nullopt).error().code == ErrorCode::usage);
}

}  // namespace
}  // namespace thaw
