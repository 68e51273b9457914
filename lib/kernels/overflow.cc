// Counts values that were finite and became infinite. The kernels do not count: a value can only
// overflow where a scale is near the top of its type, and reading the scales shows that.
#include "kernels/bnb-4bit-inl.h"
#include "kernels/bnb-int8-inl.h"
#include "kernels/cast-inl.h"
#include "kernels/ct-plain-inl.h"
#include "kernels/gptq-bits-plain-inl.h"
#include "kernels/layouts-inl.h"
#include "kernels/mlx-inl.h"
#include "kernels/paired-rows-inl.h"
#include "kernels/scaled-plain-inl.h"

namespace thaw::kernels {
namespace {

// The smallest magnitude that rounds to infinity.
double overflow_limit(const OutputFormat& format) {
  switch (target_of(format)) {
    case Target::float16:
    case Target::bfloat16_via_float16:
      return 65520.0;
    case Target::bfloat16:
      return 0x1.ffp127;
    case Target::float32:
      break;
  }
  return 0x1.ffffffp127;
}

// What |q - z| cannot exceed.
double largest_difference(const PackedLinear& linear) {
  if (linear.zeros == Zeros::int8) return 255;
  return linear.bits <= 4 ? 15 : (1 << linear.bits) - 1;
}

// What |(q - z) * s| and |q * s + zero| cannot exceed.
double bound(const Product& factors, double difference) {
  return difference * magnitude_of(factors.scale);
}

double bound(const Sum& factors, double difference) {
  return difference * magnitude_of(factors.scale) + magnitude_of(factors.zero);
}

double bound(const Hundred27th& factors, double difference) {
  return difference * magnitude_of(factors.scale) / 127.0;
}

bool all_finite(const Hundred27th& factors) {
  return magnitude_of(factors.scale) < __builtin_inf();
}

bool all_finite(const Product& factors) { return magnitude_of(factors.scale) < __builtin_inf(); }

bool all_finite(const Sum& factors) {
  return magnitude_of(factors.scale) < __builtin_inf() &&
         magnitude_of(factors.zero) < __builtin_inf();
}

// The largest magnitude among `lines` x `columns` 16-bit floats; infinity or NaN if there is one.
double largest_magnitude(const Operand& operand, std::uint64_t first_line, std::uint64_t lines,
                         std::uint64_t first_column, std::uint64_t columns, FloatType type) {
  std::int16_t largest = 0;
  for (std::uint64_t i = 0; i < lines; ++i) {
    const unsigned char* from = line(operand, first_line + i) + first_column * 2;
    for (std::uint64_t c = 0; c < columns; ++c) {
      const auto magnitude = static_cast<std::int16_t>(load<std::uint16_t>(from + c * 2) & 0x7fffu);
      largest = largest < magnitude ? magnitude : largest;
    }
  }
  const auto bits = static_cast<std::uint16_t>(largest);
  return type == FloatType::float16 ? static_cast<double>(float_from_half(bits))
                                    : static_cast<double>(float_from_bfloat16(bits));
}

template <class Layout>
double bound_of_rows(const PackedLinear& linear, std::uint64_t row_begin, std::uint64_t row_end) {
  const std::uint64_t rows = row_end - row_begin;
  const std::uint64_t groups = group_count(linear);
  const auto largest = [&](const Operand& operand) {
    return Layout::kScalesByRow
               ? largest_magnitude(
                     operand, row_begin / linear.rows_per_scale,
                     (row_end - 1) / linear.rows_per_scale - row_begin / linear.rows_per_scale + 1,
                     0, groups, linear.scale_type)
               : largest_magnitude(operand, 0, groups, row_begin, rows, linear.scale_type);
  };
  double sum = largest_difference(linear) * largest(linear[Role::scales]);
  if (Layout::kZeroIsFloat) sum += largest(linear[Role::zeros]);
  return sum;
}

template <Target kTarget>
std::uint64_t count_infinite(const void* values, std::uint64_t count) {
  const auto* bytes = static_cast<const unsigned char*>(values);
  std::uint64_t infinite = 0;
  for (std::uint64_t i = 0; i < count; ++i) {
    const auto bits = load<ElementOf<kTarget>>(bytes + i * sizeof(ElementOf<kTarget>));
    infinite += is_infinite<kTarget>(bits) ? 1 : 0;
  }
  return infinite;
}

std::uint64_t count_infinite(const void* values, std::uint64_t count, FloatType type) {
  if (type == FloatType::float16) return count_infinite<Target::float16>(values, count);
  if (type == FloatType::bfloat16) return count_infinite<Target::bfloat16>(values, count);
  return count_infinite<Target::float32>(values, count);
}

template <class Layout>
std::uint64_t count(const PackedLinear& linear, std::uint64_t row_begin, std::uint64_t row_end,
                    const void* out, const OutputFormat& format) {
  const double limit = overflow_limit(format);
  // No finite float16 scale gets near the limits of the wide types.
  if (linear.scale_type == FloatType::float16 && 256 * 65504.0 < limit) return 0;
  if (linear.scale_type != FloatType::float32 &&
      bound_of_rows<Layout>(linear, row_begin, row_end) < limit) {
    return 0;
  }
  const std::uint64_t element = size_of(format.type);
  const std::uint64_t groups = group_count(linear);
  const double difference = largest_difference(linear);
  std::uint64_t overflows = 0;
  for (std::uint64_t row = row_begin; row < row_end; ++row) {
    const auto* values =
        static_cast<const unsigned char*>(out) + (row - row_begin) * linear.in_features * element;
    // Columns that share a group: a whole one, or where they name their groups each for itself.
    const bool indexed = linear[Role::group_index].data != nullptr;
    std::uint64_t run = 0;
    for (std::uint64_t k = 0; k < linear.in_features; k += run) {
      const std::uint64_t left = linear.in_features - k;
      run = indexed ? 1 : left < linear.group_size ? left : linear.group_size;
      const std::uint64_t group = group_of(linear, k);
      if (group >= groups) continue;
      const auto factors = Layout::factors(linear, row, group);
      if (!all_finite(factors) || bound(factors, difference) < limit) continue;
      overflows += count_infinite(values + k * element, run, format.type);
    }
  }
  return overflows;
}

// As count(), element by element: act-order mixes the groups.
template <class Layout>
std::uint64_t count_gptq(const PackedLinear& linear, std::uint64_t row_begin, std::uint64_t row_end,
                         const void* out, const OutputFormat& format) {
  const double limit = overflow_limit(format);
  const int most = (1 << linear.bits) - 1;  // of |q - z|
  if (linear.scale_type != FloatType::float32) {
    const std::uint64_t first = Layout::kRowsAreInputs ? 0 : row_begin;
    const std::uint64_t outputs = Layout::kRowsAreInputs ? linear.in_features : row_end - row_begin;
    const double largest = largest_magnitude(linear[Role::scales], 0, linear.groups, first, outputs,
                                             linear.scale_type);
    if (most * largest < limit) return 0;
  }
  const std::uint64_t element = size_of(format.type);
  const auto* value = static_cast<const unsigned char*>(out);
  std::uint64_t overflows = 0;
  for (std::uint64_t row = row_begin; row < row_end; ++row) {
    for (std::uint64_t column = 0; column < linear.in_features; ++column, value += element) {
      const std::uint64_t input = Layout::kRowsAreInputs ? row : column;
      const std::uint64_t output = Layout::kRowsAreInputs ? column : row;
      const Product factors = Layout::factors(linear, group_of_input(linear, input), output);
      if (!all_finite(factors) || most * magnitude_of(factors.scale) < limit) continue;
      overflows += count_infinite(value, 1, format.type);
    }
  }
  return overflows;
}

double largest_element(SmallFloat element) {
  switch (element) {
    case SmallFloat::e4m3:
      return 448;
    case SmallFloat::e5m2:
      return 57344;
    case SmallFloat::e2m1:
      return 6;
  }
  __builtin_unreachable();
}

// Which scales may make an infinite value of a finite element. Those that are NaN may not.
class ScaledRisk {
 public:
  ScaledRisk(const PackedLinear& linear, const ScaledFactorsOf& factors_of, double limit)
      : factors_of_(factors_of),
        wide_(linear.scaled.form == ScaleForm::wide),
        most_(largest_element(linear.scaled.element)),
        limit_(limit) {
    for (std::uint32_t byte = 0; !wide_ && byte < 256; ++byte) {
      risky_[byte] = is_risky(factors_of.of_byte(byte));
      any_ = any_ || risky_[byte];
    }
  }

