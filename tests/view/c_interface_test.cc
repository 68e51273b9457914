// thaw.h as a program uses it. specs/view.md clause 5.
#include <doctest/doctest.h>

#include <csignal>
#include <cstring>
#include <string>
#include <vector>

#include "io/directory.h"
#include "support/places.h"
#include "support/temporary_directory.h"
#include "view/thaw.h"

namespace thaw {
namespace {

const std::string kModel = std::string(THAW_TEST_DATA) + "/qwen2-awq-gemm/model";

struct Closing {
  thaw_model* model = nullptr;
  ~Closing() { thaw_close(model); }
};

// The text of an error, which is freed.
std::string taken(char* error) {
  std::string text = error == nullptr ? "" : error;
  thaw_free(error);
  return text;
}

TEST_CASE("open, count, describe, read rows, close") {
  Closing closing;
  char* error = nullptr;
  const char* const options[] = {"dtype", "bfloat16", "threads", "2", nullptr};
  REQUIRE(thaw_open(kModel.c_str(), options, &closing.model, &error) == THAW_OK);
  CHECK(error == nullptr);
  const thaw_model* const model = closing.model;
  CHECK(thaw_tensor_count(model) == 27);
  CHECK(thaw_warning(model, 1000) == nullptr);

  const std::int64_t index = thaw_find(model, "model.layers.1.mlp.up_proj.weight");
  REQUIRE(index >= 0);
  CHECK(thaw_find(model, "model.layers.1.mlp.up_proj.qweight") == -1);
  const auto tensor = static_cast<std::size_t>(index);
  thaw_tensor described{};
  described.struct_size = sizeof described;
  REQUIRE(thaw_describe(model, tensor, &described, nullptr) == THAW_OK);
  CHECK(described.name == std::string("model.layers.1.mlp.up_proj.weight"));
  CHECK(described.dtype == std::string("BF16"));
  REQUIRE(described.rank == 2);
  CHECK(described.rows == described.shape[0]);
  CHECK(described.row_size == described.shape[1] * 2);
  CHECK(described.size == described.rows * described.row_size);

  std::string all(described.size, '?');
  REQUIRE(thaw_read_rows(model, tensor, 0, described.rows, all.data(), all.size(), &error) == 0);
  std::string row(described.row_size, '?');
  REQUIRE(thaw_read_rows(model, tensor, 5, 1, row.data(), row.size(), &error) == 0);
  CHECK(row == all.substr(5 * described.row_size, described.row_size));
  CHECK(thaw_read_rows(model, tensor, described.rows, 0, nullptr, 0, &error) == 0);

  // The same bytes, where the file would have them.
  std::string there(described.size, '?');
  REQUIRE(thaw_read_file(model, described.file, described.offset, described.size, there.data(),
                         &error) == THAW_OK);
  CHECK(there == all);
  thaw_file file{};
  file.struct_size = sizeof file;
  REQUIRE(thaw_describe_file(model, described.file, &file, &error) == THAW_OK);
  CHECK(file.name == std::string("model.safetensors"));
  CHECK(file.tensors == 27);
  CHECK(file.size > described.offset + described.size);
}

TEST_CASE("a caller of an older header gets what he knows of a structure") {
  Closing closing;
  REQUIRE(thaw_open(kModel.c_str(), nullptr, &closing.model, nullptr) == THAW_OK);
  thaw_file file{};
  file.struct_size = offsetof(thaw_file, size);
  file.size = 77;
  REQUIRE(thaw_describe_file(closing.model, 0, &file, nullptr) == THAW_OK);
  CHECK(file.name == std::string("config.json"));
  CHECK(file.size == 77);
  CHECK(file.struct_size == offsetof(thaw_file, size));
  file.struct_size = 0;
  CHECK(thaw_describe_file(closing.model, 0, &file, nullptr) == THAW_USAGE);
}

TEST_CASE("what goes wrong is a code and a text, and changes nothing") {
  char* error = nullptr;
  thaw_model* model = nullptr;
  const auto refused = [&](const std::vector<const char*>& options, const std::string& words) {
    CHECK(thaw_open(kModel.c_str(), options.data(), &model, &error) == THAW_USAGE);
    CHECK(model == nullptr);
    const std::string text = taken(error);
    CHECK_MESSAGE(text.find(words) != std::string::npos, text);
  };
  refused({"dtyp", "bfloat16", nullptr}, "there is no option \"dtyp\"");
  refused({"dtype", "int3", nullptr}, "int3");
  refused({"dtype", nullptr}, "no value");
  refused({"strict", "yes", nullptr}, "true or false");
  refused({"force", "true", nullptr}, "nothing is written");
  refused({"part", "1/2", nullptr}, "nothing is written");
  CHECK(thaw_open("/nowhere/at/all", nullptr, &model, &error) == THAW_INPUT);
  CHECK(taken(error).find("/nowhere/at/all") != std::string::npos);

  Closing closing;
  REQUIRE(thaw_open(kModel.c_str(), nullptr, &closing.model, &error) == THAW_OK);
  thaw_tensor described{};
  described.struct_size = sizeof described;
  CHECK(thaw_describe(closing.model, 27, &described, &error) == THAW_USAGE);
  CHECK(taken(error) == "there is no tensor 27 among 27");
  char byte = '?';
  CHECK(thaw_read_rows(closing.model, 0, 0, 1, &byte, 1, &error) == THAW_USAGE);
  CHECK(taken(error).find("do not fit into 1") != std::string::npos);
  CHECK(thaw_read_rows(closing.model, 0, 1, ~std::uint64_t{0}, &byte, 1, &error) == THAW_USAGE);
  CHECK(taken(error).find("there are no rows") != std::string::npos);
  CHECK(thaw_read_file(closing.model, 0, 0, ~std::uint64_t{0}, &byte, &error) == THAW_USAGE);
  taken(error);
  CHECK(byte == '?');
}

TEST_CASE("no handler of a signal is installed") {
  const std::vector<int> signals = {SIGBUS, SIGSEGV, SIGPIPE, SIGINT, SIGTERM};
  std::vector<struct sigaction> before(signals.size());  // other tests may have set some
  for (std::size_t i = 0; i < signals.size(); ++i) {
    struct sigaction none {};
    none.sa_handler = SIG_DFL;
    REQUIRE(::sigaction(signals[i], &none, &before[i]) == 0);
  }
  {
    Closing closing;
    REQUIRE(thaw_open(kModel.c_str(), nullptr, &closing.model, nullptr) == THAW_OK);
    char bytes[4096];
    REQUIRE(thaw_read_file(closing.model, 0, 0, 10, bytes, nullptr) == THAW_OK);
  }
  for (std::size_t i = 0; i < signals.size(); ++i) {
    struct sigaction after {};
    REQUIRE(::sigaction(signals[i], &before[i], &after) == 0);
    CAPTURE(signals[i]);
    CHECK((after.sa_handler == SIG_DFL));
  }
}

}  // namespace
}  // namespace thaw
