#include "plan/fingerprint.h"

#include <doctest/doctest.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "plan/plan.h"
#include "quant/linears.h"
#include "support/places.h"
#include "support/planned_model.h"
#include "support/temporary_directory.h"

namespace thaw {
namespace {

namespace fs = std::filesystem;
using testing::content_of;
using testing::TemporaryDirectory;

// The fingerprint of a model directory's plan; empty when it is refused.
std::string fingerprint_of(const std::string& model, PlanRequest request = {},
                           const FindOptions& find = {}) {
  const auto checkpoint = open_checkpoint(real_file_system(), model);
  if (!checkpoint.ok()) return {};
  const auto linears = find_quantized_linears(checkpoint.value(), find);
  if (!linears.ok()) return {};
  std::vector<MappedFile> side_files;
  for (const SideFile& side : checkpoint.value().side_files()) {
    auto file = MappedFile::open(real_file_system(), side.path, MappedFile::Empty::allowed);
    if (!file.ok()) return {};
    side_files.push_back(std::move(file).value());
  }
  request.checkpoint = &checkpoint.value();
  request.linears = &linears.value();
  request.side_files = side_files;
  const auto plan = make_plan(request);
  return plan.ok() ? plan.value().fingerprint : std::string();
}

struct Model {
  explicit Model(const std::string& fixture) : path(directory / "model") {
    fs::copy(std::string(THAW_TEST_DATA) + "/" + fixture + "/model", path,
             fs::copy_options::recursive);
    for (const auto& entry : fs::directory_iterator(path)) {
      fs::permissions(entry.path(), fs::perms::owner_write, fs::perm_options::add);
    }
    usual = fingerprint_of(path);
    REQUIRE_FALSE(usual.empty());
  }
  // With another content of one file, which is put back afterwards.
  [[nodiscard]] std::string with(const std::string& name, const std::string& content) const {
    const std::string file = path + "/" + name;
    const std::string before = content_of(file);
    std::ofstream(file, std::ios::binary) << content;
    std::string found = fingerprint_of(path);
    std::ofstream(file, std::ios::binary) << before;
    return found;
  }

