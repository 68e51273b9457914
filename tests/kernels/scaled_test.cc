// Scaled elements on every table that this CPU runs, against the oracle: specs/scaled_elements.md
// clause 1.
#include <doctest/doctest.h>

#include <array>
#include <bit>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <random>
#include <sstream>
#include <string>
#include <vector>

#include "kernels/case_checks.h"
#include "support/scaled_oracle.h"

namespace thaw::test {
namespace {

using kernels::FloatType;
using kernels::OutputFormat;
using kernels::ScaleForm;
using kernels::SmallFloat;
using oracle::Fraction;

// 32 bits at a time, whatever the library's type of them.
class Random {
 public:
  explicit Random(std::uint32_t seed) : engine_(seed) {}
  std::uint32_t operator()() { return static_cast<std::uint32_t>(engine_()); }

 private:
  std::mt19937 engine_;
};

struct Grid {
  std::uint64_t rows;
  std::uint64_t columns;
  std::uint64_t block_rows;
  std::uint64_t block_columns;
  std::uint64_t rows_per_slice = 0;
  std::uint64_t misalignment = 0;
  bool single = false;
};

struct Kind {
  SmallFloat element;
  ScaleForm form;
  FloatType type = FloatType::float32;  // of wide scales
  bool inverse = false;
  int global = 0;  // 1: multiplies, -1: divides
};

// usual: scales as weights have them; any: random bits; edges: around the bounds of the vectors,
// zero, infinite, NaN; powers: scales of few bits.
enum class Draw { usual, any, edges, powers };

std::uint32_t wide_scale(Random& random, const oracle::Type& type, Draw draw) {
  const auto bits = random();
  const std::uint32_t one = 1u << (type.precision - 1);
  const std::uint32_t sign = bits & type.sign;
  const bool half = type.precision == 11;
  const std::uint32_t middle = half ? 12 : 118;  // exponents of usual scales
  switch (draw) {
    case Draw::usual:
      return (middle + random() % 4) * one + bits % one;
    case Draw::any:
      return bits & (type.sign | (type.sign - 1));
    case Draw::powers:
      return sign | (middle + random() % 4) * one;
    case Draw::edges:
      break;
  }
  const std::array<std::uint32_t, 10> edges = {0,
                                               1,
                                               one - 1,
                                               one,
                                               half ? one : 27 * one,  // 2^-100
                                               half ? 2 * one : 27 * one - 1,
                                               half ? 3 * one : 227 * one,
                                               type.infinity - 1,
                                               type.infinity,
                                               type.nan};
  return sign | edges[random() % edges.size()];
}

class Case {
 public:
  Case(const Kind& kind, const Grid& grid, Draw draw, std::uint32_t seed)
      : kind_(kind), grid_(grid), type_(oracle_type(kind.type)), seed_(seed) {
    Random random(seed);
    const std::uint64_t slice = grid.rows_per_slice != 0 ? grid.rows_per_slice : grid.rows;
    lines_of_slice_ = (slice + grid.block_rows - 1) / grid.block_rows;
    blocks_ = (grid.columns + grid.block_columns - 1) / grid.block_columns;
    const std::uint64_t lines = grid.single ? 1 : grid.rows / slice * lines_of_slice_;
    scale_bytes_ = kind.form == ScaleForm::wide ? static_cast<std::uint64_t>(type_.bytes) : 1;
    scale_pitch_ = grid.single ? 0 : blocks_ * scale_bytes_;
    const std::uint64_t row_bytes =
        kind.element == SmallFloat::e2m1 ? (grid.columns + 1) / 2 : grid.columns;
    code_pitch_ = row_bytes;
    codes_.resize(grid.misalignment + grid.rows * row_bytes);
    for (unsigned char& code : codes_) {
      code = static_cast<unsigned char>(random());
      // Codes that are no numbers would hide the others of their run.
      const bool rare = draw == Draw::any || random() % 512 == 0;
      const unsigned special = kind.element == SmallFloat::e5m2 ? 0x7cu : 0x7fu;
      if (!rare && kind.element != SmallFloat::e2m1 && (code & special) == special) code ^= 0x40u;
    }
    scales_.resize(grid.misalignment + lines * blocks_ * scale_bytes_);
    for (std::uint64_t i = 0; i < lines * blocks_; ++i) {
      std::uint32_t bits = wide_scale(random, type_, draw);
      if (kind.form == ScaleForm::e4m3) bits = draw == Draw::any ? bits : bits % 127;
      if (kind.form == ScaleForm::e8m0) {
        constexpr std::array<std::uint32_t, 6> kEdges = {0, 1, 27, 26, 254, 255};
        bits = draw == Draw::usual ? 110 + bits % 20 : bits;
        if (draw == Draw::edges) bits = kEdges[random() % kEdges.size()];
      }
      std::memcpy(&scales_[grid.misalignment + i * scale_bytes_], &bits, scale_bytes_);
    }
    const float usual = kind.global > 0 ? 0.3173828125f / 2688 : 2688 / 0.3173828125f;
    std::memcpy(&global_, &usual, sizeof global_);
    if (draw == Draw::any) global_ = random();
    if (draw == Draw::powers) global_ = (random() % 64 + 100) << 23;
  }

