// The casts of every table against the oracle: specs/numbers.md clauses 2-7.
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

// All values of a 16-bit type; for float32 every exponent with the fractions where rounding to
// float16 or bfloat16 turns, and random ones.
std::vector<std::uint32_t> inputs(FloatType type) {
  std::vector<std::uint32_t> values;
  if (type != FloatType::float32) {
    for (std::uint32_t bits = 0; bits < 0x10000; ++bits) values.push_back(bits);
    return values;
  }
  for (std::uint32_t exponent = 0; exponent < 256; ++exponent) {
    for (int place = 0; place < 23; ++place) {
      const std::uint32_t bit = 1u << place;
      for (const std::uint32_t fraction :
           {0u, bit, bit - 1, bit + 1, bit * 3, 0x7fffffu, 0x7fffffu ^ bit, 0x7fffffu - bit + 1}) {
        const std::uint32_t bits = exponent << 23 | (fraction & 0x7fffffu);
        values.push_back(bits);
        values.push_back(bits | 0x80000000u);
      }
    }
  }
  std::mt19937 random(7);
  for (int i = 0; i < divided(200000); ++i) values.push_back(static_cast<std::uint32_t>(random()));
  return values;
}

struct Expected {
  std::vector<unsigned char> bytes;
  std::uint64_t overflows = 0;
};

Expected expect(const std::vector<std::uint32_t>& values, FloatType from,
                const OutputFormat& format) {
  const oracle::Type& in = oracle_type(from);
  const oracle::Type& out = oracle_type(format.type);
  const auto size = static_cast<std::size_t>(out.bytes);
  Expected expected;
  expected.bytes.resize(values.size() * size);
  for (std::size_t i = 0; i < values.size(); ++i) {
    const oracle::Number exact = oracle::number_from_bits(values[i], in);
    std::uint32_t bits = values[i];
    if (from != format.type) {
      bits = oracle::rounded(exact, out, format.rounding == Rounding::via_float16);
      expected.overflows +=
          exact.kind == oracle::Number::finite && (bits & ~out.sign) == out.infinity ? 1 : 0;
    }
    std::memcpy(&expected.bytes[i * size], &bits, size);
  }
  return expected;
}

void check_cast(FloatType from, const OutputFormat& format) {
  const std::vector<std::uint32_t> values = inputs(from);
  const Expected want = expect(values, from, format);
  const auto in_size = static_cast<std::size_t>(oracle_type(from).bytes);
  const auto out_size = static_cast<std::size_t>(oracle_type(format.type).bytes);
  for (const std::size_t offset : {std::size_t{0}, std::size_t{1}}) {
    std::vector<unsigned char> in(values.size() * in_size + offset);
    for (std::size_t i = 0; i < values.size(); ++i) {
      std::memcpy(&in[offset + i * in_size], &values[i], in_size);
    }
    const kernels::TableList tables = kernels::available_tables();
    for (std::size_t t = 0; t < tables.count; ++t) {
      const kernels::Table& table = *tables.tables[t];
      CAPTURE(table.name);
      CAPTURE(static_cast<int>(from));
      CAPTURE(name_of(format));
      std::vector<unsigned char> out(want.bytes.size() + offset + 64, 0xa5);
      const std::uint64_t overflows =
          table.cast(in.data() + offset, from, out.data() + offset, format, values.size());
      CHECK_EQ(overflows, want.overflows);
      const unsigned char* got = out.data() + offset;
      const bool equal = std::memcmp(got, want.bytes.data(), want.bytes.size()) == 0;
      CHECK(equal);
      for (std::size_t i = 0; !equal && i < values.size(); ++i) {
        if (std::memcmp(got + i * out_size, &want.bytes[i * out_size], out_size) == 0) continue;
        std::uint32_t bits = 0;
        std::uint32_t wanted = 0;
        std::memcpy(&bits, got + i * out_size, out_size);
        std::memcpy(&wanted, &want.bytes[i * out_size], out_size);
        std::ostringstream message;
        message << std::hex << "input 0x" << values[i] << " got 0x" << bits << " want 0x" << wanted;
        FAIL_CHECK(message.str());
        break;
      }
      const auto untouched = [](unsigned char b) { return b == 0xa5; };
      CHECK(std::all_of(out.end() - 64, out.end(), untouched));
    }
  }
}

TEST_CASE("casts: every pair of types gives the oracle's bytes and counts its overflows") {
  for (const FloatType from : kTypes) {
    for (const FloatType to : kTypes) check_cast(from, {to, Rounding::exact, {}});
  }
}

TEST_CASE("casts: via float16 rounds twice and counts what overflows on the way") {
  for (const FloatType from : kTypes) {
    check_cast(from, {FloatType::bfloat16, Rounding::via_float16, {}});
  }
}

TEST_CASE("casts: short lengths write exactly their elements") {
  const kernels::TableList tables = kernels::available_tables();
  for (std::size_t t = 0; t < tables.count; ++t) {
    for (std::uint64_t count = 0; count < 70; ++count) {
      const std::vector<std::uint16_t> in(count, 0x3c01);
      std::vector<std::uint16_t> out(count + 8, 0xa5a5);
      CHECK_EQ(tables.tables[t]->cast(in.data(), FloatType::float16, out.data(),
                                      {FloatType::bfloat16, Rounding::exact, {}}, count),
               0u);
      CHECK_EQ(std::count(out.begin(), out.end(), 0x3f80), static_cast<std::ptrdiff_t>(count));
      CHECK_EQ(std::count(out.begin(), out.end(), 0xa5a5), 8);
    }
  }
}

}  // namespace
}  // namespace thaw::test
