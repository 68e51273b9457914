#include "convert/compare_side.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

#include "base/bytes.h"
#include "base/text.h"
#include "convert/folds.h"
#include "execute/linear_view.h"
#include "plan/input_ranges.h"
#include "plan/memory.h"
#include "plan/output_tensors.h"

namespace thaw {

namespace {

constexpr std::uint64_t kGatherStep = 4u << 20;

// Packed tensors of any method: a checkpoint without one is taken as float.
const ModelSpec* spec_of(const Checkpoint& checkpoint, std::span<const ModelSpec> specs) {
  const json::Node* type = checkpoint.config().find("model_type");
  const auto name = type != nullptr ? type->as_string() : std::nullopt;
  return name ? find_model_spec(specs, *name) : nullptr;
}

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

const OutputTensor* CompareSide::find(std::string_view name) const {
  const auto found = std::lower_bound(tensors.begin(), tensors.end(), name,
                                      [](const OutputTensor& tensor, std::string_view wanted) {
                                        return natural_less(tensor.name, wanted);
                                      });
  return found != tensors.end() && found->name == name ? &*found : nullptr;
}

Result<std::unique_ptr<CompareSide>> open_side(const std::string& model,
                                               std::span<const ModelSpec> specs,
                                               FileSystem& file_system,
                                               std::vector<std::string>& warnings) {
  THAW_ASSIGN_OR_RETURN(Checkpoint checkpoint, open_checkpoint(file_system, model));
  auto side = std::make_unique<CompareSide>(std::move(checkpoint));
  side->spec = spec_of(side->checkpoint, specs);
  if (looks_quantized(side->checkpoint)) {
    THAW_ASSIGN_OR_RETURN(side->linears,
                          find_quantized_linears(side->checkpoint, {.copy_unknown = true}));
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
    side->linears.consumed.resize(side->checkpoint.tensors().size());
  }
  for (const Shard& shard : side->checkpoint.shards()) side->plan.inputs.push_back(&shard.file);
  side->plan.dtype = Dtype::f32;
  const PlanRequest request{.checkpoint = &side->checkpoint,
                            .linears = &side->linears,
                            .folds = side->folds,
                            .dtype = Dtype::f32};
  THAW_ASSIGN_OR_RETURN(side->tensors, list_output_tensors(request, side->plan));
  return side;
}

std::string type_text(const CompareSide& side, const OutputTensor& tensor) {
  if (const QuantizedLinear* linear = side.linear_of(tensor)) {
    return title_of(*linear);
  }
  return std::string(dtype_name(tensor.segment.from));
}

bool is_plain(const OutputTensor& tensor) { return tensor.dtype == Dtype::f32; }

bool is_opaque(const OutputTensor& tensor) {
  return dtype_bits(tensor.dtype) < 8 || tensor.dtype == Dtype::f8_e8m0 ||
         tensor.dtype == Dtype::c64;
}

void HeldTensor::release() {
  for (const InputRange& range : held_) cache_.release(range);
  held_.clear();
}

Status HeldTensor::hold(std::uint64_t first, std::uint64_t last, std::uint64_t most) {
  release();
  const QuantizedLinear* linear = side_.linear_of(tensor_);
  if (linear == nullptr) return {};
  source_ = {mapped_view(side_.plan, *linear), 0};
  if (!linear->layout->columns_strided) return {};
  const auto keep = [&](const InputRange& range) -> Status {
    if (range.size == 0) return {};
    held_.push_back(range);
    return cache_.acquire(range);
  };
  if (packed_bytes(*linear) <= most) {
    for (const InputRange& range : input_ranges(side_.plan, tensor_.segment)) {
      THAW_RETURN_IF_ERROR(keep(range));
    }
    return {};
  }
  THAW_RETURN_IF_ERROR(keep(divisor_range(side_.plan, tensor_.segment)));
  const Slab slab = lay_out_slab(*linear, first, last);
  if (slab_.size() < slab.size) {
    slab_ = {};
    THAW_ASSIGN_OR_RETURN(slab_, AlignedMemory::allocate(slab.size));
  }
  std::size_t i = 0;
  for (const PackedOperand& operand : linear->operands) {
    const SlabOperand& placed = slab.operands[i++];
    THAW_RETURN_IF_ERROR(
        gather(operand, placed.offset, placed.pitch, placed.source_begin, placed.source_size));
  }
  source_ = {slab_view(*linear, slab, slab_.data()), first};
  return {};
}

// Copies some columns out of every line, a few MiB of lines at a time.
Status HeldTensor::gather(const PackedOperand& operand, std::uint64_t offset, std::uint64_t pitch,
                          std::uint64_t source_begin, std::uint64_t source_size) {
  if (operand.tensor == nullptr) return {};
  const Tensor& tensor = *operand.tensor;
  const MappedFile& file = *side_.plan.inputs[tensor.shard];
  const std::byte* lines = file.bytes().data() + tensor.begin + source_begin;
  const std::uint64_t step =
      std::max<std::uint64_t>(1, kGatherStep / std::max<std::uint64_t>(1, operand.pitch));
  for (std::uint64_t line = 0; line < operand.lines; line += step) {
    const std::uint64_t end = std::min(operand.lines, line + step);
    const InputRange range{tensor.shard, tensor.begin + line * operand.pitch,
                           (end - line) * operand.pitch};
    if (Status status = cache_.acquire(range); !status.ok()) {
      cache_.release(range);
      return status;
    }
    for (std::uint64_t i = line; i < end; ++i) {
      std::memcpy(slab_.data() + offset + i * pitch, lines + i * operand.pitch, source_size);
    }
    cache_.release(range);
    if (file.damaged()) return file.check_unchanged();
  }
  return {};
}

Status HeldTensor::read(const kernels::Table& table, std::uint64_t begin, std::uint64_t count,
                        std::byte* scratch, float* out) const {
  const Segment piece = cut(tensor_.segment, begin * sizeof(float), count * sizeof(float));
  const QuantizedLinear* linear = side_.linear_of(tensor_);
  std::vector<InputRange> ranges;
  if (linear == nullptr || !linear->layout->columns_strided) {
    for (const InputRange& range : input_ranges(side_.plan, piece)) {
      if (range.size != 0) ranges.push_back(range);
    }
  }
  Status status;
  for (const InputRange& range : ranges) {
    Status acquired = cache_.acquire(range);
    if (status.ok()) status = std::move(acquired);
  }
  if (status.ok()) {
    TileSource source = source_;
    source.scratch = scratch;
    static_cast<void>(make_segment(side_.plan, table, piece, source, kernels::Stores::normal,
                                   reinterpret_cast<std::byte*>(out)));
  }
  for (const InputRange& range : ranges) cache_.release(range);
  THAW_RETURN_IF_ERROR(std::move(status));
  for (const InputRange& range : input_ranges(side_.plan, piece)) {
    const MappedFile& file = *side_.plan.inputs[range.input];
    if (range.size != 0 && file.damaged()) return file.check_unchanged();
  }
  return {};
}

Status HeldTensor::read_others(std::uint64_t begin, std::uint64_t count, double* out) const {
  const std::uint64_t element = dtype_bits(tensor_.dtype) / 8;
  const InputRange range{tensor_.segment.source, tensor_.segment.begin + begin * element,
                         count * element};
  const MappedFile& file = *side_.plan.inputs[range.input];
  Status status = cache_.acquire(range);
  if (status.ok()) {
    const std::byte* data = file.bytes().data() + range.offset;
    for (std::uint64_t i = 0; i < count; ++i) out[i] = number_at(data, i, tensor_.dtype);
  }
  cache_.release(range);
  if (status.ok() && file.damaged()) status = file.check_unchanged();
  return status;
}

}  // namespace thaw
