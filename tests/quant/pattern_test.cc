// specs/gptq.md clause 6.4: the patterns of configs mean what they mean in Python.
#include "quant/pattern.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

namespace thaw {
namespace {

enum class Found { nowhere, inside, at_start };

struct Row {
  std::string pattern;
  std::string text;
  Found found;
};

TEST_CASE("Pattern: operators: match and search as Python's") {
  const std::vector<Row> rows = {
      {"", "", Found::at_start},
      {"", "abc", Found::at_start},
      {"a", "", Found::nowhere},
      {"abc", "abcd", Found::at_start},
      {"bc", "abcd", Found::inside},
      {"a.c", "abc", Found::at_start},
      {"a.c", "a\nc", Found::nowhere},
      {R"(a\.c)", "abc", Found::nowhere},
      {R"(a\.c)", "a.c", Found::at_start},
      {R"(.*\.18\..*gate.*)", "model.layers.18.mlp.gate_proj", Found::at_start},
      {R"(.*\.18\..*gate.*)", "model.layers.118.mlp.gate_proj", Found::nowhere},
      {"^ab$", "ab", Found::at_start},
      {"^ab$", "abc", Found::nowhere},
      {"b$", "ab", Found::inside},
      {"^b", "ab", Found::nowhere},
      {R"(layers\.[0-3]\.)", "model.layers.2.mlp", Found::inside},
      {R"(layers\.[0-3]\.)", "model.layers.4.mlp", Found::nowhere},
      {"[^a-c]", "abc", Found::nowhere},
      {"[^a-c]", "abcd", Found::inside},
      {"[]x]", "a]", Found::inside},
      {"[a-]", "-", Found::at_start},
      {R"([\d_]+$)", "a_12", Found::inside},
      {R"(\d+\.\w+$)", "a.12.q_proj", Found::inside},
      {R"(\D\S\W)", "ab.", Found::at_start},
      {"a|bc", "bc", Found::at_start},
      {"a|bc|d", "xd", Found::inside},
      {"(a|b)c", "bc", Found::at_start},
      {"(?:gate|up)_proj", "mlp.up_proj", Found::inside},
      {"(ab)*c", "ababc", Found::at_start},
      {"(a|)b", "b", Found::at_start},
      {"a+b", "aaab", Found::at_start},
      {"a+b", "b", Found::nowhere},
      {"a?b", "b", Found::at_start},
      {"a+?b", "aab", Found::at_start},
      {"a{2}b", "aab", Found::at_start},
      {"a{2}b", "ab", Found::nowhere},
      {"^a{2,3}b", "aaaab", Found::nowhere},
      {"^a{2,}b", "aaaab", Found::at_start},
      {"^a{,2}b", "aaab", Found::nowhere},
      {R"(layers\.(?:[0-9]|1[0-5])\.)", "layers.15.", Found::at_start},
      {R"(layers\.(?:[0-9]|1[0-5])\.)", "layers.16.", Found::nowhere},
      {R"(^(?!.*lm_head).*proj)", "lm_head.proj", Found::nowhere},
      {R"(^(?!.*lm_head).*proj)", "model.q_proj", Found::at_start},
      {R"(a(?=b))", "ab", Found::at_start},
      {R"(a(?=b))", "ac", Found::nowhere},
      {R"(\bup\b)", "mlp.up", Found::inside},
      {R"(\bup\b)", "mlp.up_proj", Found::nowhere},
      {"(((a|b)+c){1,2}d)?e", "acbcde", Found::at_start},
      {"(a*)*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaac", Found::nowhere},
      {"(a|a)*(a|a)*(a|a)*$", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab", Found::inside},
  };
  for (const Row& row : rows) {
    CAPTURE(row.pattern);
    CAPTURE(row.text);
    const Result<Pattern> pattern = Pattern::compile(row.pattern);
    REQUIRE_MESSAGE(pattern.ok(), pattern.error().text());
    CHECK(pattern.value().matches_prefix(row.text) == (row.found == Found::at_start));
    CHECK(pattern.value().matches_somewhere(row.text) == (row.found != Found::nowhere));
  }
}

TEST_CASE("Pattern: what is not understood: an error that says what") {
  struct BadRow {
    std::string pattern;
    std::string expected;
  };
  const std::vector<BadRow> rows = {
      {"a(", "a missing )"},
      {"a)", "an unmatched )"},
      {"*a", "nothing to repeat"},
      {"^*", "nothing to repeat"},
      {"a|+", "nothing to repeat"},
      {"[a", "a missing ]"},
      {"[z-a]", "a range"},
      {"[a-\xc3\xa9]", "a range"},  // the same where char is unsigned
      {"[\xc3\xa9-z]", "a range"},
      {"a\\", "a backslash"},
      {R"(\1)", "an escape"},
      {R"(\p)", "an escape"},
      {"(?<=a)b", "a kind of group"},
      {"(?P<x>a)", "a kind of group"},
      {"(?i)a", "a kind of group"},
      {"(?=a(?=b))", "a lookahead inside another"},
      {"a{3,1}", "a count"},
      {"a{x}", "a { that counts nothing"},
      {"a{9999999999}", "it repeats too much"},
      {"((((a{20}){20}){20}){20}){20}", "it repeats too much"},
      {std::string(1001, 'a'), "longer than 1000"},
      {std::string(100, '(') + std::string(100, ')'), "nested too deeply"},
      {"\x1b[31m", "\\x1b"},
  };
  for (const BadRow& row : rows) {
    CAPTURE(row.pattern);
    const Result<Pattern> pattern = Pattern::compile(row.pattern);
    REQUIRE(!pattern.ok());
    CHECK_MESSAGE(pattern.error().text().find(row.expected) != std::string::npos,
                  pattern.error().text());
  }
}

}  // namespace
}  // namespace thaw
