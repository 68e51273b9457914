#include "kernels/packed_case.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <memory>
#include <random>
#include <sstream>
#include <unordered_map>

#include "kernels/packed_sizes.h"
#include "support/layout_names.h"

namespace thaw::test {
namespace {

using kernels::FloatType;

// From the least to the greatest scale that fuses, or one that does not.
std::uint32_t fused_bits(std::mt19937& random, const oracle::Type& t, bool always) {
  const std::uint32_t one_exponent = 1u << (t.precision - 1);
  const bool half = t.precision == 11;
  const std::uint32_t least = half ? 1 : 27 * one_exponent;  // 2^-100
  const std::uint32_t most = half ? t.infinity - 1 : 227 * one_exponent;
  const std::uint32_t odd[] = {least - 1,
                               most + 1,
                               0,
                               t.sign,
                               t.sign | least,
                               t.sign | most,
                               1,
                               one_exponent,
                               t.sign | one_exponent,
                               t.infinity - 1,
                               t.infinity,
                               t.sign | t.infinity,
                               t.nan,
                               t.sign | t.nan,
                               t.sign - 1};
  if (!always && random() % 128 == 0) return odd[random() % std::size(odd)];
  const std::uint32_t choice = static_cast<std::uint32_t>(random());
  if (choice % 8 < 2) return choice % 8 == 0 ? least : most;
  return least + choice / 8 % (most - least + 1);
}

std::uint32_t scale_bits(std::mt19937& random, FloatType type, Scales kind) {
  const oracle::Type& t = oracle_type(type);
  const std::uint32_t bits = static_cast<std::uint32_t>(random()) & (t.sign | (t.sign - 1));
  const std::uint32_t one_exponent = 1u << (t.precision - 1);
  switch (kind) {
    case Scales::random_bits:
      return bits;
    case Scales::huge:  // the top five binades, infinity and NaN
      return (bits & ~(t.sign - 1)) | (t.infinity + one_exponent - 1 - bits % (6 * one_exponent));
    case Scales::tiny:  // zero, subnormal, the lowest normal ones
      return (bits & ~(t.sign - 1)) | bits % (4 * one_exponent);
    case Scales::fused:
    case Scales::nearly_fused:
      return fused_bits(random, t, kind == Scales::fused);
    case Scales::usual:
      break;
  }
  const int exponent = type == FloatType::float16 ? 15 : 127;
  return static_cast<std::uint32_t>(exponent - 9 + static_cast<int>(bits >> 3 & 3u)) *
             one_exponent +
         bits % one_exponent;
}

void fill(std::vector<unsigned char>& bytes, std::mt19937& random) {
  for (unsigned char& b : bytes) b = static_cast<unsigned char>(random());
}

kernels::FloatType type_of(const kernels::OutputFormat& format) { return format.type; }

}  // namespace

const oracle::Type& oracle_type(FloatType type) {
  if (type == FloatType::float16) return oracle::kFloat16;
  return type == FloatType::bfloat16 ? oracle::kBfloat16 : oracle::kFloat32;
}

std::string name_of(const kernels::OutputFormat& format) {
  std::string name = format.type == FloatType::float16    ? "float16"
                     : format.type == FloatType::bfloat16 ? "bfloat16"
                                                          : "float32";
  if (format.rounding == kernels::Rounding::via_float16) name += " via float16";
  if (format.stores == kernels::Stores::streaming) name += " streaming";
  return name;
}

std::uint64_t row_block(const std::string& layout) {
  if (layout == "awq_gemm" || layout == "gptq" || layout == "gptq_rows") return 8;
  if (layout.starts_with("gptq_bits")) return 32;
  if (layout == "awq_gemv_fast") return 4;
  return layout == "awq_marlin" ? 64 : 1;
}

bool runs_slowly() {
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
  return true;
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || defined(__aarch64__)
  return true;
#else
  return false;
#endif
}

int divided(int trials) { return runs_slowly() ? (trials + 7) / 8 : trials; }

PackedCase::PackedCase(const Shape& shape, FloatType scale_type, Scales scales, std::uint32_t seed)
    : shape_(shape), scale_type_(scale_type), seed_(seed) {
  std::mt19937 random(seed);
  const std::uint64_t element = static_cast<std::uint64_t>(oracle_type(scale_type).bytes);
  const Sizes sizes = sizes_of(shape, element);
  const auto allocate = [&](const Lines& lines, std::vector<unsigned char>& bytes,
                            std::uint64_t& pitch) {
    pitch = lines.bytes + shape.extra_pitch;
    bytes.resize(shape.misalignment + (lines.count - 1) * pitch + lines.bytes);
    bytes.shrink_to_fit();
    fill(bytes, random);
  };
  allocate(sizes.qweight, qweight_, qweight_pitch_);
  allocate(sizes.scales, scales_, scales_pitch_);
  const auto fill_floats = [&](std::vector<unsigned char>& bytes, std::uint64_t pitch) {
    for (std::uint64_t line = 0; line < sizes.scales.count; ++line) {
      for (std::uint64_t i = 0; i < sizes.scales.bytes; i += element) {
        const std::uint32_t bits = scale_bits(random, scale_type, scales);
        std::memcpy(&bytes[shape.misalignment + line * pitch + i], &bits, element);
      }
    }
  };
  fill_floats(scales_, scales_pitch_);
  if (shape.has_zeros && sizes.qzeros.count != 0) {
    allocate(sizes.qzeros, qzeros_, qzeros_pitch_);
    if (shape.layout == "awq_gemv_fast" || shape.layout == "mlx_affine") {
      fill_floats(qzeros_, qzeros_pitch_);
    }
  }
  if (shape.single_scale) scales_pitch_ = 0;
  if (shape.shuffled) make_group_index(seed);
  if (shape.index_bytes == 0) return;
  const auto groups = static_cast<std::int64_t>(groups_of(shape));
  index_.resize(shape.misalignment + inputs_of(shape) * shape.index_bytes);
  for (std::uint64_t i = shape.misalignment; i < index_.size(); i += shape.index_bytes) {
    const std::int64_t entry = static_cast<std::int64_t>(random() % (2 * groups)) - groups;
    std::memcpy(&index_[i], &entry, shape.index_bytes);
  }
}

void PackedCase::overwrite(const std::vector<unsigned char>& bytes) {
  std::size_t done = 0;
  for (std::vector<unsigned char>* part : {&scales_, &qzeros_, &qweight_}) {
    const std::size_t size = std::min(part->size(), bytes.size() - done);
    std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(done), size, part->begin());
    done += size;
  }
}