  [[nodiscard]] kernels::PackedLinear linear() const {
    kernels::PackedLinear linear;
    linear[kernels::Role::codes] = {codes_.data() + grid_.misalignment, code_pitch_, 1};
    linear[kernels::Role::scales] = {scales_.data() + grid_.misalignment, scale_pitch_,
                                     scale_bytes_};
    if (kind_.global != 0) linear[kernels::Role::global_scale] = {&global_, 0, 4};
    linear.in_features = grid_.columns;
    linear.out_features = grid_.rows;
    linear.group_size = grid_.block_columns;
    linear.scale_type = kind_.type;
    linear.bits = kind_.element == SmallFloat::e2m1 ? 4 : 8;
    linear.rows_per_slice = grid_.rows_per_slice;
    linear.scaled = {kind_.element, kind_.form, grid_.block_rows, kind_.inverse, kind_.global < 0};
    return linear;
  }

  [[nodiscard]] Fraction value(std::uint64_t n, std::uint64_t k) const {
    const unsigned char* codes = codes_.data() + grid_.misalignment + n * code_pitch_;
    const std::uint64_t slice = grid_.rows_per_slice != 0 ? grid_.rows_per_slice : grid_.rows;
    const std::uint64_t line = n / slice * lines_of_slice_ + n % slice / grid_.block_rows;
    std::uint32_t bits = 0;
    std::memcpy(&bits,
                scales_.data() + grid_.misalignment + line * scale_pitch_ +
                    k / grid_.block_columns * scale_bytes_,
                scale_bytes_);
    Fraction scale = kind_.form == ScaleForm::wide   ? oracle::wide(bits, type_)
                     : kind_.form == ScaleForm::e4m3 ? oracle::e4m3(bits)
                                                     : oracle::e8m0(bits);
    if (kind_.inverse) scale = oracle::inverse(scale);
    Fraction element;
    switch (kind_.element) {
      case SmallFloat::e4m3:
        element = oracle::e4m3(codes[k]);
        break;
      case SmallFloat::e5m2:
        element = oracle::e5m2(codes[k]);
        break;
      case SmallFloat::e2m1:
        element = oracle::e2m1(static_cast<std::uint32_t>(codes[k / 2]) >> (k % 2 * 4));
        break;
    }
    Fraction global = oracle::wide(global_, oracle::kFloat32);
    if (kind_.global == 0) return oracle::times(element, scale);
    if (kind_.global < 0) global = oracle::inverse(global);
    return oracle::times(oracle::times(element, scale), global);
  }

  [[nodiscard]] std::vector<unsigned char> expected(const OutputFormat& format,
                                                    std::uint64_t& overflows) const {
    const oracle::Type& type = oracle_type(format.type);
    std::vector<unsigned char> out;
    overflows = 0;
    for (std::uint64_t n = 0; n < grid_.rows; ++n) {
      for (std::uint64_t k = 0; k < grid_.columns; ++k) {
        const Fraction exact = value(n, k);
        std::uint32_t bits = 0;
        if (format.rounding == kernels::Rounding::via_float16) {
          bits = oracle::bits_from_fraction(exact, oracle::kFloat16);
          bits = oracle::bits_from_fraction(oracle::wide(bits, oracle::kFloat16), type);
        } else {
          bits = oracle::bits_from_fraction(exact, type);
        }
        const bool infinite = (bits & ~type.sign) == type.infinity;
        overflows += exact.kind == Fraction::finite && infinite ? 1 : 0;
        const auto* bytes = reinterpret_cast<const unsigned char*>(&bits);
        out.insert(out.end(), bytes, bytes + type.bytes);
      }
    }
    return out;
  }

