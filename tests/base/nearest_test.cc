// specs/cli.md clause 1.6: what was meant by a mistyped word.
#include "base/nearest.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

namespace thaw {
namespace {

TEST_CASE("the edit distance counts letters put in, left out, replaced and swapped") {
  struct Row {
    std::string a, b;
    std::size_t letters;
  };
  for (const Row& row :
       {Row{"", "", 0}, Row{"", "abc", 3}, Row{"abc", "", 3}, Row{"same", "same", 0},
        Row{"Same", "sAME", 0}, Row{"dype", "dtype", 1}, Row{"dttype", "dtype", 1},
        Row{"dtybe", "dtype", 1}, Row{"dtpye", "dtype", 1}, Row{"tdype", "dtype", 1},
        Row{"ca", "ac", 1}, Row{"kitten", "sitting", 3}, Row{"bflot16", "bfloat16", 1},
        Row{"abcdef", "ghijkl", 6}, Row{"converrt", "convert", 1}}) {
    CAPTURE(row.a);
    CAPTURE(row.b);
    CHECK(edit_distance(row.a, row.b) == row.letters);
    CHECK(edit_distance(row.b, row.a) == row.letters);
  }
}

TEST_CASE("near words are found, far ones are not") {
  const std::vector<std::string> known = {"dtype",   "dry-run",  "force",    "base",    "float16",
                                          "float32", "bfloat16", "progress", "in-place"};
  struct Row {
    std::string word, nearest;
  };
  for (const Row& row :
       {Row{"dtpye", "dtype"}, Row{"DTYPE", "dtype"}, Row{"frce", "force"}, Row{"fast", ""},
        Row{"bflot16", "bfloat16"}, Row{"bf16", "bfloat16"}, Row{"dry", "dry-run"}, Row{"dr", ""},
        Row{"prgoress", "progress"}, Row{"inplace", "in-place"}, Row{"x", ""}, Row{"", ""},
        Row{"completely-else", ""}, Row{"f", ""}, Row{"int8", ""},
        Row{std::string(100'000, 'd'), ""}}) {
    CAPTURE(row.word.substr(0, 20));
    const std::vector<std::string> near = nearest_words(row.word, known);
    CHECK((near.empty() ? "" : near.front()) == row.nearest);
    CHECK(near.size() <= 1);
  }
  // Of two that it may abbreviate neither; the known are bounded too.
  CHECK(nearest_words("flt", known).empty());
  CHECK(nearest_words("word", {std::string(100'000, 'w'), ""}).empty());
}

TEST_CASE("several near words come nearest first, each once") {
  const std::vector<std::string> near =
      nearest_words("qwen25", {"qwen2.5", "qwen3", "qwen2", "qwen2", "llama"}, 2);
  CHECK(near == std::vector<std::string>{"qwen2", "qwen2.5"});
}

TEST_CASE("the question is safe for a terminal") {
  CHECK(did_you_mean("dtpye", {"dtype"}, "--") == "Did you mean --dtype?");
  CHECK(did_you_mean("model", {"mod\x1b"
                               "el"}) == "Did you mean mod\\x1bel?");
  CHECK(did_you_mean("far", {"dtype"}).empty());
}

}  // namespace
}  // namespace thaw
