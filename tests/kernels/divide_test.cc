// The quotients of every table against exact integer arithmetic: specs/numbers.md clause 8.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <random>
#include <sstream>
#include <vector>

#include "kernels/packed_case.h"

namespace thaw::test {
namespace {

using kernels::FloatType;
using kernels::OutputFormat;
using kernels::Rounding;

constexpr FloatType kTypes[] = {FloatType::float16, FloatType::bfloat16, FloatType::float32};
__extension__ using Wide = unsigned __int128;

// A finite float as significand * 2^exponent.
struct Parts {
  std::uint64_t significand;
  int exponent;
  bool negative;
};

Parts parts_of(std::uint32_t bits, const oracle::Type& type) {
  const std::uint32_t hidden = 1u << (type.precision - 1);
  const std::uint32_t magnitude = bits & ~type.sign;
  const auto exponent = static_cast<int>(magnitude / hidden);
  return {magnitude % hidden + (exponent != 0 ? hidden : 0),
          type.smallest - 149 + (exponent != 0 ? exponent - 1 : 0), (bits & type.sign) != 0};
}

// quotient * 2^exponent, where the last bit of `quotient` also stands for all that is below it.
std::uint32_t rounded(Wide quotient, int exponent, bool negative, const oracle::Type& type) {
  int length = 0;
  while (length < 128 && quotient >> length != 0) ++length;
  const int smallest = type.smallest - 149;
  const int unit = std::max(length - type.precision + exponent, smallest);
  const int shift = unit - exponent;  // at least 40: quotients have 64 bits or more
  std::uint64_t kept = 0;
  if (shift <= length) {
    kept = shift == 128 ? 0 : static_cast<std::uint64_t>(quotient >> shift);
    const Wide half = Wide{1} << (shift - 1);
    const Wide rest = quotient & ((half << 1) - 1);
    if (rest > half || (rest == half && kept % 2 == 1)) ++kept;
  }
  const std::uint64_t bits =
      (static_cast<std::uint64_t>(unit - smallest) << (type.precision - 1)) + kept;
  return (negative ? type.sign : 0) |
         (bits < type.infinity ? static_cast<std::uint32_t>(bits) : type.infinity);
}

// value / by as the format has it; `overflow` where a finite value becomes infinite.
std::uint32_t quotient(std::uint32_t value, const oracle::Type& value_type, std::uint32_t by,
                       const oracle::Type& by_type, const OutputFormat& format, bool& overflow) {
  const oracle::Type& out = oracle_type(format.type);
  const bool via = format.rounding == Rounding::via_float16;
  const oracle::Number number = oracle::number_from_bits(value, value_type);
  const Parts divisor = parts_of(by, by_type);
  const bool negative = number.negative != divisor.negative;
  overflow = false;
  if (number.kind == oracle::Number::nan) return out.nan;
  if (number.kind == oracle::Number::infinite) return (negative ? out.sign : 0) | out.infinity;
  const Parts dividend = parts_of(value, value_type);
  if (dividend.significand == 0) return negative ? out.sign : 0;
  const Wide scaled = Wide{dividend.significand} << 90;
  Wide whole = scaled / divisor.significand;
  if (scaled % divisor.significand != 0) whole |= 1;
  const int exponent = dividend.exponent - divisor.exponent - 90;
  if (!via) {
    const std::uint32_t bits = rounded(whole, exponent, negative, out);
    overflow = (bits & ~out.sign) == out.infinity;
    return bits;
  }
  const std::uint32_t half = rounded(whole, exponent, negative, oracle::kFloat16);
  overflow = (half & ~oracle::kFloat16.sign) == oracle::kFloat16.infinity;
  return oracle::bits_from_number(oracle::number_from_bits(half, oracle::kFloat16), out);
}

std::uint32_t some_bits(std::mt19937& random, const oracle::Type& type) {
  return static_cast<std::uint32_t>(random()) & (type.sign | (type.sign - 1));
}

struct Pairs {
  std::vector<std::uint32_t> values;
  std::vector<std::uint32_t> by;
};

// Random bits, and dividends near a multiple of the divisor, where roundings turn.
Pairs pairs(const oracle::Type& value_type, const oracle::Type& by_type) {
  std::mt19937 random(11);
  Pairs made;
  for (int i = 0; i < divided(40000); ++i) {
    std::uint32_t by = some_bits(random, by_type);
    const std::uint32_t magnitude = by & ~by_type.sign;
    if (magnitude == 0 || magnitude >= by_type.infinity) by = by_type.infinity / 2;
    made.by.push_back(by);
    std::uint32_t value = some_bits(random, value_type);
    if (i % 4 == 1) {  // of ordinary size
      value = (value & (value_type.sign | (value_type.infinity / 8))) ^ (value_type.infinity / 2);
    } else if (i % 4 == 2) {  // a few bits only, so that quotients are exact, or halfway
      value &= ~((1u << (value_type.precision - 1 - i / 4 % 7)) - 1);
      made.by.back() = by & ~((1u << (by_type.precision - 1)) - 1);
      if ((made.by.back() & ~by_type.sign) == 0) made.by.back() = by_type.infinity / 2;
    }
    made.values.push_back(value);
  }
  return made;
}

std::vector<unsigned char> bytes_of(const std::vector<std::uint32_t>& values, int size,
                                    std::size_t offset) {
  std::vector<unsigned char> bytes(values.size() * static_cast<std::size_t>(size) + offset);
  for (std::size_t i = 0; i < values.size(); ++i) {
    std::memcpy(&bytes[offset + i * static_cast<std::size_t>(size)], &values[i],
                static_cast<std::size_t>(size));
  }
  return bytes;
}

void check_divide(FloatType from, FloatType by, const OutputFormat& format) {
  const oracle::Type& value_type = oracle_type(from);
  const oracle::Type& by_type = oracle_type(by);
  const auto size = static_cast<std::size_t>(oracle_type(format.type).bytes);
  const Pairs made = pairs(value_type, by_type);
  std::vector<std::uint32_t> want(made.values.size());
  std::uint64_t overflows = 0;
  for (std::size_t i = 0; i < want.size(); ++i) {
    bool overflow = false;
    want[i] = quotient(made.values[i], value_type, made.by[i], by_type, format, overflow);
    overflows += overflow ? 1 : 0;
  }
  const std::vector<unsigned char> in = bytes_of(made.values, value_type.bytes, 1);
  const std::vector<unsigned char> divisors = bytes_of(made.by, by_type.bytes, 3);
  const kernels::TableList tables = kernels::available_tables();
  for (std::size_t t = 0; t < tables.count; ++t) {
    const kernels::Table& table = *tables.tables[t];
    CAPTURE(table.name);
    CAPTURE(static_cast<int>(from));
    CAPTURE(static_cast<int>(by));
    CAPTURE(name_of(format));
    std::vector<unsigned char> out(want.size() * size + 64, 0xa5);
    CHECK_EQ(
        table.divide(in.data() + 1, from, divisors.data() + 3, by, out.data(), format, want.size()),
        overflows);
    for (std::size_t i = 0; i < want.size(); ++i) {
      std::uint32_t got = 0;
      std::memcpy(&got, &out[i * size], size);
      if (got == want[i]) continue;
      std::ostringstream message;
      message << std::hex << "0x" << made.values[i] << " / 0x" << made.by[i] << ": got 0x" << got
              << " want 0x" << want[i];
      FAIL_CHECK(message.str());
      break;
    }
    CHECK(std::all_of(out.end() - 64, out.end(), [](unsigned char b) { return b == 0xa5; }));
  }
}

TEST_CASE("quotients: every triple of types is the exact quotient, rounded once") {
  for (const FloatType from : kTypes) {
    for (const FloatType by : kTypes) {
      for (const FloatType to : kTypes) check_divide(from, by, {to, Rounding::exact, {}});
      check_divide(from, by, {FloatType::bfloat16, Rounding::via_float16, {}});
    }
  }
}

TEST_CASE("quotients: short lengths write exactly their elements") {
  const kernels::TableList tables = kernels::available_tables();
  for (std::size_t t = 0; t < tables.count; ++t) {
    for (std::uint64_t count = 0; count < 70; ++count) {
      const std::vector<std::uint16_t> in(count, 0x3c00);
      const std::vector<std::uint16_t> by(count, 0x4000);
      std::vector<std::uint16_t> out(count + 8, 0xa5a5);
      CHECK_EQ(
          tables.tables[t]->divide(in.data(), FloatType::float16, by.data(), FloatType::float16,
                                   out.data(), {FloatType::float16, Rounding::exact, {}}, count),
          0u);
      CHECK_EQ(std::count(out.begin(), out.end(), 0x3800), static_cast<std::ptrdiff_t>(count));
      CHECK_EQ(std::count(out.begin(), out.end(), 0xa5a5), 8);
    }
  }
}

}  // namespace
}  // namespace thaw::test