  // Rows [begin, end) with one table; empty, or what is wrong.
  [[nodiscard]] std::string check(const kernels::Table& table, const OutputFormat& format,
                                  const std::vector<unsigned char>& want, std::uint64_t begin,
                                  std::uint64_t end) const {
    constexpr std::uint64_t kCanary = 64;
    const auto bytes = static_cast<std::uint64_t>(oracle_type(format.type).bytes);
    const std::uint64_t row = grid_.columns * bytes;
    const std::uint64_t size = (end - begin) * row;
    const std::uint64_t total = (size + 2 * kCanary + 63) / 64 * 64;
    const std::unique_ptr<unsigned char, void (*)(void*)> memory(
        static_cast<unsigned char*>(std::aligned_alloc(64, total)), std::free);
    std::memset(memory.get(), 0xa5, total);
    unsigned char* out = memory.get() + kCanary;
    kernels::layout_in(table, kernels::LayoutId::scaled)
        .dequantize(linear(), begin, end, out, format);
    std::ostringstream text;
    text << table.name << ' ' << name_of(format) << " seed " << seed_ << ' ' << grid_.rows << " x "
         << grid_.columns << " blocks " << grid_.block_rows << " x " << grid_.block_columns
         << " rows " << begin << ".." << end << ": ";
    for (std::uint64_t i = 0; i < total; ++i) {
      const bool outside = i < kCanary || i >= kCanary + size;
      if (outside && memory.get()[i] != 0xa5) return text.str() + "wrote outside";
    }
    for (std::uint64_t i = 0; i < size; i += bytes) {
      if (std::memcmp(out + i, want.data() + begin * row + i, bytes) == 0) continue;
      std::uint32_t got = 0;
      std::uint32_t wanted = 0;
      std::memcpy(&got, out + i, bytes);
      std::memcpy(&wanted, want.data() + begin * row + i, bytes);
      text << "row " << begin + i / row << " column " << i % row / bytes << std::hex << " got 0x"
           << got << ", want 0x" << wanted;
      return text.str();
    }
    return {};
  }

  // All tables, formats and stores; the overflows too. Returns how many there were.
  std::uint64_t check_all() const {
    const kernels::TableList tables = kernels::available_tables();
    std::uint64_t seen = 0;
    for (OutputFormat format : output_formats()) {
      std::uint64_t overflows = 0;
      const std::vector<unsigned char> want = expected(format, overflows);
      for (std::size_t i = 0; i < tables.count; ++i) {
        for (const kernels::Stores stores : {kernels::Stores::normal, kernels::Stores::streaming}) {
          format.stores = stores;
          CHECK_EQ(check(*tables.tables[i], format, want, 0, grid_.rows), "");
          if (grid_.rows < 3) continue;
          CHECK_EQ(check(*tables.tables[i], format, want, 1, grid_.rows - 1), "");
        }
      }
      const std::uint64_t counted = kernels::count_overflows(kernels::LayoutId::scaled, linear(), 0,
                                                             grid_.rows, want.data(), format);
      CAPTURE(seed_);
      CHECK_EQ(counted, overflows);
      seen += overflows;
    }
    return seen;
  }

