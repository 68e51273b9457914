#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
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

std::string one(const std::string& name) {
  return safetensors({{.name = name, .dtype = Dtype::f32, .shape = {2}}});
}

// The error's text, or nothing.
std::string message_of(const std::string& model, ErrorCode code = ErrorCode::input) {
  const Result<Checkpoint> result = open_checkpoint(real_file_system(), model);
  if (result.ok()) return "";
  CHECK(result.error().code == code);
  return result.error().text();
}

void check_has(const std::string& message, const std::string& part) {
  CAPTURE(message);
  CAPTURE(part);
  CHECK(message.find(part) != std::string::npos);
}

std::vector<std::string> names(const Checkpoint& checkpoint) {
  std::vector<std::string> all;
  for (const Tensor& tensor : checkpoint.tensors()) all.emplace_back(tensor.name);
  return all;
}

std::string index_of(const std::vector<std::pair<std::string, std::string>>& map) {
  std::string text = "{\"metadata\": {\"total_size\": 16}, \"weight_map\": {";
  for (std::size_t i = 0; i < map.size(); ++i) {
    text += (i == 0 ? "\"" : ", \"") + map[i].first + "\": \"" + map[i].second + "\"";
  }
  return text + "}}";
}

TEST_CASE("open_checkpoint: a directory with an index is read through it") {
  const TemporaryDirectory dir;
  dir.write("b.safetensors", safetensors({{.name = "x", .dtype = Dtype::f32, .shape = {2}}},
                                         R"({"format":"pt","k":"b"})"));
  dir.write("a-2.safetensors",
            safetensors({{.name = "z", .dtype = Dtype::i32, .shape = {1}, .data = "abcd"},
                         {.name = "a", .dtype = Dtype::u8, .shape = {}, .data = "e"}},
                        R"({"k":"a"})"));
  dir.write("other.safetensors", one("not.read"));
  dir.write("model.safetensors.index.json",
            index_of({{"x", "b.safetensors"}, {"z", "a-2.safetensors"}, {"a", "a-2.safetensors"}}));
  dir.write("config.json", "{\"eps\": NaN, \"big\": 123456789012345678901234567890}\n");
  dir.write("quantize_config.json", "{\"bits\": 4}");
  Result<Checkpoint> result = open_checkpoint(real_file_system(), dir.path() + "/");
  REQUIRE_MESSAGE(result.ok(), message_of(dir.path()));
  Checkpoint moved = std::move(result).value();
  const Checkpoint checkpoint = std::move(moved);
  CHECK(names(checkpoint) == std::vector<std::string>{"a", "x", "z"});
  REQUIRE(checkpoint.shards().size() == 2);
  CHECK(checkpoint.shards()[0].name == "a-2.safetensors");
  CHECK(checkpoint.shards()[0].header_hash != checkpoint.shards()[1].header_hash);
  const Tensor* z = checkpoint.find("z");
  REQUIRE(z != nullptr);
  CHECK(std::string(reinterpret_cast<const char*>(checkpoint.bytes(*z).data()), 4) == "abcd");
  CHECK(z->dtype == Dtype::i32);
  CHECK(z->shape.size() == 1);
  CHECK(checkpoint.file_of(*z) == (dir / "a-2.safetensors"));
  CHECK(checkpoint.find("not.read") == nullptr);
  REQUIRE(checkpoint.metadata().size() == 2);
  CHECK(checkpoint.metadata()[1] == std::pair<std::string, std::string>("k", "a"));
  CHECK(checkpoint.config_text().find("NaN") != std::string::npos);
  CHECK(checkpoint.config().find("eps")->kind == json::Kind::number);
  REQUIRE(checkpoint.quantization_files().size() == 1);
  CHECK(checkpoint.quantization_files()[0].content.find("bits")->as_integer() == 4);
  CHECK(checkpoint.files_not_carried().size() == 1);
  // Nothing names it, and it is no other form of this model.
  REQUIRE(checkpoint.side_files().size() == 1);
  CHECK(checkpoint.side_files()[0].name == "other.safetensors");
  REQUIRE(checkpoint.warnings().size() == 1);
  check_has(checkpoint.warnings()[0], "carried as they are: other.safetensors");
  CHECK(checkpoint.is_directory());
  CHECK(checkpoint.path() == dir.path() + "/");
}

