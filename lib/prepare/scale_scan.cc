#include "prepare/scale_scan.h"

#include <algorithm>

#include "base/bytes.h"
#include "base/text.h"

namespace thaw {

namespace {

constexpr std::uint64_t kStep = 4u << 20;
constexpr std::uint64_t kPage = 4096;
constexpr std::uint64_t kKept = 16u << 20;

// Infinite, NaN and zero among `count` floats whose bits are Bits.
template <typename Bits>
void count_flaws(const std::byte* from, std::uint64_t count, Bits infinity, ScaleFlaws& flaws) {
  constexpr Bits kMagnitude = static_cast<Bits>(static_cast<Bits>(~Bits{0}) >> 1);
  std::uint64_t infinite = 0;
  std::uint64_t nan = 0;
  std::uint64_t zero = 0;
  for (std::uint64_t i = 0; i < count; ++i) {
    const auto bits =
        static_cast<Bits>(load_little_endian<Bits>(from + i * sizeof(Bits)) & kMagnitude);
    infinite += bits == infinity ? 1 : 0;
    nan += bits > infinity ? 1 : 0;
    zero += bits == 0 ? 1 : 0;
  }
  flaws.infinite += infinite;
  flaws.nan += nan;
  flaws.zero += zero;
}

// E8M0 has neither a sign nor zero; E4M3 has no infinity.
void count_byte_flaws(const std::byte* from, std::uint64_t count, bool exponents,
                      ScaleFlaws& flaws) {
  for (std::uint64_t i = 0; i < count; ++i) {
    const auto byte = load_little_endian<std::uint8_t>(from + i);
    flaws.nan += byte == 255 || (!exponents && byte == 127) ? 1 : 0;
    flaws.zero += !exponents && byte % 128 == 0 ? 1 : 0;
  }
}

void count_flaws(const std::byte* from, std::uint64_t count, Dtype dtype, ScaleFlaws& flaws) {
  if (dtype_bits(dtype) == 8) return count_byte_flaws(from, count, dtype == Dtype::f8_e8m0, flaws);
  if (dtype == Dtype::f32) return count_flaws<std::uint32_t>(from, count, 0x7f80'0000, flaws);
  const std::uint16_t infinity = dtype == Dtype::f16 ? 0x7c00 : 0x7f80;
  count_flaws<std::uint16_t>(from, count, infinity, flaws);
}

// One operand of one linear: the scales, or what is subtracted or added as a float.
struct Operand {
  const Tensor* tensor = nullptr;
  std::uint64_t lines = 0;
  std::uint64_t pitch = 0;   // bytes
  std::uint64_t values = 0;  // of a line; the rest is padding
  std::size_t linear = 0;
  Dtype dtype = Dtype::f16;  // bytes that are exponents: F8_E8M0
  bool scales = true;
};

Operand operand_of(const QuantizedLinear& linear, std::size_t index, Role role) {
  const PackedOperand& packed = linear.operands[role];
  const std::uint64_t element = dtype_bits(packed.tensor->dtype) / 8;
  Operand operand{.tensor = packed.tensor,
                  .lines = packed.lines,
                  .pitch = packed.pitch,
                  .values = packed.pitch / element,
                  .linear = index,
                  .dtype = role == Role::scales ? linear.scale_dtype : packed.tensor->dtype,
                  .scales = role == Role::scales};
  if (packed.pitch == 0) {  // the same for all rows
    operand.lines = 1;
    operand.pitch = packed.tensor->size();
    operand.values = operand.pitch / element;
  } else if (packed.out_features_per_line != 0) {
    const std::uint64_t groups = divide_up(linear.in_features, linear.group_size);
    operand.values = std::min(operand.values, groups * packed.out_features_per_line);
  }
  return operand;
}

// In the order of the files.
std::vector<Operand> operands_of(std::span<const QuantizedLinear* const> linears) {
  std::vector<Operand> operands;
  for (std::size_t i = 0; i < linears.size(); ++i) {
    for (const Role role : {Role::scales, Role::zeros, Role::global_scale}) {
      if (linears[i]->operands[role].tensor == nullptr) continue;
      const Operand operand = operand_of(*linears[i], i, role);
      // Scales that are quantized themselves are codes.
      if (dtype_bits(operand.dtype) != dtype_bits(operand.tensor->dtype)) continue;
      const bool exponents = operand.dtype == Dtype::f8_e8m0;
      const bool floats = is_output_dtype(operand.dtype) || operand.dtype == Dtype::f8_e4m3;
      if (floats || exponents) operands.push_back(operand);
    }
  }
  std::sort(operands.begin(), operands.end(), [](const Operand& a, const Operand& b) {
    return a.tensor->shard != b.tensor->shard ? a.tensor->shard < b.tensor->shard
                                              : a.tensor->begin < b.tensor->begin;
  });
  return operands;
}

// Drops from the page cache what was read, and no more: who has the whole model there keeps it. A
// while later, because the kernel waits for all processors where a page is dropped that was read
// just now.
class Dropper {
 public:
  void add(const MappedFile& file, std::uint64_t offset, std::uint64_t size) {
    const std::uint64_t first = round_down(offset, kPage);
    ranges_.push_back({&file, first, round_up(offset + size, kPage) - first});
    bytes_ += ranges_.back().size;
    if (bytes_ > kKept) drop();
  }
  void drop() {
    for (const Range& range : ranges_) range.file->drop_cache(range.offset, range.size);
    ranges_.clear();
    bytes_ = 0;
  }

 private:
  struct Range {
    const MappedFile* file;
    std::uint64_t offset;
    std::uint64_t size;
  };
  std::vector<Range> ranges_;
  std::uint64_t bytes_ = 0;
};

Status scan(const MappedFile& file, const Operand& operand, Dropper& dropper, ScaleFlaws& flaws) {
  const std::byte* bytes = file.bytes().data() + operand.tensor->begin;
  const std::uint64_t step =
      std::max<std::uint64_t>(1, kStep / std::max<std::uint64_t>(1, operand.pitch));
  ScaleFlaws found;
  for (std::uint64_t line = 0; line < operand.lines; line += step) {
    const std::uint64_t end = std::min(operand.lines, line + step);
    const std::uint64_t offset = operand.tensor->begin + line * operand.pitch;
    const std::uint64_t size = (end - line) * operand.pitch;
    THAW_RETURN_IF_ERROR(file.read_exactly(offset, size));
    THAW_RETURN_IF_ERROR(file.populate(offset, size));
    for (std::uint64_t i = line; i < end; ++i) {
      count_flaws(bytes + i * operand.pitch, operand.values, operand.dtype, found);
    }
    if (file.damaged()) return file.check_unchanged();
    const std::uint64_t near = round_down(offset, kStep);
    file.unmap_pages(near, round_up(offset + size, kStep) - near);
    dropper.add(file, offset, size);
  }
  if (!operand.scales) found.zero = 0;
  flaws.add(found);
  return {};
}

}  // namespace

void ScaleFlaws::add(const ScaleFlaws& other) {
  if (!any()) first = other.first;
  infinite += other.infinite;
  nan += other.nan;
  zero += other.zero;
}

Result<std::vector<ScaleFlaws>> scan_scales(const Checkpoint& checkpoint,
                                            std::span<const QuantizedLinear* const> linears,
                                            const StopFlag* stop) {
  std::vector<ScaleFlaws> flaws(linears.size());
  Dropper dropper;
  for (const Operand& operand : operands_of(linears)) {
    if (stop != nullptr && stop->requested())
      return fail(*stop->reason(), {}, "stopped by a signal");
    THAW_RETURN_IF_ERROR(scan(checkpoint.shards()[operand.tensor->shard].file, operand, dropper,
                              flaws[operand.linear]));
  }
  dropper.drop();
  for (std::size_t i = 0; i < linears.size(); ++i) {
    if (flaws[i].any()) flaws[i].first = printable(linears[i]->module);
  }
  return flaws;
}

}  // namespace thaw
