// specs/safetensors.md, clause by clause.
#include "checkpoint/header.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "base/text.h"
#include "support/safetensors_file.h"

namespace thaw {
namespace {

using testing::entry_text;
using testing::object_text;
using testing::raw_safetensors;
using testing::safetensors;

std::string message_of(const std::string& file, TensorTable& table) {
  const Status status =
      read_header("f.safetensors", std::as_bytes(std::span(file.data(), file.size())), 0, table);
  return status.ok() ? "" : status.error().text();
}

std::string message_of(const std::string& file) {
  TensorTable table;
  return message_of(file, table);
}

std::string length_bytes(std::uint64_t length) {
  return {reinterpret_cast<const char*>(&length), sizeof length};
}

TEST_CASE("read_header: correct files give their tensors, sorted by name") {
  TensorTable table;
  const std::string file = safetensors({{.name = "b", .dtype = Dtype::f16, .shape = {2, 3}},
                                        {.name = "a", .dtype = Dtype::i64, .shape = {}},
                                        {.name = "none", .dtype = Dtype::bf16, .shape = {0, 7}},
                                        {.name = "c", .dtype = Dtype::f4, .shape = {2}}},
                                       R"({"format":"pt","caf\u00e9":""})");
  REQUIRE(message_of(file, table) == "");
  REQUIRE(table.tensors.size() == 4);
  const std::uint64_t data = file.size() - 21;
  const Tensor& a = table.tensors[0];
  CHECK(a.name == "a");
  CHECK(a.shape.empty());
  CHECK(a.begin == data + 12);
  CHECK(a.size() == 8);
  const Tensor& b = table.tensors[1];
  CHECK(b.begin == data);
  CHECK(std::vector<std::uint64_t>(b.shape.begin(), b.shape.end()) ==
        std::vector<std::uint64_t>{2, 3});
  CHECK(b.dtype == Dtype::f16);
  CHECK(table.tensors[2].end == file.size());
  CHECK(table.tensors[3].size() == 0);
  CHECK(table.metadata.at("caf\xc3\xa9").empty());
}

TEST_CASE("read_header: what clauses allow is accepted") {
  const std::string longest(kLongestTensorName, 'n');
  const std::vector<std::pair<std::string, std::string>> rows = {
      {"no tensors", raw_safetensors("{}")},
      {"padding", raw_safetensors("{}      ")},
      {"white space", raw_safetensors("{ \n\t\r}")},
      {"null metadata is none", safetensors({}, "{}")},
      {"escaped keys",
       raw_safetensors(R"({"a":{"\u0064type":"U8","shape":[1],"data_offsets":[0,1]}})", "x")},
      {"any order",
       raw_safetensors(R"({"a":{"data_offsets":[0,1],"shape":[1],"dtype":"U8"}})", "x")},
      {"control characters in a name", safetensors({{.name = "a\\u001b[31m\\n", .shape = {1}}})},
      {"paths in a name", safetensors({{.name = "../../etc/passwd", .shape = {1}}})},
      {"longest name", safetensors({{.name = longest, .shape = {1}}})},
      {"not ASCII", safetensors({{.name = "\xf0\x9f\x98\x80", .shape = {1}}})},
      {"empty tensors at one place", safetensors({{.name = "a", .shape = {0}},
                                                  {.name = "b", .shape = {3, 0}},
                                                  {.name = "c", .shape = {1}},
                                                  {.name = "d", .shape = {0}}})},
      {"64 dimensions", safetensors({{.name = "a", .shape = std::vector<std::uint64_t>(64, 1)}})},
      {"file order is not name order",
       raw_safetensors(
           object_text({entry_text("b", "U8", "[1]", 1, 2), entry_text("a", "U8", "[1]", 0, 1)}),
           "xy")},
      {"six bits, whole bytes",
       safetensors({{.name = "a", .dtype = Dtype::f6_e2m3, .shape = {4}}})},
  };
  for (const auto& row : rows) {
    CAPTURE(row.first);
    CHECK(message_of(row.second) == "");
  }
}

struct Bad {
  std::string file;
  std::string message;
};

void check_all(const std::vector<Bad>& rows) {
  for (const Bad& row : rows) {
    CAPTURE(row.file.substr(0, 300));
    const std::string message = message_of(row.file);
    CAPTURE(message);
    CHECK(message.substr(0, 15) == "f.safetensors: ");
    CHECK(message.find(row.message) != std::string::npos);
    for (const char c : message) CHECK((c == '\n' || (c >= 0x20 && c != 0x7f) || c < 0));
  }
}

TEST_CASE("read_header: clause 1, the length") {
  check_all({
      {"", "size: got 0 bytes, expected at least 8"},
      {"1234567", "size: got 7 bytes, expected at least 8"},
      {length_bytes(0), "the header begins with: got nothing, expected {"},
      {length_bytes(1), "header length: got 1, expected at most 0, the rest of the file"},
      {length_bytes(3) + "{}", "header length: got 3, expected at most 2"},
      {length_bytes(100'000'001) + "{}", "got 100000001, expected at most 100000000"},
      {length_bytes(~std::uint64_t{0}) + "{}", "got 18446744073709551615, expected"},
      {length_bytes(~std::uint64_t{0} - 7) + "{}", "expected at most 100000000"},
      {"version https://git-lfs.github.com/spec/v1\noid sha256:00\n", "pointer of Git LFS"},
      {length_bytes(2) + "{}x", "the data goes on behind the last tensor: got 1 bytes of data"},
  });
}

TEST_CASE("read_header: clause 2, the text") {
  const auto u8 = [](const std::string& fields) {
    return raw_safetensors(object_text({std::string("\"a\":").append(object_text({fields}))}), "x");
  };
  check_all({
      {raw_safetensors(" {}"), "the header begins with: got \" \", expected {"},
      {raw_safetensors("\xef\xbb\xbf{}"), "the header begins with: got \"\\xef\""},
      {raw_safetensors("[]"), "the header begins with: got \"[\""},
      {raw_safetensors("{"), "byte 9: not valid JSON"},
      {raw_safetensors("{}}"), "byte 10: not valid JSON: bytes after the end"},
      {raw_safetensors(std::string("{}\0", 3)), "byte 10: not valid JSON"},
      {raw_safetensors("{\"a\":{}"), "not valid JSON: expected a comma or the end"},
      {raw_safetensors("{\"a\":1,}"), "a: the tensor's entry: got 1"},
      {raw_safetensors("{\"a\xff\":{}}"), "bytes that are not UTF-8"},
      {raw_safetensors("{\"a\":\"\xc3\"}"), "bytes that are not UTF-8"},
      {raw_safetensors("{\"a\x01\":{}}"), "a control character that is not escaped"},
      {raw_safetensors("{\"a\\ud800\":{}}"), "a string with a malformed escape"},
      {raw_safetensors(object_text({std::string("\"a\":").append(100'000, '[')})), "a: byte"},
      {u8(R"("dtype":"U8","shape":[NaN],"data_offsets":[0,1])"), "a: byte 36: not valid JSON"},
      {u8(R"("dtype":"U8","shape":[01],"data_offsets":[0,1])"), "a: byte 36: not valid JSON"},
      {u8(R"("dtype":"U8","shape":[1],"data_offsets":[0,1],"dtype":"U8")"),
       "a: byte 13: the key \"dtype\" stands twice in one object"},
      {raw_safetensors(object_text({entry_text("a", "U8", "[1]", 0, 1),
                                    entry_text("\\u0061", "U8", "[1]", 1, 2)}),
                       "xy"),
       "a: stands twice in the header"},
      {raw_safetensors(R"({"__metadata__":{},"__metadata__":{}})"),
       "__metadata__: stands twice in the header"},
  });
}

TEST_CASE("read_header: clauses 3 and 4, an entry and its size") {
  const auto entry = [](const std::string& fields) {
    return raw_safetensors(object_text({std::string("\"a.b\":").append(object_text({fields}))}),
                           std::string(16, 'x'));
  };
  const auto sized = [](const std::string& dtype, const std::string& shape) {
    return raw_safetensors(object_text({entry_text("a.b", dtype, shape, 0, 16)}),
                           std::string(16, 'x'));
  };
  const auto offsets = [&](const std::string& text) {
    std::string field = R"("dtype":"U8","shape":[16],"data_offsets":)";
    return entry(field += text);
  };
  check_all({
      {raw_safetensors(R"({"a.b":null})"), "a.b: the tensor's entry: got null, expected an object"},
      {raw_safetensors(R"({"a.b":[]})"), "a.b: the tensor's entry: got [], expected an object"},
      {entry(""), "a.b: dtype: got none"},
      {entry(R"("dtype":"U8","shape":[16])"), "a.b: data_offsets: got none"},
      {entry(R"("dtype":"U8","data_offsets":[0,16])"), "a.b: shape: got none"},
      {entry(R"("shape":[16],"data_offsets":[0,16])"), "a.b: dtype: got none"},
      {entry(R"("dtype":"U8","shape":[16],"data_offsets":[0,16],"x\u001b":1)"),
       "a field of the tensor's entry: got \"x\\x1b\", expected dtype, shape and data_offsets"},
      {sized("F17", "[16]"), "a.b: dtype: got \"F17\", expected one of BOOL, F4,"},
      {sized("f16", "[8]"), "a.b: dtype: got \"f16\""},
      {sized("", "[8]"), "a.b: dtype: got \"\""},
      {entry(R"("dtype":16,"shape":[16],"data_offsets":[0,16])"), "a.b: dtype: got 16"},
      {sized("U8", "16"), "a.b: shape: got 16, expected an array of non-negative integers"},
      {sized("U8", "{}"), "a.b: shape: got {}"},
      {sized("U8", "[-16]"), "a.b: shape: got [-16]"},
      {sized("U8", "[16.0]"), "a.b: shape: got [16.0]"},
      {sized("U8", "[1.6e1]"), "a.b: shape: got [16"},
      {sized("U8", "[\"16\"]"), "a.b: shape: got [\"16\"]"},
      {sized("U8", "[null]"), "a.b: shape: got [null]"},
      {sized("U8", "[18446744073709551616]"), "a.b: byte"},
      {sized("U8", "[[16]]"), "a.b: shape: got [[16]]"},
      {sized("U8", shape_text(std::vector<std::uint64_t>(65, 1))),
       "a.b: shape: got 65 dimensions, expected at most 64"},
      {sized("U8", "[15]"), "a.b: size of U8 [15]: got 16 bytes in data_offsets, expected 15"},
      {sized("F16", "[4,4]"), "a.b: size of F16 [4, 4]: got 16 bytes in data_offsets, expected 32"},
      {sized("F64", "[]"), "a.b: size of F64 []: got 16 bytes in data_offsets, expected 8"},
      {sized("U8", "[0]"), "got 16 bytes in data_offsets, expected 0"},
      {sized("F4", "[31]"), "a.b: size of F4 [31]: got 124 bits, expected whole bytes"},
      {sized("F6_E3M2", "[21]"), "a.b: size of F6_E3M2 [21]: got 126 bits, expected whole bytes"},
      {sized("U8", "[18446744073709551615]"), "got more than 2^64 bits"},
      {sized("F64", "[2305843009213693954]"), "got more than 2^64 bits"},
      {sized("U8", "[4294967296,4294967296]"), "got more than 2^64 bits"},
      {sized("U8", "[4294967296,4294967296,0]"), "got more than 2^64 bits"},
      {sized("U8", "[0,4294967296,4294967296]"), "got more than 2^64 bits"},
      {sized("U8", "[9223372036854775808,2,16]"), "got more than 2^64 bits"},
      {offsets("[0]"), "a.b: data_offsets: got [0], expected two non-negative integers"},
      {offsets("[0,16,16]"), "a.b: data_offsets: got [0, 16, 16]"},
      {offsets("[0,16.0]"), "a.b: data_offsets: got [0, 16.0]"},
      {offsets("[-1,15]"), "a.b: data_offsets: got [-1, 15]"},
      {offsets("[\"0\",16]"), "a.b: data_offsets: got [\"0\", 16]"},
      {offsets("{\"0\":16}"), "a.b: data_offsets: got {\"0\": 16}"},
      {offsets("16"), "a.b: data_offsets: got 16"},
      {offsets("[16,0]"), "a.b: data_offsets: got [16, 0], expected begin not beyond end"},
      {offsets("[0,17]"), "got [0, 17], expected an end of at most 16, the bytes of data"},
      {offsets("[18446744073709551600,18446744073709551615]"), "expected an end of at most 16"},
  });
}

TEST_CASE("read_header: clause 5, tensors cover the data exactly") {
  const auto two = [](std::uint64_t b0, std::uint64_t e0, std::uint64_t b1, std::uint64_t e1) {
    return raw_safetensors(
        object_text({entry_text("a", "U8", shape_text(std::vector{e0 - b0}), b0, e0),
                     entry_text("b", "U8", shape_text(std::vector{e1 - b1}), b1, e1)}),
        std::string(16, 'x'));
  };
  CHECK(message_of(two(0, 8, 8, 16)) == "");
  CHECK(message_of(two(8, 16, 0, 8)) == "");
  CHECK(message_of(two(0, 16, 16, 16)) == "");
  CHECK(message_of(two(0, 16, 0, 0)) == "");
  check_all({
      {two(0, 9, 8, 16), "b: data_offsets overlap those of a: got [8, 16], expected a begin of 9"},
      {two(0, 16, 0, 16), "b: data_offsets overlap those of a: got [0, 16]"},
      {two(0, 16, 4, 8), "b: data_offsets overlap those of a"},
      {two(0, 16, 5, 5), "b: data_offsets overlap those of a: got [5, 5]"},
      {two(0, 7, 8, 16), "b: data_offsets leave a hole of 1 bytes that belong to no tensor"},
      {two(1, 8, 8, 16), "a: data_offsets leave a hole of 1 bytes"},
      {two(0, 8, 8, 15),
       "the data goes on behind the last tensor: got 16 bytes of data, expected 15"},
  });
}

TEST_CASE("read_header: clause 6, names") {
  check_all({
      {safetensors({{.name = "", .shape = {1}}}), "\"\": the name of a tensor: got an empty one"},
      {safetensors({{.name = "a\\u0000b", .shape = {1}}}),
       "a\\x00b: the name of a tensor: got a NUL"},
      {safetensors({{.name = std::string(kLongestTensorName + 1, 'n'), .shape = {1}}}),
       "the name of a tensor: got 65537 bytes, expected at most 65536"},
      {safetensors({{.name = std::string(10'000'000, 'n'), .shape = {1}}}),
       "got 10000000 bytes, expected at most 65536"},
      {safetensors({{.name = std::string(17'000'000, 'n'), .shape = {1}}}),
       "a member of 17000002 bytes"},
      {raw_safetensors(R"({"\u001b[31m\n..":1})"), "\\x1b[31m\\n..: the tensor's entry"},
  });
}

TEST_CASE("read_header: clause 7, metadata") {
  check_all({
      {safetensors({}, "[]"), "__metadata__: the metadata: got [], expected an object of strings"},
      {safetensors({}, "null"), "__metadata__: the metadata: got null"},
      {safetensors({}, R"({"a":1})"), "__metadata__: \"a\": got 1, expected a string"},
      {safetensors({}, R"({"a":{"b":"c"}})"), "__metadata__: \"a\": got {\"b\": \"c\"}"},
      {safetensors({}, R"({"a":"1","a":"2"})"), "the key \"a\" stands twice"},
  });
}

TEST_CASE("read_header: all errors of a header are reported, up to twenty") {
  std::string header = "{\"t0\":1";
  for (int i = 1; i < 30; ++i) {
    header += ",\"t";
    header += std::to_string(i);
    header += "\":1";
  }
  const std::string message = message_of(raw_safetensors(header + "}"));
  CHECK(message.find("t0: the tensor's entry") != std::string::npos);
  CHECK(message.find("t19: the tensor's entry") != std::string::npos);
  CHECK(message.find("and 10 more") != std::string::npos);
}

TEST_CASE("read_header: any truncation and any flipped byte ends without a fault") {
  const std::string file =
      safetensors({{.name = "a", .shape = {2}}, {.name = "b", .shape = {3}}}, R"({"format":"pt"})");
  for (std::size_t size = 0; size < file.size(); ++size) {
    CHECK(message_of(file.substr(0, size)) != "");
  }
  for (std::size_t i = 0; i < file.size() - 10; ++i) {
    for (const int bit : {0, 3, 7}) {
      std::string broken = file;
      broken[i] = static_cast<char>(broken[i] ^ (1 << bit));
      TensorTable table;
      const std::string message = message_of(broken, table);
      if (message.empty()) CHECK(table.tensors.size() <= 2);
    }
  }
}

}  // namespace
}  // namespace thaw
