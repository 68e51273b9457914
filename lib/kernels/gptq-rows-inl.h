// gptq_rows, GPTQ without turning: the rows of the weight are inputs. A line of qweight makes eight
// rows (four, with 8 bits), a piece of 128 outputs at a time, in strips of four pieces whose scales
// and zeros last for a group. For act-order see gptq-indexed-inl.h.
#pragma once

#include "kernels/gptq-indexed-inl.h"

namespace thaw::kernels {
namespace {

inline constexpr std::uint64_t kPieces = 4;  // of a strip

template <class Isa, Target kTarget, bool kStream>
class GptqRowsStrip {
 public:
  // Rows [row_begin, row_end) of the outputs [output, stop), up to four pieces; `out` is where
  // output 0 of row_begin goes.
  GptqRowsStrip(const PackedLinear& linear, std::uint64_t output, std::uint64_t stop,
                unsigned char* out)
      : linear_(linear), output_(output), stop_(stop), out_(out) {}

  template <std::uint32_t kBits>
  void run(std::uint64_t row_begin, std::uint64_t row_end) {
    constexpr std::uint64_t kPerWord = 32 / kBits;
    for (std::uint64_t first = row_begin; first < row_end; first += kPerWord) {
      const std::uint64_t last = row_end - first < kPerWord ? row_end : first + kPerWord;
      for (std::uint64_t row = first; row < last; ++row) {
        groups_[row - first] = row / linear_.group_size;
      }
      for (std::uint64_t output = output_; output < stop_; output += kBlock) {
        const std::uint64_t count = stop_ - output < kBlock ? stop_ - output : kBlock;
        put_piece<kBits>(first, output, count, last - first,
                         out_ + ((first - row_begin) * linear_.in_features + output) * kElement);
      }
    }
  }

 private:
  static constexpr std::uint64_t kElement = sizeof(ElementOf<kTarget>);

  // `rows` rows, from `input` on, of `count` outputs, at most 128, from one line.
  template <std::uint32_t kBits>
  void put_piece(std::uint64_t input, std::uint64_t output, std::uint64_t count, std::uint64_t rows,
                 unsigned char* out) {
    constexpr std::uint64_t kShare = kBits / 4;  // of a piece's 8 cache lines, a row's
    const unsigned char* from = line(linear_.qweight, input * kBits / 32) + output * 4;
    const unsigned char* next = from + linear_.qweight.pitch;
    alignas(64) unsigned char padded[kBlock * 4];
    if (count < kBlock) {  // the line, or the file, may end here
      __builtin_memset(padded, 0, sizeof padded);
      __builtin_memcpy(padded, from, count * 4);
      from = padded;
    }
    alignas(64) std::uint32_t words[kBlock];
    for (std::uint64_t i = 0; i < kBlock; i += 16) {
      Isa::template order_sixteen<kTarget>(from + i * 4, words + i);
    }
    PieceFactors<Isa, kTarget>& factors = factors_[(output - output_) / kBlock];
    for (std::uint64_t i = 0; i < rows; ++i) {
      // The processor's own guess at what is read next was good with one arrangement of these
      // instructions and half as good with another.
      for (std::uint64_t n = 0; n < kShare; ++n) {
        __builtin_prefetch(next + (i * kShare + n) * 64);
      }
      if (!factors.holds(groups_[i])) {
        factors.template load<kBits>(linear_, groups_[i], output, count);
      }
      unsigned char* to = out + i * linear_.in_features * kElement;
      const auto shift = static_cast<std::uint32_t>(i * kBits);
      if (count == kBlock && !factors.rare() && !kThrough) [[likely]] {
        factors.template put_row<kBits, kStream>(words, shift, to);
        continue;
      }
      alignas(64) unsigned char values[kBlock * kElement];
      factors.template put_row<kBits, false>(words, shift, values);
      for (std::uint64_t n = 0; factors.rare() && n < count; ++n) {
        put_rare_product<kTarget>(linear_, groups_[i], input + i, output + n,
                                  values + n * kElement);
      }
      if constexpr (kStream) {
        store_lines<Isa, true>(to, values, count * kElement);
      } else {
        __builtin_memcpy(to, values, count * kElement);
      }
    }
  }

  // Where put_thirty_two has no non-temporal stores.
  static constexpr bool kThrough = kStream && kTarget == Target::float32;

  const PackedLinear& linear_;
  const std::uint64_t output_;
  const std::uint64_t stop_;
  unsigned char* const out_;
  std::uint64_t groups_[8] = {};  // of the rows of a line
  PieceFactors<Isa, kTarget> factors_[kPieces];
};

template <class Isa, Target kTarget, std::uint32_t kBits, bool kStream>
[[gnu::noinline]] void gptq_rows_strip(const PackedLinear& linear, std::uint64_t output,
                                       std::uint64_t row_begin, std::uint64_t row_end,
                                       unsigned char* out) {
  const std::uint64_t left = linear.in_features - output;
  const std::uint64_t stop =
      left < kPieces * kBlock ? linear.in_features : output + kPieces * kBlock;
  GptqRowsStrip<Isa, kTarget, kStream>(linear, output, stop, out)
      .template run<kBits>(row_begin, row_end);
}

template <class Isa, Target kTarget, std::uint32_t kBits>
void gptq_rows_bits(const PackedLinear& linear, std::uint64_t row_begin, std::uint64_t row_end,
                    unsigned char* out, bool stream) {
  if (linear.group_index.data != nullptr) {
    return stream ? gptq_rows_indexed<Isa, kTarget, kBits, true>(linear, row_begin, row_end, out)
                  : gptq_rows_indexed<Isa, kTarget, kBits, false>(linear, row_begin, row_end, out);
  }
  for (std::uint64_t output = 0; output < linear.in_features; output += kPieces * kBlock) {
    stream ? gptq_rows_strip<Isa, kTarget, kBits, true>(linear, output, row_begin, row_end, out)
           : gptq_rows_strip<Isa, kTarget, kBits, false>(linear, output, row_begin, row_end, out);
  }
}

template <class Isa, Target kTarget>
void gptq_input_rows(const PackedLinear& linear, std::uint64_t row_begin, std::uint64_t row_end,
                     void* out, const OutputFormat& format) {
  if (linear.scale_type == FloatType::float32) {
    return gptq_plain<GptqRows, kTarget>(linear, row_begin, row_end, out);
  }
  auto* const bytes = static_cast<unsigned char*>(out);
  const bool stream = can_stream<kTarget>(linear, format);
  linear.bits == 4 ? gptq_rows_bits<Isa, kTarget, 4>(linear, row_begin, row_end, bytes, stream)
                   : gptq_rows_bits<Isa, kTarget, 8>(linear, row_begin, row_end, bytes, stream);
  if (stream) Isa::fence();
}

}  // namespace
}  // namespace thaw::kernels
