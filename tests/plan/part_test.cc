// specs/parts.md clause 2: which files belong to which part.
#include "plan/part.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <numeric>
#include <random>

namespace thaw {
namespace {

Plan plan_of(const std::vector<std::uint64_t>& shards) {
  Plan plan;
  for (const char* name : {"config.json", "tokenizer.json"}) {
    PlannedFile file;
    file.name = name;
    file.size = 100;
    plan.files.push_back(std::move(file));
  }
  for (const std::uint64_t size : shards) {
    PlannedFile file;
    file.name = "shard-" + std::to_string(plan.files.size());
    file.size = size;
    file.tensors = 3;
    plan.files.push_back(std::move(file));
  }
  for (const PlannedFile& file : plan.files) {
    plan.bytes += file.size;
    plan.tensor_count += file.tensors;
  }
  return plan;
}

TEST_CASE("the largest files go first, each to the part that has least") {
  const Plan plan = plan_of({50, 400, 300, 300, 50});
  // Part 1 has the side files, 200 bytes; so 400 goes to 2, 300 to 3, 300 to 1, 50 to 3 and 3.
  CHECK(split_files(plan, 3) == std::vector<unsigned>{1, 1, 3, 2, 3, 1, 3});
  CHECK(split_files(plan, 1) == std::vector<unsigned>(7, 1));
}

TEST_CASE("parts differ by less than the largest file, and the split is pure") {
  std::mt19937 random(7);
  for (int round = 0; round < 200; ++round) {
    std::vector<std::uint64_t> sizes(random() % 40);
    for (std::uint64_t& size : sizes) size = 1 + random() % 1'000'000;
    const Plan plan = plan_of(sizes);
    const auto parts = static_cast<unsigned>(1 + random() % 9);
    const std::vector<unsigned> split = split_files(plan, parts);
    CHECK(split == split_files(plan_of(sizes), parts));
    std::vector<std::uint64_t> load(parts);
    for (std::size_t i = 0; i < split.size(); ++i) load.at(split[i] - 1) += plan.files[i].size;
    CHECK(std::accumulate(load.begin(), load.end(), std::uint64_t{0}) == plan.bytes);
    const auto [least, most] = std::minmax_element(load.begin(), load.end());
    const std::uint64_t largest = sizes.empty() ? 0 : *std::max_element(sizes.begin(), sizes.end());
    CHECK(*most - *least <= std::max<std::uint64_t>(largest, 200));
  }
}

TEST_CASE("a part has its own files and counts those only; the plan stays as it is") {
  const Plan plan = plan_of({50, 400, 300, 300, 50});
  const PlannedFiles part = files_of_part(plan, {.index = 3, .count = 3});
  REQUIRE(part.files.size() == 3);
  CHECK(part.files[0].name == "shard-2");
  CHECK(part.bytes == 400);
  CHECK(part.tensor_count == 9);
  CHECK(part.fingerprint == plan.fingerprint);
  CHECK(plan.files.size() == 7);
  CHECK(plan.tensor_count == 15);
}

TEST_CASE("a part may have no file") {
  const Plan plan = plan_of({5});
  const PlannedFiles part = files_of_part(plan, {.index = 9, .count = 9});
  CHECK(part.files.empty());
  CHECK(part.bytes == 0);
}

}  // namespace
}  // namespace thaw
