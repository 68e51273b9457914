#include "checkpoint/arena.h"

#include <doctest/doctest.h>

#include <string>
#include <utility>
#include <vector>

#include "checkpoint/checkpoint.h"

namespace thaw {
namespace {

TEST_CASE("Arena: what was copied stays in place while more is added and the arena moves") {
  Arena first;
  std::vector<std::string_view> names;
  std::vector<std::span<const std::uint64_t>> shapes;
  for (std::uint64_t i = 0; i < 30'000; ++i) {
    names.push_back(first.copy(std::to_string(i)));
    shapes.push_back(first.copy(std::vector<std::uint64_t>{i, 2 * i}));
  }
  const std::string large(1'000'000, 'x');
  const std::string_view copied = first.copy(large);
  CHECK(first.copy(std::string_view()).empty());
  CHECK(first.copy(std::span<const std::uint64_t>()).empty());
  const Arena second = std::move(first);
  for (std::uint64_t i = 0; i < 30'000; ++i) {
    REQUIRE(names[i] == std::to_string(i));
    REQUIRE(shapes[i][1] == 2 * i);
  }
  CHECK(copied == large);
}

// With the 16 bytes of a shape of two dimensions; checkpoints can have 180 000 tensors.
static_assert(sizeof(Tensor) <= 64);

}  // namespace
}  // namespace thaw