  // Any of `count` scales.
  [[nodiscard]] bool any_of(const unsigned char* scales, std::uint64_t count) const {
    bool met = false;
    if (!wide_) {
      for (std::uint64_t i = 0; any_ && i < count; ++i) met = met || risky_[scales[i]];
      return met;
    }
    for (std::uint64_t i = 0; i < count; ++i) met = met || is_risky(factors_of_.at(scales, i));
    return met;
  }

 private:
  [[nodiscard]] bool is_risky(const ScaledFactors& factors) const {
    return magnitude_of(factors.at(most_)) >= limit_;
  }

  const ScaledFactorsOf& factors_of_;
  bool wide_;
  double most_;
  double limit_;
  bool risky_[256] = {};
  bool any_ = false;
};

std::uint64_t count_scaled(const PackedLinear& linear, std::uint64_t row_begin,
                           std::uint64_t row_end, const void* out, const OutputFormat& format) {
  const double limit = overflow_limit(format);
  const ScaledFactorsOf factors_of(linear);
  const ScaledRisk risk(linear, factors_of, limit);
  const std::uint64_t blocks = group_count(linear);
  const std::uint64_t element = size_of(format.type);
  std::uint64_t overflows = 0;
  for (std::uint64_t row = row_begin; row < row_end;) {
    const ScaleLine scale_line(linear, row);
    const std::uint64_t stop = scale_line.end < row_end ? scale_line.end : row_end;
    const bool look = risk.any_of(scale_line.scales, blocks);
    for (; look && row < stop; ++row) {
      const unsigned char* codes = line(linear[Role::codes], row);
      const auto* values =
          static_cast<const unsigned char*>(out) + (row - row_begin) * linear.in_features * element;
      for (std::uint64_t k = 0; k < linear.in_features; ++k) {
        const std::uint32_t code = linear.scaled.element == SmallFloat::e2m1
                                       ? nibble(codes[k / 2], static_cast<std::uint32_t>(k % 2))
                                       : codes[k];
        const ScaledFactors factors = factors_of.at(scale_line.scales, k / linear.group_size);
        const double value = factors.at(element_value(linear.scaled.element, code));
        if (!(magnitude_of(value) < __builtin_inf())) continue;  // it was infinite before
        overflows += count_infinite(values + k * element, 1, format.type);
      }
    }
    row = stop;
  }
  return overflows;
}

// Row by row: only where a scale and the largest factor may make a value infinite are all looked
// at.
std::uint64_t count_paired_rows(const PackedLinear& linear, std::uint64_t row_begin,
                                std::uint64_t row_end, const void* out,
                                const OutputFormat& format) {
  const double limit = overflow_limit(format);
  const PairedRows rows(linear);
  double factor = 0;
  for (std::uint64_t k = 0; k < linear.in_features; ++k) {
    const double one = magnitude_of(rows.factor(k));
    if (one < __builtin_inf() && one > factor) factor = one;
  }
  const std::uint64_t element = size_of(format.type);
  const std::uint64_t groups = linear.in_features / linear.group_size;
  std::uint64_t overflows = 0;
  for (std::uint64_t row = row_begin; row < row_end; ++row) {
    bool look = false;
    for (std::uint64_t g = 0; g < groups; ++g) {
      look = look || !(magnitude_of(rows.scale(row, g)) * 8 * factor < limit);
    }
    const auto* made =
        static_cast<const unsigned char*>(out) + (row - row_begin) * linear.in_features * element;
    for (std::uint64_t k = 0; look && k < linear.in_features; ++k) {
      const double scale = rows.scale(row, k / linear.group_size);
      const double value = rows.code(row, k) * scale * rows.factor(k);
      if (!(magnitude_of(value) < __builtin_inf())) continue;  // it was infinite before
      overflows += count_infinite(made + k * element, 1, format.type);
    }
  }
  return overflows;
}

// Block by block: only where a scale may make the largest number infinite are values looked at.
std::uint64_t count_bnb_4bit(const PackedLinear& linear, std::uint64_t row_begin,
                             std::uint64_t row_end, const void* out, const OutputFormat& format) {
  const double limit = overflow_limit(format);
  const BlockScales scales(linear);
  const auto* codes = static_cast<const unsigned char*>(linear[Role::codes].data);
  double most = 0;
  for (int code = 0; code < 16; ++code) {
    const double number = magnitude_of(static_cast<double>(linear.table[code]));
    if (number < __builtin_inf() && number > most) most = number;
  }
  const std::uint64_t first = row_begin * linear.in_features;
  const std::uint64_t end = row_end * linear.in_features;
  const std::uint64_t element = size_of(format.type);
  std::uint64_t overflows = 0;
  for (std::uint64_t at = first; at < end;) {
    const std::uint64_t block = at / linear.group_size;
    const std::uint64_t next = (block + 1) * linear.group_size;
    const std::uint64_t stop = next < end ? next : end;
    const BlockScale scale = scales.of(block);
    const bool look = magnitude_of(scale.at(most)) >= limit;
    for (; look && at < stop; ++at) {
      const double value = scale.at(static_cast<double>(linear.table[bnb_code(codes, at)]));
      if (!(magnitude_of(value) < __builtin_inf())) continue;  // it was infinite before
      const auto* made = static_cast<const unsigned char*>(out) + (at - first) * element;
      overflows += count_infinite(made, 1, format.type);
    }
    at = stop;
  }
  return overflows;
}

}  // namespace

std::uint64_t count_overflows(LayoutId id, const PackedLinear& linear, std::uint64_t row_begin,
                              std::uint64_t row_end, const void* out, const OutputFormat& format) {
  switch (id) {
    case LayoutId::awq_gemm:
      return count<AwqGemm>(linear, row_begin, row_end, out, format);
    case LayoutId::awq_gemv:
      return count<AwqGemv>(linear, row_begin, row_end, out, format);
    case LayoutId::awq_gemv_fast:
      return count<AwqGemvFast>(linear, row_begin, row_end, out, format);
    case LayoutId::awq_marlin:
      return count<AwqMarlin>(linear, row_begin, row_end, out, format);
    case LayoutId::ct_pack:
      return count<CtPack>(linear, row_begin, row_end, out, format);
    case LayoutId::ct_int8:
      return count<CtInt8>(linear, row_begin, row_end, out, format);
    case LayoutId::gptq:
      return count_gptq<Gptq>(linear, row_begin, row_end, out, format);
    case LayoutId::gptq_rows:
      return count_gptq<GptqRows>(linear, row_begin, row_end, out, format);
    case LayoutId::gptq_bits:
      return count_gptq<GptqBits>(linear, row_begin, row_end, out, format);
    case LayoutId::gptq_bits_rows:
      return count_gptq<GptqBitsRows>(linear, row_begin, row_end, out, format);
    case LayoutId::mlx_affine:
      return count<MlxAffine>(linear, row_begin, row_end, out, format);
    case LayoutId::bnb_int8:
      return count<BnbInt8>(linear, row_begin, row_end, out, format);
    case LayoutId::modelopt_int4:
      return count_paired_rows(linear, row_begin, row_end, out, format);
    case LayoutId::bnb_4bit:
      return count_bnb_4bit(linear, row_begin, row_end, out, format);
    case LayoutId::scaled:
      return count_scaled(linear, row_begin, row_end, out, format);
  }
  __builtin_unreachable();
}

}  // namespace thaw::kernels