TEST_CASE("open_checkpoint: an index that lies is an error that says where") {
  struct Row {
    std::string index;
    std::string message;
  };
  const std::vector<Row> rows = {
      {index_of({{"a", "s1.safetensors"}, {"d", "s2.safetensors"}}),
       "index.json: b: is in s2.safetensors, but the index"},
      {index_of({{"a", "s2.safetensors"}, {"b", "s2.safetensors"}, {"d", "s1.safetensors"}}),
       "index.json: a: the shard: got \"s2.safetensors\", expected \"s1.safetensors\""},
      {index_of({{"a", "s1.safetensors"}, {"b", "s2.safetensors"}, {"c", "s2.safetensors"}}),
       "index.json: c: is listed in \"s2.safetensors\", but no shard holds it"},
      {index_of({{"a", "s1.safetensors"}, {"b", "s2.safetensors"}, {"b", "s2.safetensors"}}),
       "index.json: b: is listed twice"},
      {index_of({{"a", "s1.safetensors"}, {"b", "s3.safetensors"}}),
       "s3.safetensors: is not there"},
      {index_of({{"a", "../s1.safetensors"}}), "index.json: a: the name of its shard leads out"},
      {index_of({{"a", "/etc/passwd"}}), "leads out of the directory"},
      {index_of({{"a", "sub/s1.safetensors"}}), "leads out of the directory"},
      {index_of({{"a", ".."}}), "is a directory's"},
      {index_of({{"a", ""}}), "is empty"},
      {index_of({{"a", "s1\\\\s.safetensors"}}), "holds a backslash"},
      {index_of({{"a", "s1\\u0000.safetensors"}}), "holds a control character"},
      {index_of({{"a", "\\u001b[2J.safetensors"}}), "holds a control character"},
      {index_of({{"a", "pytorch_model.bin"}}), "does not end in .safetensors"},
      {index_of({{"a", std::string(300, 'x') + ".safetensors"}}), "is longer than 240 bytes"},
      {"{\"weight_map\": {\"a\": 1}}", "index.json: a: the shard: got 1, expected a file name"},
      {"{\"weight_map\": {}}", "weight_map lists no tensor"},
      {"{\"weight_map\": []}", "not a JSON object"},
      {"{\"weight_map\": null}", "not a JSON object"},
      {"{}", "index.json: weight_map: got none"},
      {"[]", "not a JSON object"},
      {"{\"weight_map\": {\"a\": \"s1.safetensors\"}, \"weight_map\": {}}",
       "the key \"weight_map\" stands twice"},
      {"{\"metadata\": {\"a\": 1, \"a\": 2}, \"weight_map\": {\"a\": \"s1.safetensors\"}}",
       "the key \"a\" stands twice"},
      {"{\"weight_map\": {\"a\": \"s1.safetensors\",}}", "not valid JSON"},
      {"{\"weight_map\": {\"a\": \"s1.safetensors\"}} x", "not valid JSON"},
      {"{\"metadata\": {\"total_size\": NaN}, \"weight_map\": {\"a\": \"s1.safetensors\"}}",
       "not valid JSON"},
      {"", "is empty"},
  };
  for (const Row& row : rows) {
    const TemporaryDirectory dir;
    dir.write("s1.safetensors", one("a"));
    dir.write("s2.safetensors",
              safetensors({{.name = "b", .shape = {1}}, {.name = "d", .shape = {1}}}));
    dir.write("model.safetensors.index.json", row.index);
    check_has(message_of(dir.path()), row.message);
  }
}

