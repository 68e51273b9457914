// specs/cli.md clause 3.10: lines on a narrow terminal.
#include "base/columns.h"

#include <doctest/doctest.h>

#include <string>

namespace thaw {
namespace {

TEST_CASE("columns count wide letters twice and marks not at all") {
  CHECK(columns_of("") == 0);
  CHECK(columns_of("abc def") == 7);
  CHECK(columns_of("h\xc3\xa9llo") == 5);
  CHECK(columns_of("\xe6\xa8\xa1\xe5\x9e\x8b") == 4);  // two Han letters
  CHECK(columns_of("e\xcc\x81") == 1);                 // e and an accent
  CHECK(columns_of("\xf0\x9f\xa7\x8a") == 2);          // an emoji
  CHECK(columns_of("\xff") == 1);                      // no UTF-8
  CHECK(columns_of("\xe6\xa8") == 1);                  // cut short
}

TEST_CASE("the first columns end between letters") {
  CHECK(first_columns("abcdef", 3) == "abc");
  CHECK(first_columns("abc", 8) == "abc");
  CHECK(first_columns("\xe6\xa8\xa1\xe5\x9e\x8b", 3) == "\xe6\xa8\xa1");
  CHECK(first_columns("\xe6\xa8\xa1", 1).empty());
}

TEST_CASE("lines are wrapped at spaces, under their second column") {
  CHECK(wrapped("short\n", 40) == "short\n");
  CHECK(wrapped("name   one two three\nnext\n", 14) == "name   one two\n       three\nnext\n");
  CHECK(wrapped("one two three", 7) == "one two\nthree");
  CHECK(wrapped("  one two three", 9) == "  one two\n  three");
  CHECK(wrapped("", 10).empty());
  CHECK(wrapped("\n\n", 10) == "\n\n");
  // Too far right: the second column is no place to go on.
  CHECK(wrapped("a long name   one two", 17) == "a long name   one\ntwo");
}

TEST_CASE("a word that is too wide stays whole") {
  CHECK(wrapped("name   one /a/long/path/to/somewhere two", 14) ==
        "name   one\n/a/long/path/to/somewhere\n       two");
  CHECK(wrapped("name   abcdefghij", 14) == "name\n    abcdefghij");
}

TEST_CASE("no wrapped line is wider than the window, and no word is lost") {
  const std::string text =
      "found         14 linears AWQ GEMM among 55 tensors, 482.0 kB in 2 shards\n"
      "              more of \xe6\xa8\xa1\xe5\x9e\x8b\xe6\xa8\xa1\xe5\x9e\x8b and so on  and  on\n";
  for (std::size_t width = 8; width < 100; ++width) {
    CAPTURE(width);
    const std::string lines = wrapped(text, width);
    std::string words;
    for (std::size_t at = 0; at < lines.size();) {
      const std::size_t end = lines.find('\n', at);
      CHECK(columns_of(lines.substr(at, end - at)) <= width);
      at = end + 1;
    }
    const auto letters = [](std::string all) {
      std::erase_if(all, [](char c) { return c == ' ' || c == '\n'; });
      return all;
    };
    CHECK(letters(lines) == letters(text));
  }
}

}  // namespace
}  // namespace thaw