void PackedCase::make_group_index(std::uint32_t seed) {
  std::vector<std::uint32_t> groups;
  for (std::uint64_t k = 0; k < shape_.in_features; ++k) {
    groups.push_back(static_cast<std::uint32_t>(k / shape_.group_size));
  }
  std::shuffle(groups.begin(), groups.end(), std::mt19937(seed));
  group_index_.resize(shape_.misalignment + groups.size() * 4);
  std::memcpy(group_index_.data() + shape_.misalignment, groups.data(), groups.size() * 4);
}

bool PackedCase::can_start_at(std::uint64_t row) const {
  if (shape_.layout.starts_with("ct_")) return row == 0;
  return !is_rows(shape_) || (row % shape_.group_size == 0 && shape_.index_bytes == 0);
}

kernels::PackedLinear PackedCase::linear() const { return view(0, shape_.out_features); }

kernels::PackedLinear PackedCase::view(std::uint64_t row, std::uint64_t rows) const {
  const std::uint64_t element = static_cast<std::uint64_t>(oracle_type(scale_type_).bytes);
  std::uint64_t qweight = shape_.misalignment;
  std::uint64_t qzeros = shape_.misalignment;
  std::uint64_t scales = shape_.misalignment + row * element;
  if (shape_.layout == "gptq") {
    qweight += row * 4;
    qzeros += row * shape_.bits / 8;
  } else if (shape_.layout == "gptq_bits") {
    qweight += row * shape_.word_bytes;
    qzeros += row * shape_.bits / 8;
  } else if (is_rows(shape_)) {
    qweight += row * shape_.bits / (8 * shape_.word_bytes) * qweight_pitch_;
    qzeros += row / shape_.group_size * qzeros_pitch_;
    scales = shape_.misalignment + row / shape_.group_size * scales_pitch_;
  } else if (shape_.layout == "awq_gemm") {
    qweight += row / 2;
    qzeros += row / 2;
  } else if (shape_.layout == "awq_gemv" || shape_.layout == "mlx_affine" ||
             shape_.layout == "bnb_int8") {
    qweight += row * qweight_pitch_;
    qzeros += row * qzeros_pitch_;
    scales = shape_.misalignment + row * scales_pitch_;
  } else if (shape_.layout == "awq_gemv_fast") {
    qweight += row / 4 * qweight_pitch_;
    qzeros += row * element;
  } else if (shape_.layout == "awq_marlin") {
    qweight += row * 8;
  }
  kernels::PackedLinear linear;
  linear[kernels::Role::codes] = {qweight_.data() + qweight, qweight_pitch_};
  if (!qzeros_.empty()) linear[kernels::Role::zeros] = {qzeros_.data() + qzeros, qzeros_pitch_};
  linear[kernels::Role::scales] = {scales_.data() + scales, scales_pitch_};
  linear.in_features = shape_.in_features;
  linear.out_features = rows;
  linear.group_size = shape_.group_size;
  linear.scale_type = scale_type_;
  linear.bits = static_cast<std::uint32_t>(shape_.bits);
  linear.zeros = shape_.int8_zeros ? kernels::Zeros::int8 : kernels::Zeros::packed;
  linear.rows_per_slice = shape_.rows_per_slice;
  linear.rows_per_scale = shape_.rows_per_scale;
  linear.word_bytes = static_cast<std::uint32_t>(shape_.word_bytes);
  linear.planes = shape_.planes;
  if (shape_.shuffled)
    linear[kernels::Role::group_index] = {group_index_.data() + shape_.misalignment, 0, 4};
  if (!is_gptq(shape_)) return linear;
  linear.groups = groups_of(shape_);
  if (shape_.v1) {
    linear.zero_addend = shape_.bits == 4   ? 0x11111111
                         : shape_.bits == 8 ? 0x01010101
                         : shape_.bits == 2 ? 0x55555555
                                            : 1;
  }
  if (shape_.layout == "gptq_bits_rows") {  // a line is a unit
    linear[kernels::Role::codes].pitch *= 4 * shape_.bits / shape_.word_bytes;
  }
  if (!index_.empty()) {
    linear[kernels::Role::group_index] = {index_.data() + shape_.misalignment, 0,
                                          shape_.index_bytes};
  }
  return linear;
}