TEST_CASE("open_checkpoint: without an index, one file or a complete set is read") {
  const TemporaryDirectory dir;
  dir.write("model-00002-of-00002.safetensors", one("b"));
  dir.write("model-00001-of-00002.safetensors", one("a"));
  {
    const Result<Checkpoint> result = open_checkpoint(real_file_system(), dir.path());
    REQUIRE(result.ok());
    CHECK(names(result.value()) == std::vector<std::string>{"a", "b"});
    CHECK(result.value().config().kind == json::Kind::null);
    CHECK(result.value().config_text().empty());
  }
  dir.write("model.safetensors", one("c"));
  const Result<Checkpoint> result = open_checkpoint(real_file_system(), dir.path());
  REQUIRE(result.ok());
  CHECK(names(result.value()) == std::vector<std::string>{"c"});
  CHECK(result.value().files_not_carried().size() == 2);
}

TEST_CASE("open_checkpoint: directories without a model say what is missing") {
  struct Row {
    std::vector<std::string> files;
    std::string message;
  };
  const std::vector<Row> rows = {
      {{}, "no weights in this directory"},
      {{"config.json"}, "no weights in this directory"},
      {{"pytorch_model.bin"}, "thaw reads safetensors only, no pickles"},
      {{"model.gguf"}, "no safetensors weights: got model.gguf"},
      {{"consolidated.00.pth"}, "no safetensors weights"},
      {{"awq_model.safetensors"}, "Pass the file itself as MODEL"},
      {{"model-00001-of-00003.safetensors", "model-00003-of-00003.safetensors"},
       "an incomplete set of shards: got 2 of 3, and number 2 is missing"},
      {{"model-00001-of-00001.safetensors", "model-1-of-1.safetensors"}, "is there twice"},
      {{"model-00000-of-00001.safetensors"}, "shard 0 of 1: no such number"},
      {{"model-00001-of-00002.safetensors", "model-00001-of-00003.safetensors"},
       "shards of more than one model"},
      {{"model-00001-of-99999999.safetensors"}, "number 2 is missing"},
      {{"model-x-of-00001.safetensors"}, "no model under a name that thaw knows"},
  };
  for (const Row& row : rows) {
    const TemporaryDirectory dir;
    for (const std::string& file : row.files) dir.write(file, file == "config.json" ? "{}" : "");
    check_has(message_of(dir.path()), row.message);
    check_has(message_of(dir.path()), dir.path() + ": ");
  }
}

TEST_CASE("open_checkpoint: a tensor in two shards is an error with both files") {
  const TemporaryDirectory dir;
  dir.write("model-00001-of-00002.safetensors", one("a"));
  dir.write("model-00002-of-00002.safetensors", one("a"));
  check_has(message_of(dir.path()),
            "model-00002-of-00002.safetensors: a: is in two shards, the other is "
            "model-00001-of-00002.safetensors");
}

TEST_CASE("open_checkpoint: all broken shards are reported at once") {
  const TemporaryDirectory dir;
  dir.write("model-00001-of-00002.safetensors", "");
  dir.write("model-00002-of-00002.safetensors", "abc");
  const std::string message = message_of(dir.path());
  check_has(message, "model-00001-of-00002.safetensors: is empty");
  check_has(message, "model-00002-of-00002.safetensors: not a safetensors file");
}

TEST_CASE("open_checkpoint: a bare file uses the configs beside it and carries nothing") {
  const TemporaryDirectory dir;
  const std::string file = dir.write("odd name.safetensors", one("a"));
  dir.write("config.json", "{\"x\": 1}");
  dir.write("quant_config.json", "{}");
  dir.write("tokenizer.json", "{}");
  dir.write("model.safetensors", "broken");
  const Result<Checkpoint> result = open_checkpoint(real_file_system(), file);
  REQUIRE(result.ok());
  CHECK(names(result.value()) == std::vector<std::string>{"a"});
  CHECK(!result.value().is_directory());
  CHECK(result.value().directory() == dir.path());
  CHECK(result.value().config().find("x") != nullptr);
  CHECK(result.value().quantization_files().size() == 1);
  CHECK(result.value().side_files().empty());
  REQUIRE(result.value().files_not_carried().size() == 1);
  CHECK(result.value().files_not_carried()[0] == "tokenizer.json");
}