  TemporaryDirectory directory;
  std::string path;
  std::string usual;
};

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const std::size_t at = text.find(from);
  REQUIRE_MESSAGE(at != std::string::npos, from);
  return text.replace(at, from.size(), to);
}

// Where the values of a JSON text begin and end, by scanning for what follows a colon: numbers,
// words and strings, of every depth.
std::vector<std::pair<std::size_t, std::size_t>> values_of(const std::string& text) {
  std::vector<std::pair<std::size_t, std::size_t>> values;
  for (std::size_t at = text.find("\": "); at != std::string::npos;
       at = text.find("\": ", at + 1)) {
    const std::size_t begin = at + 3;
    if (text[begin] == '{' || text[begin] == '[') continue;
    std::size_t end = text.find_first_of(",\n}", begin);
    if (text[begin] == '"') end = text.find('"', begin + 1) + 1;
    values.emplace_back(begin, end);
  }
  return values;
}

// Of the same kind, and legal wherever the old one was, unless it is one that decides: those are
// in the next test.
std::string another(const std::string& value) {
  if (value == "true") return "false";
  if (value == "false") return "true";
  if (value == "null") return "7";
  if (value.front() == '"') return value.substr(0, value.size() - 1) + "x\"";
  return value.find('.') != std::string::npos ? value + "5" : value + "1";
}

// specs/output.md clause 11.
TEST_CASE("every value of every config file is in the fingerprint, or refused") {
  struct Row {
    const char* fixture;
    const char* file;
  };
  for (const Row& row :
       {Row{"llama-gptq-v1-desc_act", "quantize_config.json"},
        Row{"llama-gptq-v1-desc_act", "config.json"},
        Row{"llama-autoround-mixed", "quantization_config.json"},
        Row{"llama-gptqmodel-awq", "quantize_config.json"}, Row{"qwen2-awq-gemm", "config.json"},
        Row{"qwen3-ct-awq-asym", "config.json"}}) {
    CAPTURE(row.fixture);
    CAPTURE(row.file);
    const Model model(row.fixture);
    const std::string text = content_of(model.path + "/" + row.file);
    std::set<std::string> seen = {model.usual};
    std::size_t legal = 0;
    for (const auto& range : values_of(text)) {
      const std::size_t begin = range.first;
      const std::size_t end = range.second;
      const std::string value = text.substr(begin, end - begin);
      CAPTURE(text.substr(begin < 30 ? 0 : begin - 30, 40));
      std::string changed = text;
      changed.replace(begin, end - begin, another(value));
      const std::string found = model.with(row.file, changed);
      if (found.empty()) continue;  // no such model: nothing is made of it
      CHECK(seen.insert(found).second);
      ++legal;
    }
    CHECK(legal >= 8);
    CHECK(fingerprint_of(model.path) == model.usual);
  }
}

TEST_CASE("what decides the values is in the fingerprint, wherever it is said") {
  struct Row {
    const char* fixture;
    const char* file;
    const char* from;
    const char* to;
  };
  for (const Row& row : {
           Row{"llama-gptq-v1-desc_act", "quantize_config.json", "\"checkpoint_format\": \"gptq\"",
               "\"checkpoint_format\": \"gptq_v2\""},
           Row{"llama-gptq-v1-desc_act", "quantize_config.json", "\"sym\": false", "\"sym\": true"},
           Row{"llama-gptq-v1-desc_act", "quantize_config.json", "\"desc_act\": true",
               "\"desc_act\": false"},
           Row{"llama-gptq-v1-desc_act", "quantize_config.json", "\"sym\": false",
               "\"sym\": false, \"dynamic\": {\"-:.*nothing.*\": {}}"},
           Row{"llama-autoround-mixed", "quantization_config.json", "\"sym\": true",
               "\"sym\": false"},
           Row{"llama-autoround-mixed", "quantization_config.json", "\"group_size\": 64",
               "\"group_size\": 64, \"sym\": false"},
           Row{"qwen3-ct-awq-asym", "config.json", "\"symmetric\": false", "\"symmetric\": true"},
       }) {
    CAPTURE(row.to);
    const Model model(row.fixture);
    const std::string text = content_of(model.path + "/" + row.file);
    CHECK(model.with(row.file, replaced(text, row.from, row.to)) != model.usual);
  }
}

TEST_CASE("a config file that comes or goes, and every byte of a header, are in the fingerprint") {
  const Model model("llama-gptq-v1-desc_act");
  std::set<std::string> seen = {model.usual};
  fs::rename(model.path + "/quantize_config.json", model.path + "/quant_config.json");
  CHECK(seen.insert(fingerprint_of(model.path)).second);  // the same text under another name
  fs::remove(model.path + "/quant_config.json");
  CHECK(seen.insert(fingerprint_of(model.path)).second);

  const std::vector<testing::TensorSpec> tensors = testing::toy_tensors();
  const TemporaryDirectory directory;
  directory.write("model/config.json", testing::kGemmConfig);
  const std::string bytes = testing::safetensors(tensors);
  const std::string shard = directory.write("model/model.safetensors", bytes);
  const std::string usual = fingerprint_of(directory / "model");
  REQUIRE_FALSE(usual.empty());
  // Names of tensors, letter by letter: what is legal has another fingerprint.
  const std::size_t header = bytes.find("model.layers.0.norm.weight");
  REQUIRE(header != std::string::npos);
  std::set<std::string> headers = {usual};
  for (std::size_t i = 0; i < std::string_view("model.layers.0.norm.weight").size(); ++i) {
    std::string changed = bytes;
    changed[header + i] = 'z';
    directory.write("model/model.safetensors", changed);
    const std::string found = fingerprint_of(directory / "model");
    CHECK((found.empty() || headers.insert(found).second));
  }
  CHECK(headers.size() > 10);
}

TEST_CASE("options that change bytes are in the fingerprint") {
  const Model model("qwen2-awq-gemm");
  std::set<std::string> seen = {model.usual};
  CHECK(seen.insert(fingerprint_of(model.path, {.dtype = Dtype::bf16})).second);
  CHECK(seen.insert(fingerprint_of(model.path, {.dtype = Dtype::f32})).second);
  CHECK(
      seen.insert(fingerprint_of(model.path, {.dtype = Dtype::bf16, .via_float16 = true})).second);
  CHECK(seen.insert(fingerprint_of(model.path, {.max_shard_size = 100'000})).second);
  CHECK(seen.insert(fingerprint_of(model.path, {.allow_overflow = true})).second);
  // Where all fits into one shard either way, its size decides nothing.
  CHECK(fingerprint_of(model.path, {.max_shard_size = 4'000'000'000}) == model.usual);
}

TEST_CASE("neither place nor times nor the values of weights are in the fingerprint") {
  const Model model("llama-gptq-v1-desc_act");
  const Model elsewhere("llama-gptq-v1-desc_act");
  CHECK(elsewhere.usual == model.usual);
  const std::string shard = model.path + "/model.safetensors";
  fs::last_write_time(shard, fs::file_time_type::clock::now() - std::chrono::hours(48));
  CHECK(fingerprint_of(model.path) == model.usual);
  // They are data, and watched: sink/input_marks.h.
  std::string bytes = content_of(shard);
  bytes.back() = static_cast<char>(bytes.back() ^ 1);
  std::ofstream(shard, std::ios::binary) << bytes;
  CHECK(fingerprint_of(model.path) == model.usual);
  // A side file's name and size decide the plan.
  std::ofstream(model.path + "/tokenizer.json", std::ios::app) << " ";
  CHECK(fingerprint_of(model.path) != model.usual);
}

}  // namespace
}  // namespace thaw
