#include "convert/scale_scan.h"

#include <algorithm>
#include <tuple>

#include "base/bytes.h"
#include "base/text.h"
#include "execute/input_cache.h"

namespace thaw {

namespace {

constexpr std::uint64_t kStep = 4u << 20;
constexpr std::uint64_t kIdle = 16u << 20;

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
void count_byte_flaws(const std::byte* from, std::uint64_t count, Dtype dtype, ScaleFlaws& flaws) {
  const bool exponents = dtype == Dtype::f8_e8m0;
  for (std::uint64_t i = 0; i < count; ++i) {
    const auto byte = load_little_endian<std::uint8_t>(from + i);
    flaws.nan += byte == 255 || (!exponents && byte == 127) ? 1 : 0;
    flaws.zero += !exponents && byte % 128 == 0 ? 1 : 0;
  }
}

void count_flaws(const std::byte* from, std::uint64_t count, Dtype dtype, ScaleFlaws& flaws) {
  if (dtype_bits(dtype) == 8) return count_byte_flaws(from, count, dtype, flaws);
  if (dtype == Dtype::f32) return count_flaws<std::uint32_t>(from, count, 0x7f80'0000, flaws);
  const std::uint16_t infinity = dtype == Dtype::f16 ? 0x7c00 : 0x7f80;
  count_flaws<std::uint16_t>(from, count, infinity, flaws);
}

// How many elements of a line are scales; the rest is padding, and zero.
std::uint64_t scales_in_line(const QuantizedLinear& linear, std::uint64_t element) {
  const PackedOperand& scales = linear[Role::scales];
  const std::uint64_t all = scales.pitch / element;
  if (scales.out_features_per_line == 0) return all;
  return std::min(all,
                  divide_up(linear.in_features, linear.group_size) * scales.out_features_per_line);
}

}  // namespace

Status ScaleScan::run() {
  std::sort(tasks_.begin(), tasks_.end(), [](const Task& a, const Task& b) {
    const Tensor& one = *(*a.linear)[Role::scales].tensor;
    const Tensor& other = *(*b.linear)[Role::scales].tensor;
    return std::tie(one.shard, one.begin) < std::tie(other.shard, other.begin);
  });
  std::vector<const MappedFile*> files;
  for (const Shard& shard : checkpoint_.shards()) files.push_back(&shard.file);
  InputCache cache(files, kIdle);
  for (const Task& task : tasks_) {
    const PackedOperand& scales = (*task.linear)[Role::scales];
    const Tensor& tensor = *scales.tensor;
    const std::uint64_t element = dtype_bits(tensor.dtype) / 8;
    const std::uint64_t values = scales_in_line(*task.linear, element);
    const std::byte* bytes = checkpoint_.bytes(tensor).data();
    if (scales.pitch == 0) continue;  // nothing to step through
    const std::uint64_t step = std::max<std::uint64_t>(1, kStep / scales.pitch);
    const bool had_flaws = task.flaws->any();
    for (std::uint64_t line = 0; line < scales.lines; line += step) {
      const std::uint64_t end = std::min(scales.lines, line + step);
      const InputRange range{tensor.shard, tensor.begin + line * scales.pitch,
                             (end - line) * scales.pitch};
      THAW_RETURN_IF_ERROR(cache.acquire(range));
      for (std::uint64_t i = line; i < end; ++i) {
        count_flaws(bytes + i * scales.pitch, values, tensor.dtype, *task.flaws);
      }
      cache.release(range);
      if (files[tensor.shard]->damaged()) return files[tensor.shard]->check_unchanged();
    }
    if (!had_flaws && task.flaws->any()) task.flaws->first = printable(task.linear->module);
  }
  cache.drop_idle();
  return {};
}

}  // namespace thaw
