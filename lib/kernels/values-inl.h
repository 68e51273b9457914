// A group of one output row has 16 possible values. The kernels round those once, into a small
// table, and then only move codes: (code - zero) * scale or code * scale + zero for codes 0..15.
//
// An instruction set `Isa` describes its tables with
//   kTableBytes<kTarget>                        the size of one;
//   load_scales(from, type, out)                eight 16-bit floats, widened; false if one is so
//                                               large (or infinite, or NaN) that it is rare;
//   load_four_scales(from, type, out)           the same for four, `out` still holding eight;
//   product_table<kTarget>(scale, zero, table)  for a scale that is not rare;
//   sum_table<kTarget>(scale, zero, table)      same; false if float32 arithmetic was not exact;
//   pack_table<kTarget>(values, table)          from sixteen finished values.
#pragma once

#include "kernels/layouts-inl.h"

namespace thaw::kernels {
namespace {

// A scale below this can be multiplied by 15 and added to without overflow of float32.
inline constexpr float kRareMagnitude = 0x1p120f;

// Scales from this to that may be multiplied in one step with a subtraction: products-inl.h.
inline constexpr float kLeastFused = 0x1p-100f;
inline constexpr float kMostFused = 0x1p100f;

// kCodeMinusZero[15 - zero + code] is code - zero.
alignas(64) inline constexpr float kCodeMinusZero[31] = {
    -15, -14, -13, -12, -11, -10, -9, -8, -7, -6, -5, -4, -3, -2, -1, 0,
    1,   2,   3,   4,   5,   6,   7,  8,  9,  10, 11, 12, 13, 14, 15};

// Which nibble of a word of eight zeros belongs to table i of eight.
enum class ZeroOrder { serial, awq };

template <ZeroOrder kOrder>
inline int zero_of(std::uint32_t word, std::uint32_t index) {
  if constexpr (kOrder == ZeroOrder::awq) index = kNibbleOf[index];
  return static_cast<int>(nibble(word, index));
}

// The careful way, for what the vectors leave out.
template <class Isa, Target kTarget, class Factors>
[[gnu::noinline, gnu::cold]] void rare_table(const Factors& factors, unsigned char* table) {
  ElementOf<kTarget> values[16];
  for (int code = 0; code < 16; ++code) values[code] = narrow<kTarget>(factors.at(code));
  Isa::template pack_table<kTarget>(values, table);
}

// Eight tables, one after the other, from eight 16-bit scales and a word of eight zeros.
template <class Isa, Target kTarget, ZeroOrder kOrder>
inline void eight_product_tables(const void* scales, FloatType type, std::uint32_t zeros,
                                 unsigned char* tables) {
  constexpr std::size_t kStep = Isa::template kTableBytes<kTarget>;
  alignas(32) float widened[8];
  if (!Isa::load_scales(scales, type, widened)) [[unlikely]] {
    for (std::uint32_t i = 0; i < 8; ++i) {
      const Product factors = {static_cast<double>(widened[i]), zero_of<kOrder>(zeros, i)};
      rare_table<Isa, kTarget>(factors, tables + i * kStep);
    }
    return;
  }
  for (std::uint32_t i = 0; i < 8; ++i) {
    Isa::template product_table<kTarget>(widened[i], zero_of<kOrder>(zeros, i), tables + i * kStep);
  }
}

// Four tables from scales and zeros that are 16-bit floats both.
template <class Isa, Target kTarget>
inline void four_sum_tables(const void* scales, const void* zeros, FloatType type,
                            unsigned char* tables) {
  constexpr std::size_t kStep = Isa::template kTableBytes<kTarget>;
  alignas(32) float scale[8];
  alignas(32) float zero[8];
  const bool scales_usual = Isa::load_four_scales(scales, type, scale);
  const bool usual = Isa::load_four_scales(zeros, type, zero) && scales_usual;
  for (std::uint32_t i = 0; i < 4; ++i) {
    unsigned char* table = tables + i * kStep;
    if (usual && Isa::template sum_table<kTarget>(scale[i], zero[i], table)) [[likely]]
      continue;
    const Sum factors = {static_cast<double>(scale[i]), static_cast<double>(zero[i])};
    rare_table<Isa, kTarget>(factors, table);
  }
}

}  // namespace
}  // namespace thaw::kernels
