// The bytes of every output that the small models of tests/data give, by their SHA-256 in
// tests/data/hashes.txt: whatever changes inside, these stay. specs/numbers.md and
// specs/output.md say what they are; here it only counts that they are the same.
//
// A change that is meant to change bytes writes the table anew, and says in its commit which lines
// moved and why: THAW_WRITE_HASHES=tests/data/hashes.txt convert_test -tc='*same bytes*'
#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "convert/convert.h"
#include "convert/support.h"
#include "io/sha256.h"
#include "kernels/kernels.h"
#include "quant/golden_cases.h"

namespace thaw {
namespace {

namespace fs = std::filesystem;
using testing::content_of;
using testing::TemporaryDirectory;

void add_text(Sha256& hash, std::string_view text) {
  hash.add(std::as_bytes(std::span(text.data(), text.size())));
}

std::string hash_of_file(const std::string& path) {
  Sha256 hash;
  add_text(hash, content_of(path));
  return hash.finish();
}

// Of the names and bytes of all files below it.
std::string hash_of_directory(const std::string& directory) {
  std::map<std::string, std::string> files;
  for (const auto& entry : fs::recursive_directory_iterator(directory)) {
    if (!entry.is_regular_file()) continue;
    files[entry.path().lexically_relative(directory).string()] = entry.path().string();
  }
  Sha256 hash;
  for (const auto& [name, path] : files) {
    add_text(hash, name + '\0' + hash_of_file(path) + '\n');
  }
  return hash.finish();
}

// "case, options" to the hash. What is seen twice must be the same twice.
class Table {
 public:
  void add(const std::string& key, const std::string& hash) {
    const auto [at, added] = hashes_.emplace(key, hash);
    CHECK_MESSAGE(at->second == hash, key);
  }
  void compare() const {
    const std::string path = THAW_TEST_DATA "/hashes.txt";
    if (const char* target = std::getenv("THAW_WRITE_HASHES")) {
      std::ofstream file(target, std::ios::binary);
      for (const auto& [key, hash] : hashes_) file << hash << "  " << key << '\n';
      REQUIRE(file.good());
      return;
    }
    std::map<std::string, std::string> expected;
    std::ifstream file(path);
    for (std::string line; std::getline(file, line);)
      expected[line.substr(66)] = line.substr(0, 64);
    CHECK(expected.size() == hashes_.size());
    for (const auto& made : hashes_) {
      const std::string& key = made.first;
      const std::string& hash = made.second;
      const auto found = expected.find(key);
      CHECK_MESSAGE((found != expected.end() && found->second == hash), key);
    }
  }

 private:
  std::map<std::string, std::string> hashes_;
};

std::vector<std::string> isas() {
  const kernels::TableList list = kernels::available_tables();
  std::vector<std::string> names;
  for (std::size_t i = 0; i < list.count; ++i) names.emplace_back(list.tables[i]->name);
  return names;
}

class Converter {
 public:
  // One tar of all files; every instruction set has to give the same.
  void tar(const std::string& key, ConvertOptions options) {
    for (const std::string& isa : isas()) {
      options.isa = isa;
      options.to = StreamFormat::tar;
      options.archive_root = "model";
      options.out = work_ / "out.tar";
      options.force = true;
      test::must_convert(options);
      table_.add(key + ", tar", hash_of_file(options.out));
    }
  }
  void directory(const std::string& key, ConvertOptions options) {
    options.out = work_ / "out";
    test::must_convert(options);
    table_.add(key + ", directory", hash_of_directory(options.out));
    fs::remove_all(options.out);
  }
  void types(const std::string& key, const ConvertOptions& options) {
    struct Row {
      std::string name;
      Dtype dtype;
      Rounding rounding = Rounding::exact;
    };
    for (const Row& row : {Row{"float16", Dtype::f16}, Row{"bfloat16", Dtype::bf16},
                           Row{"bfloat16 via float16", Dtype::bf16, Rounding::via_float16},
                           Row{"float32", Dtype::f32}}) {
      ConvertOptions typed = options;
      typed.dtype = row.dtype;
      typed.rounding = row.rounding;
      tar(key + ", " + row.name, typed);
    }
  }
  void compare() const { table_.compare(); }

 private:
  TemporaryDirectory work_{TemporaryDirectory::Place::memory};
  Table table_;
};

TEST_CASE("every small model, type, instruction set and destination: the same bytes as ever") {
  Converter converter;
  for (const char* const fixture : test::kFixtures) {
    const ConvertOptions options = test::options_for(test::model_path(fixture), "");
    converter.types(fixture, options);
    converter.directory(fixture, options);
    ConvertOptions sharded = options;
    sharded.max_shard_size = 150'000;
    converter.directory(std::string(fixture) + ", shards of 150 kB", sharded);
    converter.tar(std::string(fixture) + ", shards of 150 kB", sharded);
    ConvertOptions narrow = options;  // changes no byte
    narrow.memory = 64'000'000;
    narrow.threads = 1;
    converter.tar(fixture, options);
    converter.tar(fixture, narrow);
  }
  for (const test::GoldenCase& golden : test::golden_cases()) {
    const test::ModelDirectory model;
    golden.write_to(model);
    converter.types(golden.name, test::options_for(model.path(), ""));
  }
  for (const std::string folder : {"low_bits", "mlx", "bitsandbytes", "scaled"}) {
    for (const auto& entry : fs::directory_iterator(THAW_TEST_DATA "/" + folder)) {
      const std::string name = folder + "/" + entry.path().filename().string();
      converter.types(name, test::options_for((entry.path() / "model").string(), ""));
    }
  }
  const std::string pair = THAW_TEST_DATA "/qwen2_5_vl-overlay";
  ConvertOptions overlay = test::options_for(pair + "/awq", "");
  overlay.base = pair + "/base";
  converter.tar("overlay", overlay);
  converter.directory("overlay", overlay);
  ConvertOptions resharded = overlay;
  resharded.max_shard_size = 100'000;
  converter.tar("overlay, shards of 100 kB", resharded);
  overlay.rounding = Rounding::via_float16;
  converter.tar("overlay, via float16", overlay);
  converter.compare();
}

}  // namespace
}  // namespace thaw