TEST_CASE("open_checkpoint: what is not a model is refused with advice") {
  const TemporaryDirectory dir;
  check_has(message_of((dir / "none")), "no such file or directory");
  check_has(message_of(""), "is not a path");
  check_has(message_of(dir.write("x.bin", "x")), "is neither a directory nor a .safetensors");
  check_has(message_of(dir.write("x.index.json", "{}")), "Pass the directory that holds it");
  REQUIRE(::mkfifo((dir / "fifo.safetensors").c_str(), 0600) == 0);
  check_has(message_of((dir / "fifo.safetensors")), "is not a regular file");
  std::filesystem::create_symlink((dir / "gone"), dir / "link.safetensors");
  check_has(message_of((dir / "link.safetensors")), "is a link to a file that is not there");
  check_has(message_of("/dev/null"), "is not a regular file");
}

TEST_CASE("open_checkpoint: configs must be JSON objects in regular files") {
  struct Row {
    std::string name;
    std::string content;
    std::string message;
  };
  const std::vector<Row> rows = {
      {"config.json", "{", "config.json: byte 1: not valid JSON"},
      {"config.json", "", "config.json: is empty"},
      {"config.json", "[]", "config.json: the file holds: got an array, expected an object"},
      {"config.json", "null", "got null, expected an object"},
      {"config.json", "\xef\xbb\xbf{}", "byte order mark"},
      {"config.json", "{\"a\":1,\"a\":1}", "stands twice"},
      {"quant_config.json", "{\"bits\":}", "quant_config.json: byte 8: not valid JSON"},
      {"quantize_config.json", "1", "got an integer, expected an object"},
      {"quantization_config.json", "{}}", "quantization_config.json: byte 2"},
  };
  for (const Row& row : rows) {
    const TemporaryDirectory dir;
    const std::string file = dir.write("model.safetensors", one("a"));
    dir.write(row.name, row.content);
    check_has(message_of(dir.path()), row.message);
    check_has(message_of(file), row.message);
  }
  for (const std::string name : {"config.json", "quant_config.json"}) {
    const TemporaryDirectory dir;
    dir.write("model.safetensors", one("a"));
    std::filesystem::create_directory((dir / name));
    check_has(message_of(dir.path()), name + ": is a directory, expected a file");
  }
}

TEST_CASE("open_checkpoint: shards that are no files are refused") {
  const TemporaryDirectory dir;
  std::filesystem::create_directory((dir / "model.safetensors"));
  check_has(message_of(dir.path()), "model.safetensors: is a directory, expected a file");
  std::filesystem::remove((dir / "model.safetensors"));
  REQUIRE(::mkfifo((dir / "model.safetensors").c_str(), 0600) == 0);
  check_has(message_of(dir.path()), "is not a regular file but a device, a FIFO or a socket");
  std::filesystem::remove((dir / "model.safetensors"));
  std::filesystem::create_symlink("model.safetensors", dir / "model.safetensors");
  check_has(message_of(dir.path()), "model.safetensors: is a link to a file that is not there");
}

TEST_CASE("open_checkpoint: a directory that cannot be read is an I/O error") {
  const TemporaryDirectory dir;
  dir.write("model.safetensors", one("a"));
  if (::geteuid() == 0) return;  // to whom everything is readable
  REQUIRE(::chmod(dir.path().c_str(), 0300) == 0);
  check_has(message_of(dir.path(), ErrorCode::io), "cannot list: Permission denied");
  REQUIRE(::chmod(dir.path().c_str(), 0700) == 0);
}

}  // namespace
}  // namespace thaw
