#include "quant/code_reader.h"

#include <bit>
#include <cmath>
#include <cstddef>
#include <numeric>

#include "base/bytes.h"
#include "base/half.h"

namespace thaw {

namespace {

// Column 8c + j of a GEMM word is this nibble (specs/awq.md clause 3.2).
constexpr std::uint32_t kAwqNibble[8] = {0, 4, 1, 5, 2, 6, 3, 7};

std::uint32_t word_at(const std::byte* data, std::uint64_t pitch, std::uint64_t line,
                      std::uint64_t index) {
  return load_little_endian<std::uint32_t>(data + line * pitch + index * 4);
}

// `bits` bits of a stream from number `bit` on, each from the byte it stands in.
std::uint32_t bits_at(const std::byte* stream, std::uint64_t bit, std::uint32_t bits) {
  std::uint32_t value = 0;
  for (std::uint32_t i = 0; i < bits; ++i, ++bit) {
    const auto byte = static_cast<std::uint32_t>(stream[bit / 8]);
    value |= (byte >> (bit % 8) & 1u) << i;
  }
  return value;
}

// Sign, exponent and fraction as IEEE 754 has them, without a name for the highest exponent.
double small_float(std::uint32_t code, int exponent_bits, int fraction_bits) {
  const std::uint32_t fractions = 1u << fraction_bits;
  const std::uint32_t fraction = code % fractions;
  const auto exponent = static_cast<int>(code / fractions % (1u << exponent_bits));
  const int bias = (1 << (exponent_bits - 1)) - 1;
  const bool negative = (code >> (exponent_bits + fraction_bits) & 1u) != 0;
  const double units = exponent == 0 ? fraction : fraction + fractions;
  const double magnitude = std::ldexp(units, (exponent == 0 ? 1 : exponent) - bias - fraction_bits);
  return negative ? -magnitude : magnitude;
}

std::uint32_t nibble(std::uint32_t word, std::uint64_t index) { return word >> (4 * index) & 15u; }

}  // namespace

double number_of_element(SmallFloat element, std::uint32_t code) {
  switch (element) {
    case SmallFloat::e4m3:
      return code % 128 == 127 ? std::nan("") : small_float(code, 4, 3);
    case SmallFloat::e5m2:
      if (code % 128 < 124) return small_float(code, 5, 2);
      if (code % 128 > 124) return std::nan("");
      return code < 128 ? HUGE_VAL : -HUGE_VAL;
    case SmallFloat::e2m1:
      return small_float(code, 2, 1);
  }
  __builtin_unreachable();
}

CodeReader::CodeReader(std::span<const MappedFile* const> files, const QuantizedLinear& linear)
    : files_(files),
      linear_(linear),
      layout_(linear.layout->id),
      codes_(field_of(linear[Role::codes])),
      zeros_(field_of(linear[Role::zeros])),
      scales_(field_of(linear[Role::scales])),
      group_index_(field_of(linear[Role::group_index])),
      global_scale_(field_of(linear[Role::global_scale])),
      groups_(divide_up(linear.layout->rows_are_inputs ? linear.out_features : linear.in_features,
                        linear.group_size)),
      per_word_(32 / linear.bits),
      mask_((1u << linear.bits) - 1) {}

CodeReader::Field CodeReader::field_of(const PackedOperand& operand) const {
  if (operand.tensor == nullptr) return {};
  return {files_[operand.tensor->shard]->bytes().data() + operand.tensor->begin, operand.pitch};
}

std::uint32_t CodeReader::code(std::uint64_t n, std::uint64_t k) const {
  const std::byte* data = codes_.data;
  const std::uint64_t pitch = codes_.pitch;
  switch (layout_) {
    case LayoutId::awq_gemm:
      return nibble(word_at(data, pitch, k, n / 8), kAwqNibble[n % 8]);
    case LayoutId::awq_gemv:
      return nibble(word_at(data, pitch, n, k / 8), k % 8);
    case LayoutId::awq_gemv_fast:
    case LayoutId::llm_awq_v2: {
      // A run of 64 inputs is 64 units of 16 bits, 16 for each of four rows (clause 5.3).
      const std::uint64_t unit = 64 * (k / 64) + 16 * (n % 4) + 8 * (k % 64 / 32) + k % 8;
      return nibble(load_little_endian<std::uint16_t>(data + n / 4 * pitch + unit * 2), k % 32 / 8);
    }
    case LayoutId::awq_marlin: {
      // Clause 6.2 the other way round: j, b and the high part of t from n, the rest from k.
      const std::uint64_t in_tile = k % 16;
      const std::uint64_t t = n % 8 * 4 + in_tile % 8 / 2;
      const std::uint64_t j = n % 64 / 16;
      const std::uint64_t e = 4 * (n % 16 / 8) + in_tile / 8 * 2 + in_tile % 2;
      constexpr std::uint64_t kPlaceOf[8] = {0, 4, 1, 5,
                                             2, 6, 3, 7};  // where 0 2 4 6 1 3 5 7 has e
      return nibble(word_at(data, pitch, k / 16, 128 * (n / 64) + 4 * t + j), kPlaceOf[e]);
    }
    case LayoutId::ct_pack:
    case LayoutId::mlx_affine:
      return bits_at(data + n * pitch, k * linear_.bits, linear_.bits);
    case LayoutId::ct_int8:
    case LayoutId::bnb_int8:
      return static_cast<std::uint32_t>(load_little_endian<std::int8_t>(data + n * pitch + k) +
                                        128);
    case LayoutId::gptq:
      return word_at(data, pitch, k / per_word_, n) >> (linear_.bits * (k % per_word_)) & mask_;
    case LayoutId::gptq_rows:
      return word_at(data, pitch, n / per_word_, k) >> (linear_.bits * (n % per_word_)) & mask_;
    case LayoutId::gptq_bits:
      return unit_code(data + n * linear_.word_bytes, pitch, k);
    case LayoutId::gptq_bits_rows: {
      const std::uint64_t inner = linear_.in_features * linear_.word_bytes;
      return unit_code(data + k * linear_.word_bytes, inner, n);
    }
    case LayoutId::modelopt_int4:  // signed; as a field, less 8
      return (load_little_endian<std::uint8_t>(data + n / 2 * pitch + k) >> (n % 2 * 4) & 15u) ^ 8u;
    case LayoutId::bnb_4bit: {
      const std::uint64_t at = n * linear_.in_features + k;
      return load_little_endian<std::uint8_t>(data + at / 2) >> (at % 2 == 0 ? 4 : 0) & mask_;
    }
    case LayoutId::scaled:
      if (linear_.bits == 8) return load_little_endian<std::uint8_t>(data + n * pitch + k);
      return load_little_endian<std::uint8_t>(data + n * pitch + k / 2) >> (k % 2 * 4) & mask_;
  }
  __builtin_unreachable();
}

void CodeReader::read_codes(std::uint64_t first, std::uint64_t last, std::uint64_t begin,
                            std::uint64_t end, std::uint8_t* to) const {
  const std::uint64_t columns = end - begin;
  if (linear_.layout->columns_strided) {  // along the lines of qweight, which are columns
    for (std::uint64_t k = begin; k < end; ++k) {
      for (std::uint64_t n = first; n < last; ++n) {
        to[(n - first) * columns + k - begin] = static_cast<std::uint8_t>(code(n, k));
      }
    }
    return;
  }
  for (std::uint64_t n = first; n < last; ++n) {
    for (std::uint64_t k = begin; k < end; ++k) *to++ = static_cast<std::uint8_t>(code(n, k));
  }
}

std::uint64_t CodeReader::group_of(std::uint64_t input) const {
  if (group_index_.data == nullptr) return input / linear_.group_size;
  std::int64_t group = 0;
  if (linear_[Role::group_index].tensor->dtype == Dtype::i64) {
    group = load_little_endian<std::int64_t>(group_index_.data + input * 8);
  } else {
    group = load_little_endian<std::int32_t>(group_index_.data + input * 4);
  }
  const std::uint64_t counted = static_cast<std::uint64_t>(group) + (group < 0 ? groups_ : 0);
  return counted < groups_ ? counted : 0;  // checked when it was opened; the file may change
}

double CodeReader::scale_at(const Field& field, std::uint64_t line, std::uint64_t index) const {
  const std::uint64_t element = dtype_bits(linear_.scale_dtype) / 8;
  const std::byte* at = field.data + line * field.pitch + index * element;
  if (element == 1) {
    const auto byte = load_little_endian<std::uint8_t>(at);
    if (linear_.scale_dtype == Dtype::f8_e4m3) return number_of_element(SmallFloat::e4m3, byte);
    return byte == 255 ? std::nan("") : std::ldexp(1.0, byte - 127);
  }
  if (linear_.scale_dtype == Dtype::f32) {
    return std::bit_cast<float>(load_little_endian<std::uint32_t>(at));
  }
  const auto bits = load_little_endian<std::uint16_t>(at);
  return linear_.scale_dtype == Dtype::f16 ? float_from_half(bits) : float_from_bfloat16(bits);
}

// Blocks of each expert begin anew.
CodeStep CodeReader::scaled_step(std::uint64_t n, std::uint64_t k) const {
  const std::uint64_t block = linear_.scaled.block_rows;
  const std::uint64_t rows =
      linear_.rows_per_slice != 0 ? linear_.rows_per_slice : linear_.out_features;
  const std::uint64_t line = n / rows * divide_up(rows, block) + n % rows / block;
  const double scale = scale_at(scales_, line, k / linear_.group_size);
  const double global =
      global_scale_.data == nullptr
          ? 1
          : std::bit_cast<float>(load_little_endian<std::uint32_t>(global_scale_.data));
  CodeStep step{.is_element = true, .element = linear_.scaled.element};
  step.scale = (linear_.scaled.divides_by_scale ? 1 : scale) *
               (linear_.scaled.divides_by_global ? 1 : global);
  step.divisor = (linear_.scaled.divides_by_scale ? scale : 1) *
                 (linear_.scaled.divides_by_global ? global : 1);
  return step;
}

double CodeReader::column_factor(std::uint64_t k) const {
  if (global_scale_.data == nullptr) return 1;
  const std::byte* data = global_scale_.data;
  switch (linear_[Role::global_scale].tensor->dtype) {
    case Dtype::f16:
      return static_cast<double>(float_from_half(load_little_endian<std::uint16_t>(data + 2 * k)));
    case Dtype::bf16:
      return static_cast<double>(
          float_from_bfloat16(load_little_endian<std::uint16_t>(data + 2 * k)));
    default:
      return static_cast<double>(
          std::bit_cast<float>(load_little_endian<std::uint32_t>(data + 4 * k)));
  }
}

// Blocks run over the rows.
CodeStep CodeReader::table_step(std::uint64_t block) const {
  const CodeTable& table = *linear_.table;
  const auto single = [](const std::byte* at) {
    return static_cast<double>(std::bit_cast<float>(load_little_endian<std::uint32_t>(at)));
  };
  CodeStep step{.table = table.numbers.data()};
  if (table.nested.empty()) {
    step.scale = single(scales_.data + block * 4);
  } else {
    const double number = table.nested[std::to_integer<std::size_t>(scales_.data[block])];
    step.scale = number * single(global_scale_.data + block / table.nested_block * 4);
    step.scaled_zero = table.offset;
  }
  return step;
}

// As a field, that is plus half of the range; so are the codes (specs/compressed_tensors.md 3).
std::int32_t CodeReader::compressed_zero(std::uint64_t n, std::uint64_t group) const {
  n /= linear_.rows_per_scale;
  const std::int32_t middle = 1 << (linear_.bits - 1);
  if (zeros_.data == nullptr) return middle;
  if (linear_.byte_zeros) {
    const std::byte* at = zeros_.data + n * zeros_.pitch + group;
    return load_little_endian<std::int8_t>(at) + middle;
  }
  std::uint64_t row = n;
  std::uint64_t line = 0;
  if (linear_.rows_per_slice != 0) {  // each expert begins with a word of its own
    row = n % linear_.rows_per_slice;
    line = n / linear_.rows_per_slice * divide_up(linear_.rows_per_slice * linear_.bits, 32);
  }
  std::uint32_t zero = 0;
  for (std::uint32_t i = 0; i < linear_.bits; ++i) {
    const std::uint64_t bit = row * linear_.bits + i;
    const std::uint32_t word = word_at(zeros_.data, zeros_.pitch, line + bit / 32, group);
    zero |= (word >> (bit % 32) & 1u) << i;
  }
  return static_cast<std::int32_t>(zero);
}

// specs/gptq.md clause 2.5 to 2.7: bit i of a code stands in the stream of its column of words, or
// in the plane that holds it.
std::uint32_t CodeReader::unit_code(const std::byte* column, std::uint64_t pitch,
                                    std::uint64_t input) const {
  const std::uint32_t bits = linear_.bits;
  const std::uint64_t word_bits = 8 * std::uint64_t{linear_.word_bytes};
  std::uint32_t value = 0;
  for (std::uint32_t i = 0; i < bits; ++i) {
    const std::uint64_t bit = bit_of_unit(input, i);
    const std::byte* word = column + bit / word_bits * pitch + bit % word_bits / 8;
    value |= (static_cast<std::uint32_t>(*word) >> (bit % 8) & 1u) << i;
  }
  return value;
}

// Where bit i of code (or zero) number `index` is.
std::uint64_t CodeReader::bit_of_unit(std::uint64_t index, std::uint32_t i) const {
  if (!linear_.planes) return index * linear_.bits + i;
  std::uint32_t low = 0;  // bits of the planes before
  for (std::uint32_t width = 4; width != 0; width /= 2) {
    if ((linear_.bits & width) == 0) continue;
    if (i < low + width) break;
    low += width;
  }
  const std::uint32_t rest = linear_.bits - low;
  const std::uint32_t width = std::bit_floor(rest);
  return index / 32 * 32 * linear_.bits + 32 * low + index % 32 * width + (i - low);
}

std::int32_t CodeReader::gptq_bits_zero(std::uint64_t output, std::uint64_t group) const {
  if (zeros_.data == nullptr) return 1 << (linear_.bits - 1);
  const std::byte* line = zeros_.data + group * zeros_.pitch;
  const bool in_words = 8 % linear_.bits == 0;
  const std::uint64_t first = bit_of_unit(output, 0);
  std::uint32_t zero = 0;
  if (!in_words || linear_.zero_addend == 0) {
    for (std::uint32_t i = 0; i < linear_.bits; ++i) {
      zero |= bits_at(line, bit_of_unit(output, i), 1) << i;
    }
    return static_cast<std::int32_t>((zero + (linear_.zero_addend == 0 ? 0 : 1)) & mask_);
  }
  const std::uint64_t word_bits = 8 * std::uint64_t{linear_.word_bytes};
  const std::uint64_t begin = first / word_bits * word_bits;
  const std::uint32_t word =
      bits_at(line, begin, static_cast<std::uint32_t>(word_bits)) + linear_.zero_addend;
  return static_cast<std::int32_t>(word >> (first - begin) & mask_);
}

std::int32_t CodeReader::gptq_zero(std::uint64_t output, std::uint64_t group) const {
  if (zeros_.data == nullptr) return 1 << (linear_.bits - 1);
  const std::uint32_t word =
      word_at(zeros_.data, zeros_.pitch, group, output / per_word_) + linear_.zero_addend;
  return static_cast<std::int32_t>(word >> (linear_.bits * (output % per_word_)) & mask_);
}

CodeStep CodeReader::step(std::uint64_t n, std::uint64_t k) const {
  const std::uint64_t g = group_of(linear_.layout->rows_are_inputs ? n : k);
  CodeStep step;
  switch (layout_) {
    case LayoutId::awq_gemm:
      step.scale = scale_at(scales_, g, n);
      step.zero = 8;
      if (zeros_.data != nullptr) {
        step.zero = static_cast<std::int32_t>(
            nibble(word_at(zeros_.data, zeros_.pitch, g, n / 8), kAwqNibble[n % 8]));
      }
      break;
    case LayoutId::awq_gemv:
      step.scale = scale_at(scales_, n, g);
      step.zero =
          static_cast<std::int32_t>(nibble(word_at(zeros_.data, zeros_.pitch, n, g / 8), g % 8));
      break;
    case LayoutId::awq_gemv_fast:
    case LayoutId::llm_awq_v2:
      step.scale = scale_at(scales_, g, n);
      step.scaled_zero = scale_at(zeros_, g, n);
      step.is_sum = true;
      break;
    case LayoutId::awq_marlin: {
      const bool one_group = linear_.group_size == linear_.in_features;
      const std::uint64_t column = one_group
                                       ? 32 * (n / 32) + 8 * (n % 8 / 2) + 2 * (n % 32 / 8) + n % 2
                                       : 64 * (n / 64) + 8 * (n % 8) + n % 64 / 8;
      step.scale = scale_at(scales_, g, column);
      step.zero = 8;
      break;
    }
    case LayoutId::ct_pack:
    case LayoutId::ct_int8:
      step.scale = scale_at(scales_, n / linear_.rows_per_scale, g);
      step.zero = compressed_zero(n, g);
      break;
    case LayoutId::gptq:
      step.scale = scale_at(scales_, g, n);
      step.zero = gptq_zero(n, g);
      break;
    case LayoutId::gptq_rows:
      step.scale = scale_at(scales_, g, k);
      step.zero = gptq_zero(k, g);
      break;
    case LayoutId::gptq_bits:
      step.scale = scale_at(scales_, g, n);
      step.zero = gptq_bits_zero(n, g);
      break;
    case LayoutId::gptq_bits_rows:
      step.scale = scale_at(scales_, g, k);
      step.zero = gptq_bits_zero(k, g);
      break;
    case LayoutId::bnb_int8:
      step.scale = scale_at(scales_, n, 0);
      step.zero = 128;
      step.divisor = 127;
      break;
    case LayoutId::mlx_affine:
      step.scale = scale_at(scales_, n, g);
      step.scaled_zero = scale_at(zeros_, n, g);
      step.is_sum = true;
      break;
    case LayoutId::modelopt_int4:
      step.scale = scale_at(scales_, n, g) * column_factor(k);
      step.zero = 8;
      break;
    case LayoutId::bnb_4bit:
      return table_step((n * linear_.in_features + k) / linear_.group_size);
    case LayoutId::scaled:
      return scaled_step(n, k);
  }
  return step;
}

std::uint64_t CodeReader::step_end(std::uint64_t k) const {
  if (linear_.layout->rows_are_inputs) return k + 1;
  if (layout_ == LayoutId::modelopt_int4 && global_scale_.data != nullptr) return k + 1;
  if (layout_ == LayoutId::bnb_4bit) {
    const std::uint64_t run = std::gcd(linear_.in_features, linear_.group_size);
    return (k / run + 1) * run;  // in whatever row
  }
  if (group_index_.data == nullptr) return (k / linear_.group_size + 1) * linear_.group_size;
  const std::uint64_t group = group_of(k);
  std::uint64_t end = k + 1;
  while (end < linear_.in_features && group_of(end) == group) ++end;
  return end;
}

}  // namespace thaw