 private:
  Kind kind_;
  Grid grid_;
  const oracle::Type& type_;
  std::uint32_t seed_;
  std::uint64_t lines_of_slice_ = 0, blocks_ = 0, scale_bytes_ = 0, scale_pitch_ = 0;
  std::uint64_t code_pitch_ = 0;
  std::uint32_t global_ = 0;
  std::vector<unsigned char> codes_, scales_;
};

std::uint64_t check(const std::vector<Kind>& kinds, const std::vector<Grid>& grids,
                    const std::vector<Draw>& draws, std::uint32_t seed) {
  std::uint64_t overflows = 0;
  std::uint32_t turn = 0;
  for (const Kind& kind : kinds) {
    for (const Grid& grid : grids) {
      for (const Draw draw : draws) {
        ++seed;
        if (runs_slowly() && turn++ % 5 != 0) continue;
        overflows += Case(kind, grid, draw, seed).check_all();
      }
    }
  }
  return overflows;
}

const std::vector<Draw> kDraws = {Draw::usual, Draw::any, Draw::edges, Draw::powers};

TEST_CASE("scaled: float8 in blocks, by row and by tensor: the oracle's bytes") {
  std::vector<Kind> kinds;
  for (const SmallFloat element : {SmallFloat::e4m3, SmallFloat::e5m2}) {
    for (const FloatType type : {FloatType::float32, FloatType::bfloat16, FloatType::float16}) {
      kinds.push_back({element, ScaleForm::wide, type});
    }
  }
  const std::vector<Grid> grids = {
      {6, 256, 4, 128},            // whole blocks
      {5, 200, 3, 64, 0, 1},       // the last ones short
      {4, 96, 1, 96},              // by row
      {3, 33, 3, 33, 0, 3, true},  // by tensor
      {4, 64, 4, 16, 0, 5},        // blocks narrower than the vectors
      {6, 70, 2, 24, 3},           // experts whose rows end within a block
      {2, 1, 1, 1},
      {3, 1100, 3, 550},
  };
  CHECK_GT(check(kinds, grids, kDraws, 100), 0u);
}

TEST_CASE("scaled: float8 with exponents for scales") {
  check({{SmallFloat::e4m3, ScaleForm::e8m0}, {SmallFloat::e5m2, ScaleForm::e8m0}},
        {{4, 256, 1, 32}, {3, 100, 1, 32, 0, 1}, {6, 200, 4, 128}}, kDraws, 1000);
}

TEST_CASE("scaled: more blocks in a row than are made together") {
  check({{SmallFloat::e4m3, ScaleForm::e8m0}, {SmallFloat::e4m3, ScaleForm::wide}},
        {{2, 32 * 514, 1, 32}}, {Draw::usual}, 1500);
}

TEST_CASE("scaled: float8 divided by its scales, the quotient rounded once") {
  check({{SmallFloat::e4m3, ScaleForm::wide, FloatType::float32, true},
         {SmallFloat::e5m2, ScaleForm::wide, FloatType::float32, true}},
        {{4, 256, 2, 64}, {3, 33, 1, 33, 0, 3}}, kDraws, 2000);
}

TEST_CASE("scaled: E2M1 with exponents (MXFP4)") {
  check(
      {{SmallFloat::e2m1, ScaleForm::e8m0}},
      {{4, 256, 1, 32}, {3, 96, 1, 32, 0, 1}, {3, 70, 1, 32, 0, 3}, {2, 64, 1, 64}, {2, 40, 1, 8}},
      kDraws, 3000);
}

TEST_CASE("scaled: E2M1 with a global scale that multiplies or divides (NVFP4)") {
  check({{SmallFloat::e2m1, ScaleForm::e4m3, FloatType::float32, false, 1},
         {SmallFloat::e2m1, ScaleForm::e4m3, FloatType::float32, false, -1}},
        {{4, 256, 1, 16}, {3, 96, 1, 16, 0, 1}, {3, 48, 1, 16}, {5, 112, 1, 16, 0, 7}}, kDraws,
        4000);
}

// Every element with every scale of a byte, and with scales whose product with an element lies on
// or next to a tie of bfloat16.
TEST_CASE("scaled: every code of every scale of a byte") {
  for (const int global : {1, -1}) {
    const Grid grid = {256, 16, 1, 16};
    Case all({SmallFloat::e2m1, ScaleForm::e4m3, FloatType::float32, false, global}, grid,
             Draw::usual, 5000);
    CHECK_GE(all.check_all(), 0u);
  }
}

TEST_CASE("scaled: products next to a tie are rounded once") {
  // 2^-100 to 2^100; scales one unit beside those whose product with 13 is a tie of bfloat16.
  std::vector<unsigned char> codes(64, 0x3d);  // 13/8
  for (std::size_t k = 1; k < codes.size(); k += 2) codes[k] = 0xbd;
  const kernels::TableList tables = kernels::available_tables();
  for (std::uint32_t tie = 0x3f8080; tie < 0x3f80c0; ++tie) {
    for (int offset = -2; offset <= 2; ++offset) {
      // (tie << 8 | 0x80) / 13, nearly.
      const float target = std::bit_cast<float>(tie << 8 | 0x8000u);
      const auto bits = std::bit_cast<std::uint32_t>(target / 1.625f) + offset;
      kernels::PackedLinear linear;
      linear[kernels::Role::codes] = {codes.data(), 64, 1};
      linear[kernels::Role::scales] = {&bits, 4, 4};
      linear.in_features = 64;
      linear.out_features = 1;
      linear.group_size = 64;
      linear.scale_type = FloatType::float32;
      const Fraction exact =
          oracle::times(oracle::e4m3(0x3d), oracle::wide(bits, oracle::kFloat32));
      for (const OutputFormat& format : output_formats()) {
        if (format.rounding == kernels::Rounding::via_float16) continue;
        const oracle::Type& type = oracle_type(format.type);
        const std::uint32_t want = oracle::bits_from_fraction(exact, type);
        for (std::size_t i = 0; i < tables.count; ++i) {
          alignas(64) unsigned char out[256] = {};
          kernels::layout_in(*tables.tables[i], kernels::LayoutId::scaled)
              .dequantize(linear, 0, 1, out, format);
          std::uint32_t first = 0;
          std::uint32_t second = 0;
          std::memcpy(&first, out, static_cast<std::size_t>(type.bytes));
          std::memcpy(&second, out + type.bytes, static_cast<std::size_t>(type.bytes));
          CHECK_EQ(first, want);
          CHECK_EQ(second, want | type.sign);
        }
      }
    }
  }
}

}  // namespace
}  // namespace thaw::test
