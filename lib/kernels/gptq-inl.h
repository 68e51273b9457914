// GPTQ, transposed: whole strips where the groups are runs of inputs that fit the quarters, and the
// rest, which may be everything, in any order of groups.
#pragma once

#include "kernels/gptq-strip-inl.h"
#include "kernels/gptq-turned-inl.h"

namespace thaw::kernels {
namespace {

inline bool gptq_fits_strips(const PackedLinear& linear) {
  return linear[Role::group_index].data == nullptr &&
         (linear.group_size % kQuarter == 0 || linear.group_size >= linear.in_features);
}

// Rows [row_begin, row_end), a multiple of 16 many.
template <class Isa, class Codes, Target kTarget>
inline void gptq_strips(const PackedLinear& linear, std::uint64_t row_begin, std::uint64_t row_end,
                        unsigned char* out, const OutputFormat& format) {
  const bool stream = can_stream<kTarget>(linear, format);
  const std::uint64_t pitch = linear.in_features * sizeof(ElementOf<kTarget>);
  for (std::uint64_t row = row_begin; row < row_end; row += kGptqStripRows) {
    const std::uint64_t rows = row_end - row < kGptqStripRows ? row_end - row : kGptqStripRows;
    unsigned char* to = out + (row - row_begin) * pitch;
    stream ? gptq_strip<Isa, Codes, kTarget, true>(linear, row, rows, to)
           : gptq_strip<Isa, Codes, kTarget, false>(linear, row, rows, to);
  }
  if (stream) Isa::fence();
}

template <class Isa, Target kTarget>
void gptq_output_rows(const PackedLinear& linear, std::uint64_t row_begin, std::uint64_t row_end,
                      void* out, const OutputFormat& format) {
  if (linear.scale_type == FloatType::float32) {
    return gptq_plain<Gptq, kTarget>(linear, row_begin, row_end, out);
  }
  const std::uint64_t pitch = linear.in_features * sizeof(ElementOf<kTarget>);
  auto* const bytes = static_cast<unsigned char*>(out);
  std::uint64_t row = row_begin;
  if (gptq_fits_strips(linear)) {
    row += (row_end - row_begin) / kGptqOutputs * kGptqOutputs;
    linear.bits == 4
        ? gptq_strips<Isa, GptqNibbles<Isa, kTarget>, kTarget>(linear, row_begin, row, bytes,
                                                               format)
        : gptq_strips<Isa, GptqBytes<Isa, kTarget>, kTarget>(linear, row_begin, row, bytes, format);
    gptq_turned<Isa, kTarget>(linear, row_begin, row, vector_columns(linear), linear.in_features,
                              out, format);
  }
  gptq_turned<Isa, kTarget>(linear, row, row_end, 0, linear.in_features,
                            bytes + (row - row_begin) * pitch, format);
}

}  // namespace
}  // namespace thaw::kernels
