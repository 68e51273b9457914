#include "compare/layer_name.h"

#include <doctest/doctest.h>

#include <string>

namespace thaw {
namespace {

struct Case {
  const char* name;
  const char* stack;
  std::optional<std::uint64_t> layer;
  const char* rest;
};

// specs/reports.md clause 5.1.
TEST_CASE("split_layer: names with and without a number between dots, taken apart") {
  const Case cases[] = {
      {"model.layers.3.mlp.up_proj.weight", "model.layers", 3, "mlp.up_proj.weight"},
      {"model.layers.3.mlp.experts.17.w1", "model.layers", 3, "mlp.experts.17.w1"},
      {"7.x", "", 7, "x"},
      {"x.7", "x", 7, ""},
      {"7", "", 7, ""},
      {".7.", "", 7, ""},
      {"lm_head.weight", "", std::nullopt, "lm_head.weight"},
      {"h3.4b.x", "", std::nullopt, "h3.4b.x"},
      {"a.18446744073709551615.b", "a", 18446744073709551615u, "b"},
      {"a.18446744073709551616.b", "", std::nullopt, "a.18446744073709551616.b"},
      {"a.-1.+2. 3.b", "", std::nullopt, "a.-1.+2. 3.b"},
      {"", "", std::nullopt, ""},
      {"..", "", std::nullopt, ".."},
  };
  for (const Case& one : cases) {
    CAPTURE(one.name);
    const LayerName found = split_layer(one.name);
    CHECK(std::string(found.stack) == one.stack);
    CHECK(found.layer == one.layer);
    CHECK(std::string(found.rest) == one.rest);
  }
}

}  // namespace
}  // namespace thaw
