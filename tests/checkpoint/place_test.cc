// specs/checkpoint.md clauses 1 and 4: the hub's cache, and side files.
#include <doctest/doctest.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "checkpoint/checkpoint.h"
#include "checkpoint/hub_cache.h"
#include "support/safetensors_file.h"
#include "support/temporary_directory.h"

namespace thaw {
namespace {

using testing::TemporaryDirectory;
namespace fs = std::filesystem;

// Sets a variable (or unsets it) and puts the old value back.
class Variable {
 public:
  Variable(const char* name, const std::optional<std::string>& value) : name_(name) {
    if (const char* old = ::getenv(name)) old_ = old;
    set(value);
  }
  ~Variable() { set(old_); }
  Variable(const Variable&) = delete;
  Variable& operator=(const Variable&) = delete;

 private:
  void set(const std::optional<std::string>& value) {
    if (value) {
      ::setenv(name_, value->c_str(), 1);
    } else {
      ::unsetenv(name_);
    }
  }
  const char* name_;
  std::optional<std::string> old_;
};

std::string small_file() { return testing::safetensors({{.name = "a", .shape = {2}}}); }

std::string message_of(const std::string& model) {
  const Result<Checkpoint> result = open_checkpoint(real_file_system(), model);
  return result.ok() ? "" : result.error().text();
}

void check_has(const std::string& message, const std::string& part) {
  CAPTURE(message);
  CAPTURE(part);
  CHECK(message.find(part) != std::string::npos);
}

const std::string kCommit = "0123456789abcdef0123456789abcdef01234567";

// A cache as huggingface_hub lays it out: a snapshot of links into blobs.
void make_cache(const TemporaryDirectory& dir, const std::string& hub) {
  const std::string model = hub + "/models--org--some.model";
  dir.write(model + "/refs/main", kCommit);
  dir.write(model + "/refs/refs/pr/1", kCommit + "\n");
  dir.write(model + "/blobs/b1", small_file());
  dir.write(model + "/blobs/b2", "{}");
  fs::create_directories(dir / (model + "/snapshots/" + kCommit + "/sub"));
  const std::string snapshot = dir / (model + "/snapshots/" + kCommit);
  fs::create_symlink("../../blobs/b1", snapshot + "/model.safetensors");
  fs::create_symlink("../../blobs/b2", snapshot + "/config.json");
  fs::create_symlink("../../../blobs/b2", snapshot + "/sub/tokenizer.json");
}

TEST_CASE("open_checkpoint: org/name is looked up where huggingface_hub keeps it") {
  const TemporaryDirectory dir;
  make_cache(dir, "hub");
  make_cache(dir, "huggingface/hub");
  make_cache(dir, ".cache/huggingface/hub");
  const Variable a("HF_HUB_CACHE", std::nullopt);
  const Variable b("HUGGINGFACE_HUB_CACHE", std::nullopt);
  const Variable c("HF_HOME", std::nullopt);
  const Variable d("XDG_CACHE_HOME", std::nullopt);
  const Variable e("HOME", "/nonexistent");
  const std::string snapshot = "models--org--some.model/snapshots/" + kCommit;
  const auto directory_of = [](const std::string& model) -> std::string {
    const Result<Checkpoint> result = open_checkpoint(real_file_system(), model);
    if (!result.ok()) return result.error().text();
    CHECK(result.value().path() == model);
    CHECK(result.value().side_files().size() == 1);
    return result.value().directory();
  };
  const std::string model = "org/some.model";
  check_has(directory_of(model), "not in the Hugging Face cache at /nonexistent/.cache/hugging");
  check_has(directory_of(model), "Download it first: hf download org/some.model");
  {
    const Variable home("HOME", dir.path());
    CHECK(directory_of(model) == dir / (".cache/huggingface/hub/" + snapshot));
    const Variable xdg("XDG_CACHE_HOME", dir.path());
    CHECK(directory_of(model) == dir / ("huggingface/hub/" + snapshot));
    const Variable hf_home("HF_HOME", "~");
    CHECK(directory_of(model) == dir / ("hub/" + snapshot));
  }
  const Variable cache("HF_HUB_CACHE", dir / "hub");
  CHECK(directory_of(model) == dir / ("hub/" + snapshot));
  CHECK(directory_of(model + "@main") == dir / ("hub/" + snapshot));
  CHECK(directory_of(model + "@refs/pr/1") == dir / ("hub/" + snapshot));
  CHECK(directory_of(model + "@" + kCommit) == dir / ("hub/" + snapshot));
  check_has(directory_of(model + "@v2"), "revision v2 is not in the Hugging Face cache");
  check_has(directory_of(model + "@v2"), "hf download org/some.model --revision v2");
  check_has(directory_of("org/other"), "hf download org/other");
}

TEST_CASE("open_checkpoint: what the cache holds is not trusted") {
  const TemporaryDirectory dir;
  make_cache(dir, "hub");
  const Variable cache("HF_HUB_CACHE", dir / "hub");
  const std::string model = "hub/models--org--some.model";
  for (const std::string content : {"../../../etc", "a/b", "", ".", "..", "\x1b[31m", "-x"}) {
    dir.write(model + "/refs/main", content);
    check_has(message_of("org/some.model"), "refs/main: the commit: got \"");
  }
  dir.write(model + "/refs/main", std::string(5000, 'a'));
  check_has(message_of("org/some.model"), "is too large");
  dir.write(model + "/refs/main", "ffff");
  check_has(message_of("org/some.model"), "revision main is not in the Hugging Face cache");
}

TEST_CASE("open_checkpoint: a missing blob is named, with the command that repairs it") {
  const TemporaryDirectory dir;
  make_cache(dir, "hub");
  const Variable cache("HF_HUB_CACHE", dir / "hub");
  const std::string command = "hf download org/some.model --revision " + kCommit;
  fs::remove(dir / "hub/models--org--some.model/blobs/b2");
  check_has(message_of("org/some.model"), "config.json: is a link to a file that is not there");
  check_has(message_of("org/some.model"), command);
  dir.write("hub/models--org--some.model/blobs/b2", "{}");
  fs::remove(dir / "hub/models--org--some.model/blobs/b1");
  check_has(message_of("org/some.model"), "model.safetensors: is a link to a file that is not");
  check_has(message_of("org/some.model"), command);
}

TEST_CASE("parse_hub_name: only names that are safe in paths and commands are ids") {
  for (const std::string good : {"a/b", "Org-1/model_2.3", "a/b@main", "a/b@refs/pr/1"}) {
    CAPTURE(good);
    CHECK(parse_hub_name(good).has_value());
  }
  for (const std::string bad :
       {"",       "a",      "a/b/c", "/a",       "a/",       "../a",   "a/..",
        "-a/b",   "a/b;ls", "a/b@",  "a/b@../x", "a/b@a//b", "a--b/c", "a/b c",
        "a/b@-x", "a/b@/x", "./b",   "a/$b",     "~/b",      "a/b\n"}) {
    CAPTURE(bad);
    CHECK(!parse_hub_name(bad).has_value());
  }
}

std::vector<std::string> carried(const Checkpoint& checkpoint) {
  std::vector<std::string> names;
  for (const SideFile& file : checkpoint.side_files()) names.push_back(file.name);
  return names;
}

TEST_CASE("open_checkpoint: side files are carried, weights and the like are not") {
  const TemporaryDirectory dir;
  dir.write("model.safetensors", small_file());
  for (const char* name :
       {"tokenizer.json", "a/b/template.jinja", "modeling.py", ".hidden", ".gitattributes",
        "a/recipe.yaml", "sub/config.json", "LICENSE", "\xc3\xa9.txt"}) {
    dir.write(name, "12345");
  }
  // Weights of something else than this model, and modules of their own.
  for (const char* name : {"spk_dict.pt", "assets/Vocos.PT", "onnx/m.onnx", "model.onnx", "x.ckpt",
                           "2_Dense/model.safetensors", "2_Dense/pytorch_model.bin",
                           "original/x.pth", "sub/model.safetensors.index.json"}) {
    dir.write(name, "12345");
  }
  for (const char* name : {"pytorch_model.bin",
                           "model.PT",
                           "original/consolidated.00.pth",
                           "m.gguf",
                           "tf_model.h5",
                           "flax_model.msgpack",
                           "pytorch_model-00001-of-00002.bin",
                           "pytorch_model.bin.index.json",
                           "quant_log.csv",
                           "recipe.yaml",
                           "thaw-state.json",
                           "adapter_model.safetensors",
                           "adapter_config.json",
                           "optimizer.pt",
                           "checkpoint-500/model.safetensors",
                           "checkpoint-500/rng_state.pth",
                           "lora/adapter_model.bin",
                           "lora/adapter_config.json",
                           "model-00002-of-00002.safetensors.incomplete",
                           "training_args.bin"}) {
    dir.write(name, "{}");
  }
  dir.write("checkpoint-500/trainer_state.json", "12345");
  dir.write("lora/README.md", "12345");
  dir.write("quant_config.json", "{}");
  dir.write("config.json", "{}");
  dir.write(".git/HEAD", "x");
  dir.write(".cache/huggingface/x", "x");
  dir.write("a/.cache/x", "x");
  dir.write("folder.safetensors/x.txt", "12345");
  dir.write("model-x.safetensors/x.txt", "x");
  fs::create_directory(dir / "empty");
  fs::create_directory_symlink("..", dir / "a/up");
  fs::create_symlink("../LICENSE", dir / "a/link");
  REQUIRE(::mkfifo((dir / "fifo").c_str(), 0600) == 0);
  const Result<Checkpoint> result = open_checkpoint(real_file_system(), dir.path());
  REQUIRE_MESSAGE(result.ok(), message_of(dir.path()));
  CHECK(carried(result.value()) == std::vector<std::string>{".gitattributes",
                                                            ".hidden",
                                                            "2_Dense/model.safetensors",
                                                            "2_Dense/pytorch_model.bin",
                                                            "LICENSE",
                                                            "a/b/template.jinja",
                                                            "a/link",
                                                            "a/recipe.yaml",
                                                            "assets/Vocos.PT",
                                                            "checkpoint-500/trainer_state.json",
                                                            "folder.safetensors/x.txt",
                                                            "lora/README.md",
                                                            "model.onnx",
                                                            "modeling.py",
                                                            "onnx/m.onnx",
                                                            "original/x.pth",
                                                            "spk_dict.pt",
                                                            "sub/config.json",
                                                            "sub/model.safetensors.index.json",
                                                            "tokenizer.json",
                                                            "x.ckpt",
                                                            "\xc3\xa9.txt"});
  for (const SideFile& file : result.value().side_files()) {
    CHECK(file.size == 5);
    CHECK(file.path == dir / file.name);
  }
  const std::vector<std::string> left(result.value().files_not_carried().begin(),
                                      result.value().files_not_carried().end());
  CHECK(left == std::vector<std::string>{"a/up",
                                         "adapter_config.json",
                                         "adapter_model.safetensors",
                                         "checkpoint-500/model.safetensors",
                                         "checkpoint-500/rng_state.pth",
                                         "fifo",
                                         "flax_model.msgpack",
                                         "lora/adapter_config.json",
                                         "lora/adapter_model.bin",
                                         "m.gguf",
                                         "model-00002-of-00002.safetensors.incomplete",
                                         "model-x.safetensors",
                                         "model.PT",
                                         "optimizer.pt",
                                         "original/consolidated.00.pth",
                                         "pytorch_model-00001-of-00002.bin",
                                         "pytorch_model.bin",
                                         "pytorch_model.bin.index.json",
                                         "quant_config.json",
                                         "quant_log.csv",
                                         "recipe.yaml",
                                         "tf_model.h5",
                                         "thaw-state.json",
                                         "training_args.bin"});
  std::vector<std::string> adapters;
  for (const SideFile& file : result.value().adapter_files()) adapters.push_back(file.name);
  CHECK(adapters == std::vector<std::string>{"adapter_config.json", "adapter_model.safetensors",
                                             "lora/adapter_config.json", "lora/adapter_model.bin"});
  CHECK(result.value().warnings().empty());
}

TEST_CASE("open_checkpoint: side files that could not be carried safely are errors") {
  for (const std::string name : {"a\nb", "x\x1b[2J", "\xff.txt", "a\\b", "sub/\x7f"}) {
    const TemporaryDirectory dir;
    dir.write("model.safetensors", small_file());
    dir.write(name, "x");
    const std::string message = message_of(dir.path());
    check_has(message, "the name of a file that would be carried to the output holds");
    CHECK(message.find('\x1b') == std::string::npos);
    CHECK(message.find('\n') == std::string::npos);
  }
  const TemporaryDirectory dir;
  dir.write("model.safetensors", small_file());
  fs::create_symlink("gone", dir / "tokenizer.json");
  fs::create_symlink("gone", dir / "pytorch_model_not_carried.bin");
  check_has(message_of(dir.path()), "tokenizer.json: is a link to a file that is not there");
  CHECK(message_of(dir.path()).find("not_carried") == std::string::npos);
  fs::remove(dir / "tokenizer.json");
  std::string deep = "d";
  for (int i = 0; i < 40; ++i) deep += "/d";
  dir.write(deep, "x");
  check_has(message_of(dir.path()), "folders are nested deeper than 32 levels");
}

}  // namespace
}  // namespace thaw