oracle::Packed PackedCase::packed() const {
  oracle::Packed packed;
  packed.qweight = {qweight_.data() + shape_.misalignment, qweight_pitch_};
  if (!qzeros_.empty()) packed.qzeros = {qzeros_.data() + shape_.misalignment, qzeros_pitch_};
  packed.scales = {scales_.data() + shape_.misalignment, scales_pitch_};
  packed.in_features = shape_.in_features;
  packed.out_features = shape_.out_features;
  packed.group_size = shape_.group_size;
  packed.scale_type = oracle_type(scale_type_);
  packed.bits = shape_.bits;
  packed.int8_zeros = shape_.int8_zeros;
  packed.rows_per_slice = shape_.rows_per_slice;
  if (shape_.shuffled) packed.group_index = {group_index_.data() + shape_.misalignment, 0};
  packed.v1 = shape_.v1;
  packed.rows_per_scale = shape_.rows_per_scale;
  packed.word_bytes = shape_.word_bytes;
  packed.planes = shape_.planes;
  for (std::uint64_t i = shape_.misalignment; i < index_.size(); i += shape_.index_bytes) {
    std::int64_t entry = 0;
    std::memcpy(&entry, &index_[i], shape_.index_bytes);
    packed.group_of.push_back(shape_.index_bytes == 4 ? static_cast<std::int32_t>(entry) : entry);
  }
  return packed;
}

std::vector<unsigned char> PackedCase::expected(const kernels::OutputFormat& format) const {
  const oracle::Packed p = packed();
  const oracle::Type& type = oracle_type(type_of(format));
  const bool via = format.rounding == kernels::Rounding::via_float16;
  const auto bytes = static_cast<std::uint64_t>(type.bytes);
  std::vector<unsigned char> out(p.in_features * p.out_features * bytes);
  if (is_gptq(shape_)) {  // what an element is depends on its scale and q - z only
    std::unordered_map<std::uint64_t, std::uint32_t> known;
    for (std::uint64_t i = 0; i < p.in_features * p.out_features; ++i) {
      const oracle::Element e =
          oracle::element(shape_.layout.c_str(), p, i / p.in_features, i % p.in_features);
      const std::uint64_t key =
          std::uint64_t{e.scale} << 16 | static_cast<std::uint64_t>(e.code - e.zero + 256);
      const auto [at, is_new] = known.try_emplace(key);
      if (is_new) at->second = oracle::rounded(oracle::value(e, p.scale_type), type, via);
      std::memcpy(&out[i * bytes], &at->second, bytes);
    }
    return out;
  }
  constexpr std::uint64_t kUnknown = ~std::uint64_t{0};
  std::vector<std::uint64_t> known((p.in_features + p.group_size - 1) / p.group_size * 256);
  for (std::uint64_t n = 0; n < p.out_features; ++n) {
    // Elements of one group with the same code are the same: remember them.
    std::fill(known.begin(), known.end(), kUnknown);
    for (std::uint64_t k = 0; k < p.in_features; ++k) {
      const oracle::Element e = oracle::element(shape_.layout.c_str(), p, n, k);
      const std::uint64_t group = shape_.shuffled ? p.group_index.at(0, k, 4) : k / p.group_size;
      std::uint64_t& value = known[group * 256 + (static_cast<unsigned>(e.code) & 255u)];
      if (value == kUnknown) value = oracle::rounded(oracle::value(e, p.scale_type), type, via);
      std::memcpy(&out[(n * p.in_features + k) * bytes], &value, bytes);
    }
  }
  return out;
}

