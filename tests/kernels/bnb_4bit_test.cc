// bnb_4bit on every table that this CPU runs, against fractions: specs/bitsandbytes.md clause 2.
// Scales that are quantized themselves: tests/cli/test_bnb_4bit.py.
#include <doctest/doctest.h>

#include <array>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <random>
#include <vector>

#include "kernels/case_checks.h"
#include "support/scaled_oracle.h"

namespace thaw::test {
namespace {

using kernels::OutputFormat;
using kernels::Role;

// usual: as weights have them; any: random bits, infinite and NaN among them; huge: around the
// bounds of float16 and bfloat16; tiny: results that are subnormal.
enum class Draw { usual, any, huge, tiny };

struct Grid {
  std::uint64_t rows;
  std::uint64_t columns;
  std::uint64_t block;
};

class Case {
 public:
  Case(const Grid& grid, Draw draw, std::uint32_t seed) : grid_(grid) {
    std::mt19937 random(seed);
    const auto bits_of = [&](std::uint32_t exponent) {
      const auto bits = static_cast<std::uint32_t>(random());
      if (draw == Draw::any) return bits;
      return (bits & 0x8000'0000u) | (exponent + bits % 4) << 23 | (bits >> 4 & 0x7f'ffffu);
    };
    const std::uint64_t count = grid.rows * grid.columns;
    codes_.resize((count + 1) / 2);
    for (unsigned char& byte : codes_) byte = static_cast<unsigned char>(random());
    for (std::uint32_t& number : table_) number = bits_of(124);
    const std::uint32_t exponent = draw == Draw::huge   ? (seed % 2 == 0 ? 141 : 252)
                                   : draw == Draw::tiny ? (seed % 2 == 0 ? 104 : 1)
                                                        : 118;
    scales_.resize((count + grid.block - 1) / grid.block);
    for (std::uint32_t& scale : scales_) scale = bits_of(exponent);
    std::memcpy(numbers_.data(), table_.data(), sizeof numbers_);
  }

  [[nodiscard]] kernels::PackedLinear linear() const {
    kernels::PackedLinear linear;
    linear[Role::codes] = {codes_.data(), 0, 1};
    linear[Role::scales] = {scales_.data(), 0, 4};
    linear.in_features = grid_.columns;
    linear.out_features = grid_.rows;
    linear.group_size = grid_.block;
    linear.table = numbers_.data();
    return linear;
  }

  [[nodiscard]] std::vector<unsigned char> expected(const OutputFormat& format,
                                                    std::uint64_t& overflows) const {
    const oracle::Type& type = oracle_type(format.type);
    std::vector<unsigned char> out;
    overflows = 0;
    for (std::uint64_t at = 0; at < grid_.rows * grid_.columns; ++at) {
      const unsigned code = at % 2 == 0 ? codes_[at / 2] / 16u : codes_[at / 2] % 16u;
      const oracle::Fraction exact =
          oracle::times(oracle::wide(table_[code], oracle::kFloat32),
                        oracle::wide(scales_[at / grid_.block], oracle::kFloat32));
      std::uint32_t bits = oracle::bits_from_fraction(exact, type);
      if (format.rounding == kernels::Rounding::via_float16) {
        bits = oracle::bits_from_fraction(exact, oracle::kFloat16);
        bits = oracle::bits_from_fraction(oracle::wide(bits, oracle::kFloat16), type);
      }
      const bool infinite = (bits & ~type.sign) == type.infinity;
      overflows += exact.kind == oracle::Fraction::finite && infinite ? 1 : 0;
      const auto* bytes = reinterpret_cast<const unsigned char*>(&bits);
      out.insert(out.end(), bytes, bytes + type.bytes);
    }
    return out;
  }

 private:
  Grid grid_;
  std::vector<unsigned char> codes_;
  std::array<std::uint32_t, 16> table_{};
  std::array<float, 16> numbers_{};
  std::vector<std::uint32_t> scales_;
};

TEST_CASE("bnb_4bit: number times scale, for every size of blocks, kind of scale and rows") {
  std::uint32_t seed = 40;
  std::uint64_t seen = 0;
  const kernels::TableList tables = kernels::available_tables();
  for (const Grid grid : {Grid{6, 128, 64}, Grid{9, 96, 64}, Grid{7, 5, 8}, Grid{4, 33, 4096},
                          Grid{16, 32, 128}, Grid{1, 1, 64}}) {
    for (const Draw draw : {Draw::usual, Draw::any, Draw::huge, Draw::tiny}) {
      const Case one(grid, draw, ++seed);
      for (const OutputFormat& format : output_formats()) {
        std::uint64_t overflows = 0;
        const std::vector<unsigned char> want = one.expected(format, overflows);
        const std::uint64_t row = want.size() / grid.rows;
        CAPTURE(seed);
        for (std::size_t t = 0; t < tables.count; ++t) {
          CAPTURE(tables.tables[t]->name);
          for (const std::uint64_t first : {std::uint64_t{0}, grid.rows / 2, grid.rows - 1}) {
            const std::uint64_t size = want.size() - first * row;
            const std::unique_ptr<unsigned char, void (*)(void*)> memory(
                static_cast<unsigned char*>(std::aligned_alloc(64, (size + 127) / 64 * 64)),
                std::free);
            std::memset(memory.get(), 0xa5, size + 1);
            kernels::layout_in(*tables.tables[t], kernels::LayoutId::bnb_4bit)
                .dequantize(one.linear(), first, grid.rows, memory.get(), format);
            CHECK(std::memcmp(memory.get(), want.data() + first * row, size) == 0);
            CHECK(memory.get()[size] == 0xa5);
          }
        }
        CHECK_EQ(kernels::count_overflows(kernels::LayoutId::bnb_4bit, one.linear(), 0, grid.rows,
                                          want.data(), format),
                 overflows);
        seen += overflows;
      }
    }
  }
  CHECK_GT(seen, 0u);
}

}  // namespace
}  // namespace thaw::test
