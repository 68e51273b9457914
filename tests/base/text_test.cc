#include "base/text.h"

#include <doctest/doctest.h>

#include <array>
#include <string>

namespace thaw {
namespace {

TEST_CASE("printable text of hostile names is safe for a terminal and short") {
  struct Row {
    std::string raw;
    std::string want;
  };
  const std::array<Row, 9> rows = {{
      {"model.layers.0.weight", "model.layers.0.weight"},
      {"a\nb", "a\\nb"},
      {"\x1b[31mred", "\\x1b[31mred"},
      {"back\\slash", "back\\\\slash"},
      {"h\xc3\xa9llo \xe2\x82\xac", "h\xc3\xa9llo \xe2\x82\xac"},  // UTF-8 stays
      {"\xff\xfe", "\\xff\\xfe"},                                  // not UTF-8
      {"\xc2\x9b"
       "31m",
       "\\xc2\\x9b31m"},  // C1 control: CSI
      {"\xe2\x80\xae"
       "evil",
       "\\xe2\\x80\\xae"
       "evil"},  // right-to-left override
      {std::string("a\0b", 3), "a\\x00b"},
  }};
  for (const Row& row : rows) CHECK(printable(row.raw) == row.want);
  CHECK(printable(std::string(10'000'000, 'x')).size() < 300);
}

TEST_CASE("natural order compares numbers as numbers and is total") {
  struct Row {
    const char* less;
    const char* more;
  };
  const std::array<Row, 8> rows = {{{"layers.2.a", "layers.10.a"},
                                    {"layers.9", "layers.10"},
                                    {"a", "b"},
                                    {"a", "a.b"},
                                    {"", "a"},
                                    {"x01", "x1"},  // equal numbers: bytes decide
                                    {"x99999999999999999999998", "x99999999999999999999999"},
                                    {"a1b2", "a1b10"}}};
  for (const Row& row : rows) {
    CAPTURE(row.less);
    CHECK(natural_less(row.less, row.more));
    CHECK_FALSE(natural_less(row.more, row.less));
    CHECK_FALSE(natural_less(row.less, row.less));
  }
}

TEST_CASE("sizes parse as people write them") {
  struct Row {
    const char* text;
    std::uint64_t bytes;
  };
  const std::array<Row, 10> good = {{{"0", 0},
                                     {"4096", 4096},
                                     {"512MB", 512'000'000},
                                     {"5GB", 5'000'000'000},
                                     {"2GiB", 2'147'483'648},
                                     {"2g", 2'000'000'000},
                                     {"1.5kB", 1500},
                                     {"0.5GiB", 536'870'912},
                                     {"64 MB", 64'000'000},
                                     {"1TiB", 1'099'511'627'776}}};
  for (const Row& row : good) {
    CAPTURE(row.text);
    CHECK(parse_bytes(row.text) == row.bytes);
  }
  for (const char* bad : {"", "MB", "-1", "1XB", "1.GB", "1e9", "5GBB", "99999999999999999999",
                          "99999999999TB", "1 2", "GiB", "0x10"}) {
    CAPTURE(bad);
    CHECK_FALSE(parse_bytes(bad).has_value());
  }
}

TEST_CASE("sizes print with three digits or so and a decimal unit") {
  CHECK(bytes_text(0) == "0 B");
  CHECK(bytes_text(999) == "999 B");
  CHECK(bytes_text(1000) == "1.0 kB");
  CHECK(bytes_text(141'100'000'000) == "141.1 GB");
  CHECK(bytes_text(999'960) == "1.0 MB");
}

TEST_CASE("shapes print as Python lists") {
  CHECK(shape_text({}) == "[]");
  CHECK(shape_text(std::array<std::uint64_t, 2>{8192, 3584}) == "[8192, 3584]");
}

}  // namespace
}  // namespace thaw
