#include "base/status.h"

#include <doctest/doctest.h>

#include <string>

#include "base/bytes.h"
#include "base/dtype.h"
#include "base/hash.h"
#include "base/stop.h"

namespace thaw {
namespace {

Result<int> half_of(int number) {
  if (number % 2 != 0) {
    return fail(ErrorCode::input, {.file = "f", .tensor = "t"}, "is odd", std::to_string(number),
                "an even number");
  }
  return number / 2;
}

Result<int> quarter_of(int number) {
  THAW_ASSIGN_OR_RETURN(const int half, half_of(number));
  return half_of(half);
}

TEST_CASE("a message names file, tensor, what, got and expected, all escaped") {
  const Result<int> result = quarter_of(6);
  REQUIRE_FALSE(result.ok());
  CHECK(result.error().code == ErrorCode::input);
  CHECK(result.error().text() == "f: t: is odd: got 3, expected an even number");
  CHECK(fail(ErrorCode::io, {.file = "a\nb", .tensor = "\x1b"}, "broke").error().text() ==
        "a\\nb: \\x1b: broke");
  CHECK(quarter_of(8).value() == 2);
}

TEST_CASE("an error list keeps twenty and counts the rest") {
  ErrorList errors;
  CHECK(errors.take().ok());
  for (int i = 0; i < 25; ++i) {
    errors.add(
        make_error(ErrorCode::input, {.file = std::to_string(i), .tensor = {}}, "bad", "hint"));
  }
  const Status status = errors.take();
  REQUIRE_FALSE(status.ok());
  CHECK(status.error().messages.size() == 21);
  CHECK(status.error().messages.front() == "0: bad");
  CHECK(status.error().messages.back() == "and 5 more");
  CHECK(status.error().hint == "hint");
}

TEST_CASE("an error list within another: what it left out is counted, not listed") {
  const auto list_of = [](int count) {
    ErrorList errors;
    for (int i = 0; i < count; ++i) {
      errors.add(fail(ErrorCode::input, {.file = std::to_string(i), .tensor = {}}, "bad"));
    }
    return errors.take();
  };
  struct Row {
    int outer, inner;
    std::size_t messages;
    const char* last;
  };
  for (const Row& row :
       {Row{0, 20, 20, "19: bad"}, Row{0, 21, 21, "and 1 more"}, Row{0, 25, 21, "and 5 more"},
        Row{3, 25, 21, "and 8 more"}, Row{30, 25, 21, "and 35 more"}, Row{3, 4, 7, "3: bad"}}) {
    CAPTURE(row.outer);
    CAPTURE(row.inner);
    ErrorList errors;
    errors.add(list_of(row.outer));
    errors.add(list_of(row.inner));
    const Status status = errors.take();
    REQUIRE_FALSE(status.ok());
    CHECK(status.error().messages.size() == row.messages);
    CHECK(status.error().messages.back() == row.last);
    ErrorList again;
    again.add(status.error());
    CHECK(again.take().error().messages == status.error().messages);
  }
}

TEST_CASE("element counts overflow to nothing, and zeros make zero") {
  CHECK(element_count(std::array<std::uint64_t, 0>{}) == 1);
  CHECK(element_count(std::array<std::uint64_t, 2>{3, 4}) == 12);
  CHECK(element_count(std::array<std::uint64_t, 2>{0, 4}) == 0);
  CHECK_FALSE(element_count(std::array<std::uint64_t, 2>{1ull << 40, 1ull << 40}).has_value());
  // Too large even though a zero follows: no reader could index it.
  CHECK_FALSE(element_count(std::array<std::uint64_t, 3>{1ull << 40, 1ull << 40, 0}).has_value());
}

TEST_CASE("dtype names go there and back") {
  for (int i = 0; i <= static_cast<int>(Dtype::f64); ++i) {
    const auto dtype = static_cast<Dtype>(i);
    CHECK(parse_dtype(dtype_name(dtype)) == dtype);
  }
  CHECK_FALSE(parse_dtype("f16").has_value());
  CHECK(parse_torch_dtype("torch.bfloat16") == Dtype::bf16);
  CHECK_FALSE(parse_torch_dtype("float64").has_value());
  CHECK(dtype_bits(Dtype::f6_e2m3) == 6);
}

TEST_CASE("the first request to stop wins") {
  StopFlag stop;
  CHECK_FALSE(stop.requested());
  stop.request(ErrorCode::terminated);
  stop.request(ErrorCode::interrupted);
  CHECK(stop.reason() == ErrorCode::terminated);
}

TEST_CASE("a hash of two texts differs from that of their parts moved") {
  Hash a;
  a.add("ab");
  a.add("c");
  Hash b;
  b.add("a");
  b.add("bc");
  CHECK(a.hex() != b.hex());
  CHECK(a.hex().size() == 16);
}

}  // namespace
}  // namespace thaw
