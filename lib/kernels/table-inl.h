// The table of an instruction set, from its steps.
#pragma once

#include "kernels/bnb-4bit-inl.h"
#include "kernels/bnb-int8-inl.h"
#include "kernels/cast-inl.h"
#include "kernels/ct-inl.h"
#include "kernels/divide-inl.h"
#include "kernels/gptq-bits-inl.h"
#include "kernels/gptq-inl.h"
#include "kernels/gptq-rows-inl.h"
#include "kernels/isa-inl.h"
#include "kernels/marlin-inl.h"
#include "kernels/mlx-inl.h"
#include "kernels/paired-rows-inl.h"
#include "kernels/scaled-inl.h"
#include "kernels/tables.h"

namespace thaw::kernels {
namespace {

// One value of Target for each way to fill in the template argument of a layout's rows.
#define THAW_DISPATCH(function)                                                                \
  template <class Isa>                                                                         \
  void function##_dispatch(const PackedLinear& linear, std::uint64_t begin, std::uint64_t end, \
                           void* out, const OutputFormat& format) {                            \
    switch (target_of(format)) {                                                               \
      case Target::float16:                                                                    \
        return function<Isa, Target::float16>(linear, begin, end, out, format);                \
      case Target::bfloat16:                                                                   \
        return function<Isa, Target::bfloat16>(linear, begin, end, out, format);               \
      case Target::bfloat16_via_float16:                                                       \
        return function<Isa, Target::bfloat16_via_float16>(linear, begin, end, out, format);   \
      case Target::float32:                                                                    \
        return function<Isa, Target::float32>(linear, begin, end, out, format);                \
    }                                                                                          \
  }
THAW_DISPATCH(gemm_rows)
THAW_DISPATCH(gemv_rows)
THAW_DISPATCH(gemv_fast_all_rows)
THAW_DISPATCH(marlin_rows)
THAW_DISPATCH(ct_rows)
THAW_DISPATCH(ct_int8_rows)
THAW_DISPATCH(gptq_output_rows)
THAW_DISPATCH(gptq_input_rows)
THAW_DISPATCH(gptq_bits_rows)
THAW_DISPATCH(gptq_bits_input_rows)
THAW_DISPATCH(mlx_rows)
THAW_DISPATCH(bnb_int8_rows)
THAW_DISPATCH(scaled_rows)
THAW_DISPATCH(bnb_4bit_rows)
THAW_DISPATCH(paired_rows)
#undef THAW_DISPATCH

template <InstructionSet Isa>
constexpr Table table_of(const char* name) {
  return checked({name,
                  {{AwqGemm::kId, AwqGemm::kRowBlock, gemm_rows_dispatch<Isa>},
                   {AwqGemv::kId, AwqGemv::kRowBlock, gemv_rows_dispatch<Isa>},
                   {AwqGemvFast::kId, AwqGemvFast::kRowBlock, gemv_fast_all_rows_dispatch<Isa>},
                   {AwqMarlin::kId, AwqMarlin::kRowBlock, marlin_rows_dispatch<Isa>},
                   {CtPack::kId, CtPack::kRowBlock, ct_rows_dispatch<Isa>},
                   {CtInt8::kId, CtInt8::kRowBlock, ct_int8_rows_dispatch<Isa>},
                   {Gptq::kId, Gptq::kRowBlock, gptq_output_rows_dispatch<Isa>},
                   {GptqRows::kId, GptqRows::kRowBlock, gptq_input_rows_dispatch<Isa>},
                   {GptqBits::kId, GptqBits::kRowBlock, gptq_bits_rows_dispatch<Isa>},
                   {GptqBitsRows::kId, GptqBitsRows::kRowBlock, gptq_bits_input_rows_dispatch<Isa>},
                   {MlxAffine::kId, MlxAffine::kRowBlock, mlx_rows_dispatch<Isa>},
                   {BnbInt8::kId, BnbInt8::kRowBlock, bnb_int8_rows_dispatch<Isa>},
                   {Scaled::kId, Scaled::kRowBlock, scaled_rows_dispatch<Isa>},
                   {Bnb4bit::kId, Bnb4bit::kRowBlock, bnb_4bit_rows_dispatch<Isa>},
                   {PairedRows::kId, PairedRows::kRowBlock, paired_rows_dispatch<Isa>}},
                  cast_with<Isa>,
                  divide_with<Isa>});
}

}  // namespace
}  // namespace thaw::kernels
