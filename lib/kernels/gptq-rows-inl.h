// gptq_rows, GPTQ without turning: the rows of the weight are inputs. A line of qweight makes eight
// rows (four, with 8 bits), a piece of 128 outputs at a time, in strips of four pieces whose scales
// and zeros last for a group. For act-order see gptq-indexed-inl.h.
#pragma once

#include "kernels/gptq-indexed-inl.h"

namespace thaw::kernels {
namespace {

inline constexpr std::uint64_t kPieces = 4;  // of a strip

// Rows [row_begin, row_end) of up to four pieces from `output` on; `out` is where output 0 of
// row_begin goes.
template <class Isa, Target kTarget, std::uint32_t kBits, bool kStream>
[[gnu::noinline]] void gptq_rows_strip(const PackedLinear& linear, std::uint64_t output,
                                       std::uint64_t row_begin, std::uint64_t row_end,
                                       unsigned char* out) {
  using Piece = GptqPiece<Isa, kTarget, kBits, kStream>;
  const std::uint64_t pitch = linear.in_features * Piece::kElement;
  Piece pieces[kPieces];
  std::uint64_t count = 0;
  for (std::uint64_t at = output; count < kPieces && at < linear.in_features; at += kBlock) {
    const std::uint64_t left = linear.in_features - at;
    pieces[count++].start(at, left < kBlock ? left : kBlock);
  }
  for (std::uint64_t first = row_begin; first < row_end; first += Piece::kPerWord) {
    const std::uint64_t rows =
        row_end - first < Piece::kPerWord ? row_end - first : Piece::kPerWord;
    std::uint64_t groups[Piece::kPerWord];
    for (std::uint64_t i = 0; i < rows; ++i) groups[i] = (first + i) / linear.group_size;
    unsigned char* to = out + (first - row_begin) * pitch + output * Piece::kElement;
    const unsigned char* next = line(linear[Role::codes], first / Piece::kPerWord + 1) + output * 4;
    for (std::uint64_t p = 0; p < count; ++p) {
      alignas(64) std::uint32_t words[kBlock];
      pieces[p].arrange(linear, first, words);
      for (std::uint64_t i = 0; i < rows; ++i) {
        // The processor's own guess at what is read next was good with one arrangement of these
        // instructions and half as good with another.
        for (std::uint64_t n = 0; n < Piece::kShare; ++n) {
          __builtin_prefetch(next + p * kBlock * 4 + (i * Piece::kShare + n) * 64);
        }
        pieces[p].put(linear, words, first + i, groups[i],
                      to + i * pitch + p * kBlock * Piece::kElement);
      }
    }
  }
}

template <class Isa, Target kTarget, std::uint32_t kBits>
void gptq_rows_bits(const PackedLinear& linear, std::uint64_t row_begin, std::uint64_t row_end,
                    unsigned char* out, bool stream) {
  if (linear[Role::group_index].data != nullptr) {
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