std::uint64_t PackedCase::expected_overflows(const kernels::OutputFormat& format) const {
  const oracle::Packed p = packed();
  const oracle::Type& type = oracle_type(type_of(format));
  const bool via = format.rounding == kernels::Rounding::via_float16;
  std::uint64_t count = 0;
  for (std::uint64_t n = 0; n < p.out_features; ++n) {
    for (std::uint64_t k = 0; k < p.in_features; ++k) {
      const oracle::Number exact =
          oracle::value(oracle::element(shape_.layout.c_str(), p, n, k), p.scale_type);
      const std::uint32_t bits = oracle::rounded(exact, type, via);
      count += exact.kind == oracle::Number::finite && (bits & ~type.sign) == type.infinity ? 1 : 0;
    }
  }
  return count;
}

std::string PackedCase::check(const kernels::Table& table, const kernels::OutputFormat& format,
                              const std::vector<unsigned char>& want, std::uint64_t first_row,
                              std::uint64_t begin, std::uint64_t end) const {
  constexpr std::uint64_t kCanary = 128;
  const auto bytes = static_cast<std::uint64_t>(oracle_type(type_of(format)).bytes);
  const std::uint64_t size = (end - begin) * shape_.in_features * bytes;
  const std::uint64_t total = (size + 2 * kCanary + 63) / 64 * 64;
  const std::unique_ptr<unsigned char, void (*)(void*)> memory(
      static_cast<unsigned char*>(std::aligned_alloc(64, total)), std::free);
  std::memset(memory.get(), 0xa5, total);
  unsigned char* out = memory.get() + kCanary;

  const kernels::Layout& layout = kernels::layout_in(table, layout_named(shape_.layout));
  const kernels::PackedLinear part =
      first_row == 0 ? linear() : view(first_row, shape_.out_features - first_row);
  layout.dequantize(part, begin, end, out, format);

  std::ostringstream message;
  message << table.name << ' ' << shape_.layout << ' ' << name_of(format) << " K "
          << shape_.in_features << " N " << shape_.out_features << " G " << shape_.group_size
          << " bits " << shape_.bits << " scale type " << static_cast<int>(scale_type_) << " seed "
          << seed_ << " view at " << first_row << " rows " << begin << ".." << end << ": ";
  for (std::uint64_t i = 0; i < total; ++i) {
    const bool outside = i < kCanary || i >= kCanary + size;
    if (outside && memory.get()[i] != 0xa5) {
      message << "wrote outside, at byte " << static_cast<std::int64_t>(i - kCanary) << " of "
              << size;
      return message.str();
    }
  }
  const unsigned char* correct = want.data() + (first_row + begin) * shape_.in_features * bytes;
  if (std::memcmp(out, correct, size) == 0) return {};
  for (std::uint64_t i = 0; i < size; i += bytes) {
    if (std::memcmp(out + i, correct + i, bytes) == 0) continue;
    const std::uint64_t n = first_row + begin + i / bytes / shape_.in_features;
    const std::uint64_t k = i / bytes % shape_.in_features;
    const oracle::Element e = oracle::element(shape_.layout.c_str(), packed(), n, k);
    std::uint32_t got = 0;
    std::uint32_t wanted = 0;
    std::memcpy(&got, out + i, bytes);
    std::memcpy(&wanted, correct + i, bytes);
    message << "row " << n << " column " << k << std::hex << ": code 0x" << e.code << " zero 0x"
            << e.zero << " scale 0x" << e.scale << " scaled zero 0x" << e.scaled_zero << ", got 0x"
            << got << ", want 0x" << wanted;
    break;
  }
  return message.str();
}

}  // namespace thaw::test
