// What an instruction set has to bring, as concepts that the compiler checks when its table is made
// (table-inl.h). The steps are one class of static functions; what each of them promises stands in
// the file that is named. specs/kernels.md has the map: which body uses which steps.
#pragma once

#include "kernels/float-inl.h"
#include "kernels/gptq-factors-inl.h"

namespace thaw::kernels {
namespace {

// Of <concepts>, which kernels do not include (specs/modules.md clause 3).
template <class A, class B>
concept Same = __is_same(A, B);
template <class From, class To>
concept ConvertsTo = requires(From from, void (*take)(To)) {
  take(from);
};

// Casts and quotients: cast-inl.h.
template <class Isa>
concept CastSteps = requires(const unsigned char* bytes, unsigned char* out, const float* floats,
                             float* widened) {
  { Isa::kCastStep } -> ConvertsTo<std::uint64_t>;
  { Isa::widen_half(bytes, widened) } -> Same<void>;
  { Isa::narrow_half(floats, out) } -> Same<void>;
};

// Scales, and stores past the caches: values-inl.h, gemm-inl.h.
template <class Isa>
concept ScaleSteps = requires(const void* from, FloatType type, float* widened) {
  { Isa::load_scales(from, type, widened) } -> Same<bool>;
  { Isa::load_four_scales(from, type, widened) } -> Same<bool>;
  { Isa::fence() } -> Same<void>;
};

// Tables of sixteen values of one target, and the codes that look them up: values-inl.h,
// gemv-inl.h, gemm-inl.h.
template <class Isa, Target kTarget>
concept TableSteps = requires(const unsigned char* from, unsigned char* to,
                              const ElementOf<kTarget>* values,
                              const typename Isa::template Loaded<kTarget>& loaded,
                              unsigned char* const* tables) {
  { Isa::template kTableBytes<kTarget> } -> ConvertsTo<std::size_t>;
  { Isa::template product_table<kTarget>(1.0f, 8, to) } -> Same<void>;
  { Isa::template sum_table<kTarget>(1.0f, 1.0f, to) } -> Same<bool>;
  { Isa::template pack_table<kTarget>(values, to) } -> Same<void>;
  {Isa::template load_table<kTarget>(from)};
  { Isa::template put_serial<kTarget, true>(loaded, from, to) } -> Same<void>;
  { Isa::template put_serial<kTarget, false>(loaded, from, to) } -> Same<void>;
  { Isa::template put_serial_pair<kTarget, true>(loaded, loaded, from, to) } -> Same<void>;
  { Isa::template put_serial_pair<kTarget, false>(loaded, loaded, from, to) } -> Same<void>;
  { Isa::template put_units<kTarget, true>(loaded, from, to) } -> Same<void>;
  { Isa::template put_units<kTarget, false>(loaded, from, to) } -> Same<void>;
  { Isa::template emit<kTarget, true, 4, true>(from, 0, tables, to, 0) } -> Same<void>;
  { Isa::template emit<kTarget, false, 1, false>(from, 0, tables, to, 0) } -> Same<void>;
};

// Products by arithmetic, for codes of a byte and inputs in any order: products-inl.h.
template <class Isa, Target kTarget>
concept ProductStepsOf = requires(const unsigned char* from, unsigned char* to, const float* floats,
                                  float* widened, FloatType type) {
  { Isa::template order_sixteen<kTarget>(floats, widened) } -> Same<void>;
  { Isa::template widen_sixteen<kTarget>(from, widened) } -> Same<void>;
  { Isa::template load_sixteen_scales<kTarget>(from, type, widened) } -> Same<bool>;
  { Isa::template put_thirty_two<kTarget, false, 16, 32, false>(floats, floats, to) } -> Same<void>;
};

// Elements of a byte that are looked up in two parts: float8-inl.h.
template <class Isa>
concept Float8Steps = requires(const unsigned char* from, unsigned char* to,
                               typename Isa::Wide wide) {
  { Isa::codes_twice(from) } -> Same<typename Isa::Wide>;
  { Isa::table_lanes(from) } -> Same<typename Isa::Wide>;
  { Isa::look_up(wide, wide) } -> Same<typename Isa::Wide>;
  { Isa::template store_wide<true>(to, wide) } -> Same<void>;
  { Isa::template store_wide<false>(to, wide) } -> Same<void>;
};

// Blocks that are turned: gemm-inl.h, marlin-inl.h, gptq-turned-inl.h.
template <class Isa>
concept TurningSteps = requires(const unsigned char* from, unsigned char* to) {
  { Isa::arrange(from, 0, to, 0) } -> Same<void>;
  { Isa::marlin_units(from, from, to) } -> Same<void>;
  { Isa::turn_4x4(from, 0, to, 0) } -> Same<void>;
  { Isa::turn_units(from, to, 0) } -> Same<void>;
  { Isa::unit_place(0) } -> ConvertsTo<std::uint64_t>;
  { Isa::kUpperUnits } -> ConvertsTo<std::uint64_t>;
  { Isa::template store_line<true>(to, from) } -> Same<void>;
  { Isa::template store_line<false>(to, from) } -> Same<void>;
};

// Multiplications that subtract in the same step, where the set says that it has them:
// products-inl.h.
template <class Isa>
concept FusedSteps =
    !Isa::kFuses || requires(const PackedLinear& linear, const float* floats, float* products) {
  { Isa::multiply_subtract(floats, 1.0f, 1.0f, products) } -> Same<void>;
  {
    Isa::FusedFactors::template load<Target::float16, 8>(linear, 0, 0, 16, products, products)
    } -> Same<bool>;
  { Isa::Turned::template kServes<Target::bfloat16> } -> ConvertsTo<bool>;
};

template <class Isa, Target kTarget>
concept StepsFor = TableSteps<Isa, kTarget> && ProductStepsOf<Isa, kTarget>;

template <class Isa>
concept InstructionSet =
    CastSteps<Isa> && ScaleSteps<Isa> && TurningSteps<Isa> && FusedSteps<Isa> && Float8Steps<Isa> &&
    StepsFor<Isa, Target::float16> && StepsFor<Isa, Target::bfloat16> &&
    StepsFor<Isa, Target::bfloat16_via_float16> && StepsFor<Isa, Target::float32>;

}  // namespace
}  // namespace thaw::kernels
