// specs/checkpoint.md clauses 1.2, 2.3 to 2.8, 3.2.1 and 5: shards under other names, shards that
// nothing names, stale indexes, and downloads that did not end.
#include <doctest/doctest.h>

#include <string>
#include <utility>
#include <vector>

#include "checkpoint/checkpoint.h"
#include "support/safetensors_file.h"
#include "support/temporary_directory.h"

namespace thaw {
namespace {

using testing::safetensors;
using testing::TemporaryDirectory;

std::string one(const std::string& name) { return safetensors({{.name = name, .shape = {2}}}); }

std::string index_of(const std::vector<std::pair<std::string, std::string>>& map) {
  std::string text = "{\"weight_map\": {";
  for (std::size_t i = 0; i < map.size(); ++i) {
    text += (i == 0 ? "\"" : ", \"") + map[i].first + "\": \"" + map[i].second + "\"";
  }
  return text + "}}";
}

Error error_of(const std::string& model) {
  const Result<Checkpoint> result = open_checkpoint(real_file_system(), model);
  return result.ok() ? Error() : result.error();
}

void check_has(const std::string& message, const std::string& part) {
  CAPTURE(message);
  CAPTURE(part);
  CHECK(message.find(part) != std::string::npos);
}

// The names of shards and tensors, and the warnings.
struct Opened {
  std::vector<std::string> shards;
  std::vector<std::string> tensors;
  std::vector<std::string> warnings;
  std::vector<std::string> left;
  std::string index;
};

Opened open(const std::string& model) {
  const Result<Checkpoint> result = open_checkpoint(real_file_system(), model);
  REQUIRE_MESSAGE(result.ok(), (result.ok() ? "" : result.error().text()));
  const Checkpoint& checkpoint = result.value();
  Opened opened;
  for (const Shard& shard : checkpoint.shards()) opened.shards.push_back(shard.name);
  for (const Tensor& tensor : checkpoint.tensors()) {
    opened.tensors.emplace_back(tensor.name);
    CHECK(checkpoint.file_of(tensor).ends_with(checkpoint.shards()[tensor.shard].name));
  }
  opened.warnings.assign(checkpoint.warnings().begin(), checkpoint.warnings().end());
  opened.left.assign(checkpoint.files_not_carried().begin(), checkpoint.files_not_carried().end());
  opened.index = checkpoint.index_path();
  return opened;
}

using Names = std::vector<std::string>;

TEST_CASE("blocks that predict further tokens are read where the config speaks of them") {
  struct Row {
    std::string config;
    bool part;
  };
  for (const Row& row : {Row{R"({"num_nextn_predict_layers": 1})", true},
                         Row{R"({"text_config": {"mtp_num_hidden_layers": 1}})", true},
                         Row{R"({"use_mtp": true})", true},
                         Row{R"({"num_nextn_predict_layers": 0, "use_mtp": false})", false},
                         Row{R"({"quantization_config": {"mtp": 4}})", false}, Row{"{}", false}}) {
    CAPTURE(row.config);
    for (const char* name :
         {"mtp.safetensors", "model_mtp.safetensors", "model-NextN-1.safetensors"}) {
      for (const bool index : {false, true}) {
        const TemporaryDirectory dir;
        dir.write("config.json", row.config);
        dir.write("model.safetensors", one("b"));
        dir.write(name, one("a"));
        if (index) {
          dir.write("model.safetensors.index.json", index_of({{"b", "model.safetensors"}}));
        }
        const Opened opened = open(dir.path());
        CHECK(opened.shards ==
              (row.part ? Names{"model.safetensors", name} : Names{"model.safetensors"}));
        CHECK(opened.tensors == (row.part ? Names{"a", "b"} : Names{"b"}));
        REQUIRE(opened.warnings.size() == (row.part ? 0 : 1));
        CHECK(opened.left == (row.part ? Names{} : Names{name}));
        if (!row.part) check_has(opened.warnings[0], "are left behind, because neither");
      }
    }
  }
}

TEST_CASE("such blocks under another name are told by their tensors") {
  const TemporaryDirectory dir;
  dir.write("config.json", R"({"mtp_num_hidden_layers": 1})");
  dir.write("model.safetensors", one("b"));
  dir.write("model_extra_tensors.safetensors", one("mtp.layers.0.fc.weight"));
  CHECK(open(dir.path()).tensors == Names{"b", "mtp.layers.0.fc.weight"});
}

TEST_CASE(
    "weights that nothing names are named in a warning, and what is a form of the model stays") {
  const TemporaryDirectory dir;
  dir.write("config.json", R"({"num_nextn_predict_layers": 1})");
  dir.write("model-00001-of-00002.safetensors", one("a"));
  dir.write("model-00002-of-00002.safetensors", one("b"));
  dir.write("model-00003-of-00003.safetensors", one("x"));
  dir.write("mtp.safetensors", one("a"));  // the model has it already
  dir.write("packed.safetensors", one("y.qweight"));
  dir.write("vocoder.safetensors", one("z"));
  dir.write("broken.safetensors", "12");
  dir.write("model.safetensors.index.json", index_of({{"a", "model-00001-of-00002.safetensors"},
                                                      {"b", "model-00002-of-00002.safetensors"}}));
  const Opened opened = open(dir.path());
  CHECK(opened.tensors == Names{"a", "b"});
  REQUIRE(opened.warnings.size() == 2);
  check_has(opened.warnings[0],
            "are left behind: model-00003-of-00003.safetensors, mtp.safetensors, "
            "packed.safetensors");
  check_has(opened.warnings[1], "carried as they are: broken.safetensors, vocoder.safetensors");
  CHECK(opened.left ==
        Names{"model-00003-of-00003.safetensors", "mtp.safetensors", "packed.safetensors"});
  dir.write("mtp.safetensors", "cut off");
  check_has(error_of(dir.path()).text(), "mtp.safetensors: not a safetensors file");
}

TEST_CASE("an index counts beside model.safetensors where it names it") {
  const TemporaryDirectory dir;
  dir.write("model.safetensors", one("b"));
  dir.write("model_mtp.safetensors", one("a"));
  dir.write("model.safetensors.index.json",
            index_of({{"a", "model_mtp.safetensors"}, {"b", "model.safetensors"}}));
  CHECK(open(dir.path()).tensors == Names{"a", "b"});
  CHECK(open(dir.path()).warnings.empty());
  // Of the float original, whose shards are there or not.
  for (const bool there : {false, true}) {
    dir.write("model.safetensors.index.json",
              index_of({{"c", "model-00001-of-00001.safetensors"}}));
    if (there) dir.write("model-00001-of-00001.safetensors", one("c"));
    const Opened opened = open(dir.path());
    CHECK(opened.tensors == Names{"b"});
    CHECK(opened.index.empty());
    check_has(opened.warnings[0], "model.safetensors.index.json: is left aside: it does not name");
    CHECK(opened.left[there ? 1 : 0] == "model.safetensors.index.json");
  }
}

TEST_CASE("weights under the names of GPTQ's tools are found beside a config") {
  struct Row {
    std::vector<std::string> files;
    std::string quantize_config;
    Names shards;  // empty: refused
  };
  const std::string gptq = "gptq_model-4bit-128g";
  const std::vector<Row> rows = {
      {{gptq + ".safetensors"}, "{}", {gptq + ".safetensors"}},
      {{"Some-7B.act.order.safetensors"}, "{}", {"Some-7B.act.order.safetensors"}},
      {{gptq + "-00001-of-00002.safetensors", gptq + "-00002-of-00002.safetensors"},
       "{}",
       {gptq + "-00001-of-00002.safetensors", gptq + "-00002-of-00002.safetensors"}},
      {{gptq + ".safetensors", "other.safetensors"}, "{}", {gptq + ".safetensors"}},
      {{"a.safetensors", "b.safetensors"}, R"({"model_file_base_name": "b"})", {"b.safetensors"}},
      {{"a.safetensors", "adapter_model.safetensors", "mtp.safetensors",
        "consolidated.safetensors"},
       "{}",
       {"a.safetensors"}},
      {{"model.safetensors", gptq + ".safetensors"}, "{}", {"model.safetensors"}},
      {{"a.safetensors", "b.safetensors"}, "{}", {}},
      {{gptq + "-00001-of-00002.safetensors"}, "{}", {}},
      {{"a.safetensors"}, "", {}},
      {{"adapter_model.safetensors"}, "{}", {}},
  };
  for (const Row& row : rows) {
    const TemporaryDirectory dir;
    for (const std::string& file : row.files) {
      CAPTURE(file);
      dir.write(file, one(file));
    }
    if (!row.quantize_config.empty()) dir.write("quantize_config.json", row.quantize_config);
    if (row.shards.empty()) {
      CHECK(error_of(dir.path()).code == ErrorCode::input);
    } else {
      CHECK(open(dir.path()).shards == row.shards);
    }
  }
  const TemporaryDirectory dir;  // with an index of its own
  dir.write("config.json", "{}");
  dir.write("g-00001-of-00002.safetensors", one("a"));
  dir.write("g-00002-of-00002.safetensors", one("b"));
  dir.write("g.safetensors.index.json", index_of({{"a", "g-00001-of-00002.safetensors"},
                                                  {"b", "g-00002-of-00002.safetensors"}}));
  CHECK(open(dir.path()).tensors == Names{"a", "b"});
  CHECK(open(dir.path()).left.empty());
  check_has(open(dir.path()).index, "g.safetensors.index.json");
}

TEST_CASE("one shard of several is refused with the directory's name, unless it was asked for") {
  const TemporaryDirectory dir;
  const std::string numbered = dir.write("model-00001-of-00002.safetensors", one("a"));
  const std::string single = dir.write("model.safetensors", one("b"));
  check_has(error_of(numbered).text(), "is one shard of several (1 of 2), not a whole model");
  check_has(error_of(numbered).text(), "Pass the directory as MODEL: " + dir.path());
  CHECK(open(single).tensors == Names{"b"});
  dir.write("model.safetensors.index.json", index_of({{"c", "elsewhere.safetensors"}}));
  CHECK(open(single).tensors == Names{"b"});
  dir.write("model.safetensors.index.json",
            index_of({{"a", "mtp.safetensors"}, {"b", "model.safetensors"}}));
  check_has(error_of(single).text(), "(model.safetensors.index.json names 2)");
  const Result<Checkpoint> alone =
      open_checkpoint(real_file_system(), numbered, {.this_file_only = true});
  REQUIRE(alone.ok());
  CHECK(alone.value().tensors().size() == 1);
}

TEST_CASE("a stale index is said to be stale, and that removing it helps") {
  const TemporaryDirectory dir;
  dir.write("model-00001-of-00002.safetensors", one("a"));
  dir.write("model-00002-of-00002.safetensors", one("b"));
  const std::string index = dir.write("model.safetensors.index.json",
                                      index_of({{"a", "model-00001-of-00003.safetensors"},
                                                {"b", "model-00002-of-00003.safetensors"}}));
  const Error stale = error_of(dir.path());
  REQUIRE(stale.messages.size() == 1);
  check_has(stale.messages[0], "is stale: it names model-00001-of-00003.safetensors");
  check_has(stale.hint, "rm " + index);
  // It names the right files and the wrong tensors.
  dir.write("model.safetensors.index.json", index_of({{"a", "model-00001-of-00002.safetensors"},
                                                      {"c", "model-00002-of-00002.safetensors"}}));
  check_has(error_of(dir.path()).hint, "remove it, and they are read without it: rm " + index);
}

TEST_CASE("downloads that did not end are told, with the command that fetches the rest") {
  const std::string local = "hf download ORG/NAME --local-dir ";
  {
    const TemporaryDirectory dir;
    dir.write("model-00001-of-00002.safetensors", one("a"));
    dir.write("model.safetensors.index.json",
              index_of({{"a", "model-00001-of-00002.safetensors"},
                        {"b", "model-00002-of-00002.safetensors"}}));
    check_has(error_of(dir.path()).text(), "model-00002-of-00002.safetensors: is not there");
    check_has(error_of(dir.path()).hint,
              "The download may be incomplete. Repair the download with: " + local + dir.path());
    dir.write(".cache/huggingface/download/model-00002-of-00002.safetensors.12.incomplete", "x");
    check_has(error_of(dir.path()).hint, "A download has not ended here (1 file *.incomplete).");
  }
  const std::string pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n";
  for (const char* name : {"model.safetensors", "config.json", "model.safetensors.index.json"}) {
    CAPTURE(name);
    const TemporaryDirectory dir;
    dir.write("model.safetensors", one("a"));
    dir.write(name, pointer);
    check_has(error_of(dir.path()).text(), std::string(name) + ": is a pointer of Git LFS");
    check_has(error_of(dir.path()).hint, "git lfs pull");
  }
  for (const char* name : {"model.safetensors", "config.json"}) {
    CAPTURE(name);
    const TemporaryDirectory dir;
    dir.write("model.safetensors", one("a"));
    dir.write(name, "");
    check_has(error_of(dir.path()).text(), std::string(name) + ": is empty");
    check_has(error_of(dir.path()).hint, local);
  }
  const TemporaryDirectory dir;
  dir.write("model.safetensors", one("a"));
  dir.write("tokenizer.json", pointer);
  REQUIRE(open(dir.path()).warnings.size() == 1);
  check_has(open(dir.path()).warnings[0], "pointers of Git LFS are carried");
}

TEST_CASE("a shard that is cut off is one line, wherever the cut is") {
  std::vector<testing::TensorSpec> specs;
  for (int i = 0; i < 40; ++i) {
    specs.push_back({.name = std::string("t").append(std::to_string(100 + i)), .shape = {64}});
  }
  const std::string whole = safetensors(specs);
  for (const std::size_t missing : {1, 128, 129, 5000, 5120}) {
    CAPTURE(missing);
    const TemporaryDirectory dir;
    const std::size_t size = whole.size() - missing;
    dir.write("model.safetensors", whole.substr(0, size));
    const Error error = error_of(dir.path());
    REQUIRE(error.messages.size() == 1);
    const std::size_t beyond = (missing + 127) / 128;
    std::string expected = "is cut off: it has ";
    expected.append(std::to_string(size)).append(" bytes and should have ");
    expected.append(std::to_string(whole.size())).append("; ").append(std::to_string(beyond));
    expected.append(" of its 40 tensors lie beyond its end, the first is t");
    check_has(error.messages[0], expected.append(std::to_string(140 - beyond)));
    check_has(error.hint, "hf download");
  }
  const TemporaryDirectory dir;  // in its header
  dir.write("model.safetensors", whole.substr(0, 100));
  check_has(error_of(dir.path()).text(), "the rest of the file");
  check_has(error_of(dir.path()).hint, "hf download");
}

}  // namespace
}  // namespace thaw
