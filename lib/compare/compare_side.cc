#include "compare/compare_side.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/bytes.h"
#include "base/text.h"
#include "prepare/folds.h"
#include "prepare/own_adapters.h"
#include "quant/closed_world.h"

namespace thaw {

namespace {

double small_float(unsigned bits, int exponent_bits, int mantissa_bits, bool has_infinity) {
  const int bias = (1 << (exponent_bits - 1)) - 1;
  const auto fraction = static_cast<int>(bits & ((1u << mantissa_bits) - 1));
  const auto exponent = static_cast<int>((bits >> mantissa_bits) & ((1u << exponent_bits) - 1));
  const double sign = (bits & 0x80u) != 0 ? -1 : 1;
  const int highest = (1 << exponent_bits) - 1;
  if (exponent == highest && has_infinity) return fraction == 0 ? sign * HUGE_VAL : NAN;
  if (exponent == highest && fraction == (1 << mantissa_bits) - 1) return NAN;
  const int whole = exponent == 0 ? fraction : fraction + (1 << mantissa_bits);
  return sign * std::ldexp(whole, std::max(exponent, 1) - bias - mantissa_bits);
}

double number_at(const std::byte* data, std::uint64_t index, Dtype dtype) {
  const auto load = [&]<typename T>(T) {
    return static_cast<double>(load_little_endian<T>(data + index * sizeof(T)));
  };
  switch (dtype) {
    case Dtype::boolean:
    case Dtype::u8:
      return load(std::uint8_t{});
    case Dtype::i8:
      return load(std::int8_t{});
    case Dtype::i16:
      return load(std::int16_t{});
    case Dtype::u16:
      return load(std::uint16_t{});
    case Dtype::i32:
      return load(std::int32_t{});
    case Dtype::u32:
      return load(std::uint32_t{});
    case Dtype::i64:
      return load(std::int64_t{});
    case Dtype::u64:
      return load(std::uint64_t{});
    case Dtype::f32:
      return load(float{});
    case Dtype::f64:
      return load(double{});
    case Dtype::f8_e4m3:
      return small_float(load_little_endian<std::uint8_t>(data + index), 4, 3, false);
    case Dtype::f8_e5m2:
      return small_float(load_little_endian<std::uint8_t>(data + index), 5, 2, true);
    default:
      return 0;
  }
}

}  // namespace

bool CompareSide::is_quantized(const PlannedTensor& tensor) const {
  bool found = false;
  each_linear(tensor, [&](const QuantizedLinear&, const Segment&) { found = true; });
  return found;
}

Result<std::unique_ptr<CompareSide>> open_side(const std::string& model,
                                               std::span<const ModelSpec> specs,
                                               FileSystem& file_system,
                                               std::vector<std::string>& warnings) {
  THAW_ASSIGN_OR_RETURN(Checkpoint checkpoint,
                        open_checkpoint(file_system, model, {.this_file_only = true}));
  auto side = std::make_unique<CompareSide>(std::move(checkpoint));
  side->spec = find_model_spec(specs, side->checkpoint.model_type());
  if (looks_quantized(side->checkpoint)) {
    THAW_ASSIGN_OR_RETURN(
        side->linears,
        find_quantized_linears(side->checkpoint, {.copy_unknown = true,
                                                  .is_part_of_model = own_adapters(side->spec)}));
    if (!side->linears.activation_scales.empty()) {
      Result<std::vector<Fold>> folds = find_folds(side->checkpoint, side->linears, side->spec);
      if (folds.ok()) {
        side->folds = std::move(folds).value();
      } else {
        warnings.push_back(folds.error().messages.front());
      }
    }
    for (const std::string& warning : side->linears.warnings) {
      warnings.push_back(printable(model) + ": " + warning);
    }
  } else {
    for (const std::string& line : list_unknown_tensors(side->checkpoint)) {
      warnings.push_back(line + "; it is compared as it is stored");
    }
    side->linears.consumed.resize(side->checkpoint.tensors().size());
  }
  THAW_ASSIGN_OR_RETURN(side->plan, plan_tensors({.checkpoint = &side->checkpoint,
                                                  .linears = &side->linears,
                                                  .folds = side->folds,
                                                  .dtype = Dtype::f32,
                                                  .expert_spec = side->spec}));
  return side;
}

std::string type_text(const CompareSide& side, const PlannedTensor& tensor) {
  std::string text;
  side.each_linear(tensor, [&](const QuantizedLinear& linear, const Segment&) {
    if (text.empty()) text = title_of(linear);
  });
  return text.empty() ? std::string(dtype_name(side.plan.segments_of(tensor).front().from)) : text;
}

void numbers_of(const std::byte* data, Dtype dtype, std::uint64_t count, double* out) {
  for (std::uint64_t i = 0; i < count; ++i) out[i] = number_at(data, i, dtype);
}

bool is_plain(const PlannedTensor& tensor) { return tensor.dtype == Dtype::f32; }

bool is_opaque(const PlannedTensor& tensor) {
  return dtype_bits(tensor.dtype) < 8 || tensor.dtype == Dtype::f8_e8m0 ||
         tensor.dtype == Dtype::c64;
}

}  // namespace thaw
