// Rows of up to 128 outputs of gptq_rows, and the scales and zeros of one group of them.
#pragma once

#include "kernels/gptq-factors-inl.h"

namespace thaw::kernels {
namespace {

template <class Isa, Target kTarget, std::uint32_t kBits, bool kStream>
class GptqPiece {
 public:
  static constexpr std::uint64_t kElement = sizeof(ElementOf<kTarget>);
  static constexpr std::uint64_t kPerWord = 32 / kBits;
  static constexpr std::uint64_t kShare = 8 / kPerWord;  // of a piece's 8 cache lines, a row's

  // Outputs [output, output + count), at most 128; `output` is a multiple of 128.
  void start(std::uint64_t output, std::uint64_t count) {
    output_ = output;
    count_ = count;
    group_ = ~std::uint64_t{0};
  }

  // Words of the line that has `input`, as put() wants them: 128 of them, aligned.
  void arrange(const PackedLinear& linear, std::uint64_t input, std::uint32_t* words) const {
    const unsigned char* from = line(linear[Role::codes], input / kPerWord) + output_ * 4;
    alignas(64) unsigned char padded[kBlock * 4];
    if (count_ < kBlock) {  // the line, or the file, may end here
      __builtin_memset(padded, 0, sizeof padded);
      __builtin_memcpy(padded, from, count_ * 4);
      from = padded;
    }
    for (std::uint64_t i = 0; i < kBlock; i += 16) {
      Isa::template order_sixteen<kTarget>(from + i * 4, words + i);
    }
  }

  // The row `input`, which is of `group`. `to` is where the first of its outputs goes.
  [[gnu::always_inline]] void put(const PackedLinear& linear, const std::uint32_t* words,
                                  std::uint64_t input, std::uint64_t group, unsigned char* to) {
    if (group != group_) load(linear, group);
    if (kind_ == Kind::plain) [[likely]] {
      return put_products<kStream, Isa::kFuses>(words, shift_of(input), to);
    }
    kind_ == Kind::usual ? put_usual(words, shift_of(input), to)
                         : put_carefully(linear, words, input, to);
  }

 private:
  // Where put_thirty_two has no non-temporal stores.
  static constexpr bool kThrough = kStream && kTarget == Target::float32;

  static std::uint32_t shift_of(std::uint64_t input) {
    return static_cast<std::uint32_t>(input % kPerWord * kBits);
  }

  // How rows of a group are made: as the instruction set likes it; if it fuses, but not these
  // scales; in steps, for less than 128 outputs, rare scales or float32 past the cache.
  enum class Kind { plain, usual, careful };

  void load(const PackedLinear& linear, std::uint64_t group) {
    group_ = group;
    rare_ = false;
    const bool whole = count_ == kBlock && !kThrough;
    if constexpr (Isa::kFuses) {
      kind_ = Kind::plain;
      if (whole && Isa::FusedFactors::template load<kTarget, kBits>(linear, group, output_, kBlock,
                                                                    scales_, zeros_)) {
        return;
      }
    }
    for (std::uint64_t i = 0; i < count_; i += kGptqOutputs) {
      const std::uint64_t some = count_ - i < kGptqOutputs ? count_ - i : kGptqOutputs;
      const bool usual = load_factors<Isa, kTarget, kBits>(linear, group, output_ + i, some,
                                                           scales_ + i, zeros_ + i);
      rare_ = rare_ || !usual;
    }
    kind_ = !whole || rare_ ? Kind::careful : Isa::kFuses ? Kind::usual : Kind::plain;
  }

  // Functions of their own: what these and plain products have in common g++ would make before it
  // looks which are wanted, and keep all of it in memory meanwhile.
  [[gnu::noinline]] void put_usual(const std::uint32_t* words, std::uint32_t shift,
                                   unsigned char* to) const {
    put_products<kStream, false>(words, shift, to);
  }

  [[gnu::noinline]] void put_carefully(const PackedLinear& linear, const std::uint32_t* words,
                                       std::uint64_t input, unsigned char* to) const {
    alignas(64) unsigned char values[kBlock * kElement];
    put_products<false, false>(words, shift_of(input), values);
    for (std::uint64_t n = 0; rare_ && n < count_; ++n) {
      put_rare_product<kTarget>(linear, group_, input, output_ + n, values + n * kElement);
    }
    if constexpr (kStream) {
      store_lines<Isa, true>(to, values, count_ * kElement);
    } else {
      __builtin_memcpy(to, values, count_ * kElement);
    }
  }

  // All 128, wanted or not.
  template <bool kStreamHere, bool kFused>
  [[gnu::always_inline]] void put_products(const std::uint32_t* words, std::uint32_t shift,
                                           unsigned char* to) const {
    for (std::uint64_t i = 0; i < kBlock; i += 32) {
      alignas(64) float a[16];
      alignas(64) float b[16];
      multiply_codes<Isa, kBits, kFused>(words + i, shift, scales_ + i, zeros_ + i, a);
      multiply_codes<Isa, kBits, kFused>(words + i + 16, shift, scales_ + i + 16, zeros_ + i + 16,
                                         b);
      Isa::template put_thirty_two<kTarget, kStreamHere, 8 * kElement, 16 * kElement, kFused>(
          a, b, to + i * kElement);
    }
  }

  std::uint64_t output_ = 0;
  std::uint64_t count_ = 0;
  std::uint64_t group_ = ~std::uint64_t{0};
  Kind kind_ = Kind::careful;
  bool rare_ = false;  // a scale is huge, infinite or NaN
  alignas(64) float scales_[kBlock] = {};
  alignas(64) float zeros_[kBlock] = {};
};

}  // namespace
}  // namespace thaw::kernels
