// specs/safetensors.md clause 1.4.
#include "checkpoint/other_format.h"

#include <doctest/doctest.h>

#include <string>

#include "checkpoint/header.h"
#include "support/safetensors_file.h"

namespace thaw {
namespace {

std::string what_of(const std::string& begin) { return recognise_other_format(begin).what; }

std::string message_of(const std::string& file) {
  TensorTable table;
  const Status status = read_header("f", std::as_bytes(std::span(file)), 0, table);
  return status.ok() ? "" : status.error().text();
}

TEST_CASE("recognise_other_format: marks, at the place where they stand") {
  CHECK(what_of("\x1f\x8b\x08") == "a gzip file");
  CHECK(what_of("GGUF\x03") == "a GGUF file");
  CHECK(what_of(std::string(257, '\0') + "ustar") == "a tar archive");
  CHECK(what_of("\x80\x02") == "a pickle, as PyTorch writes its files");
  CHECK(what_of("Entry not found") == "text (\"Entry not found\")");
  CHECK(what_of(std::string(256, '\0') + "ustar") == "");
  CHECK(what_of("\x80\x06") == "");
  CHECK(what_of("\x1f") == "");
  CHECK(what_of("") == "");
}

TEST_CASE("recognise_other_format: text is shown safely and shortened, other bytes are no text") {
  CHECK(what_of("a\nb\tc") == "text (\"a\\nb\\tc\")");
  CHECK(what_of("a\x1b[31m") == "");
  CHECK(what_of(std::string(500, 'x')) == "text (\"" + std::string(80, 'x') + "\")");
}

TEST_CASE("read_header: a header of 640 bytes is no pickle, cut off or not") {
  const std::string file = testing::raw_safetensors("{" + std::string(638, ' ') + "}");
  CHECK(file.substr(0, 2) == "\x80\x02");
  CHECK(message_of(file) == "");
  CHECK(message_of(file.substr(0, 100)).find("header length: got 640") != std::string::npos);
}

TEST_CASE("read_header: another format whose length is in range is named as well") {
  std::string gzip("\x1f\x8b\x08\0\0\0\0\0", 8);
  gzip.resize(600'000, 'x');
  CHECK(message_of(gzip).find("f: is a gzip file, not a safetensors file") == 0);
}

}  // namespace
}  // namespace thaw
