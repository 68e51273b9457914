// specs/models.md clause 1: which spec is taken.
#include "model/choose.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "support/places.h"
#include "support/temporary_directory.h"

namespace thaw {
namespace {

std::string spec_text(const std::string& types) {
  return R"({"model_types": [)" + types + R"(], "layers": ["h"], "linears": ["x"]})";
}

TEST_CASE("choose_model_spec: a path, a name, a type of that name, the model's type") {
  const testing::TemporaryDirectory directory;
  directory.write("specs/small.json", spec_text(R"("tiny", "small-2")"));
  directory.write("specs/large.json", spec_text(R"("huge")"));
  const std::string mine = directory.write("mine/own.json", spec_text(R"("own")"));
  const std::string specs = directory / "specs";
  struct Row {
    std::string name;
    std::string type;
    std::string expected;
  };
  for (const Row& row :
       {Row{"small", "", "small"}, Row{"small-2", "huge", "small"}, Row{"", "huge", "large"},
        Row{"", "tiny", "small"}, Row{mine, "tiny", "own"}}) {
    CAPTURE(row.name);
    CAPTURE(row.type);
    const auto spec = choose_model_spec(real_file_system(), specs, row.name, row.type);
    REQUIRE_MESSAGE(spec.ok(), (spec.ok() ? "" : spec.error().text()));
    CHECK(spec.value().name == row.expected);
  }
  // A path is read without the directory.
  CHECK(choose_model_spec(real_file_system(), "/nowhere", mine, "").ok());
}

TEST_CASE("choose_model_spec: what is unknown is refused with the nearest names") {
  struct Row {
    std::string name;
    std::string type;
    std::string expected;
  };
  for (const Row& row :
       {Row{"qwen25", "", "\"qwen25\"; the nearest are \"qwen2\", \"qwen2.5\""},
        Row{"LLAMA2", "", "the nearest are \"llama\""}, Row{"", "Qwen2", "nearest are \"qwen2\""},
        Row{"", "", "config.json has no model_type"},
        Row{"", "no such thing at all", "serves the type \"no such thing at all\"\n"},
        Row{std::string(100'000, 'x'), "", "no model spec has the name"},
        Row{"none/such.json", "", "none/such.json"}, Row{"such.json", "", "such.json"}}) {
    CAPTURE(row.type);
    CAPTURE(row.expected);
    const auto spec = choose_model_spec(real_file_system(), THAW_MODEL_SPECS, row.name, row.type);
    REQUIRE_FALSE(spec.ok());
    CHECK(spec.error().code == ErrorCode::input);
    CHECK_MESSAGE(spec.error().text().find(row.expected) != std::string::npos, spec.error().text());
  }
}

TEST_CASE("choose_model_spec: a broken file is told of, whichever spec is asked for") {
  const testing::TemporaryDirectory directory;
  directory.write("specs/good.json", spec_text(R"("good")"));
  directory.write("specs/broken.json", "{}");
  for (const std::string name : {"good", "broken", "other"}) {
    const auto spec = choose_model_spec(real_file_system(), directory / "specs", name, "");
    REQUIRE_FALSE(spec.ok());
    CHECK(spec.error().text().find("broken.json: layers: is missing") != std::string::npos);
  }
}

}  // namespace
}  // namespace thaw
