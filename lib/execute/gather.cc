#include "execute/gather.h"

#include <algorithm>
#include <cstring>

#include "execute/held_input.h"

namespace thaw {

namespace {

constexpr std::uint64_t kGatherStep = 4u << 20;

}  // namespace

Status gather_slab(std::span<const MappedFile* const> files, InputCache& input,
                   const QuantizedLinear& linear, const Slab& slab, std::byte* buffer) {
  const SlabOperand* placed = slab.operands.data();
  for (const PackedOperand& operand : linear.operands) {
    const SlabOperand& to_place = *placed++;
    if (operand.tensor == nullptr) continue;
    const Tensor& tensor = *operand.tensor;
    const MappedFile& file = *files[tensor.shard];
    const std::byte* lines = file.bytes().data() + tensor.begin + to_place.source_begin;
    std::byte* to = buffer + to_place.offset;
    const std::uint64_t step =
        std::max<std::uint64_t>(1, kGatherStep / std::max<std::uint64_t>(1, operand.pitch));
    for (std::uint64_t line = 0; line < operand.lines; line += step) {
      const std::uint64_t end = std::min(operand.lines, line + step);
      HeldInput held(input);
      THAW_RETURN_IF_ERROR(held.add(InputRange{tensor.shard, tensor.begin + line * operand.pitch,
                                               (end - line) * operand.pitch}));
      for (std::uint64_t i = line; i < end; ++i) {
        std::memcpy(to + i * to_place.pitch, lines + i * operand.pitch, to_place.source_size);
      }
      if (file.damaged()) return file.check_unchanged();
    }
  }
  return {};
}

}  // namespace thaw
