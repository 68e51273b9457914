#include "convert/sample_rows.h"

#include <algorithm>
#include <utility>

#include "execute/gather.h"
#include "execute/linear_view.h"
#include "execute/make_segment.h"
#include "plan/input_ranges.h"
#include "plan/plan.h"

namespace thaw {

namespace {

constexpr std::uint64_t kIdle = 4u << 20;

std::vector<const MappedFile*> files_of(const Checkpoint& quantized, const Checkpoint& base) {
  std::vector<const MappedFile*> files;
  for (const Shard& shard : quantized.shards()) files.push_back(&shard.file);
  for (const Shard& shard : base.shards()) files.push_back(&shard.file);
  return files;
}

Status reserve(AlignedMemory& memory, std::uint64_t size) {
  if (memory.data() != nullptr && memory.size() >= size) return {};
  memory = {};
  THAW_ASSIGN_OR_RETURN(memory, AlignedMemory::allocate(size));
  return {};
}

}  // namespace

SampleRows::SampleRows(const Checkpoint& quantized, const Checkpoint& base,
                       const kernels::Table& table)
    : table_(table),
      files_(files_of(quantized, base)),
      first_of_base_(static_cast<std::uint32_t>(quantized.shards().size())),
      input_(files_, kIdle, InputCache::ReadAhead::none) {}

Result<std::byte*> SampleRows::buffer(Side side, std::uint64_t bytes) {
  AlignedMemory& memory = side == Side::quantized ? quantized_rows_ : base_rows_;
  THAW_RETURN_IF_ERROR(reserve(memory, std::max<std::uint64_t>(bytes, 1)));
  return memory.data();
}

Result<std::span<const float>> SampleRows::elements(Side side, const Tensor& tensor,
                                                    std::uint64_t first, std::uint64_t count) {
  THAW_ASSIGN_OR_RETURN(std::byte* const out, buffer(side, count * sizeof(float)));
  const std::uint64_t element = dtype_bits(tensor.dtype) / 8;
  const InputRange range{tensor.shard + (side == Side::base ? first_of_base_ : 0),
                         tensor.begin + first * element, count * element};
  THAW_RETURN_IF_ERROR(input_.acquire(range));
  const MappedFile& file = *files_[range.input];
  static_cast<void>(table_.cast(file.bytes().data() + range.offset, float_type(tensor.dtype), out,
                                {.type = kernels::FloatType::float32}, count));
  input_.release(range);
  if (file.damaged()) return file.check_unchanged();
  return std::span(reinterpret_cast<const float*>(out), count);
}

Result<std::span<const float>> SampleRows::rows(const QuantizedLinear& linear, std::uint64_t first,
                                                std::uint64_t rows) {
  Plan plan;  // of these rows and nothing else
  plan.inputs = files_;
  plan.linears = {&linear};
  Segment segment;
  segment.kind = SegmentKind::tile;
  segment.to = Dtype::f32;
  segment.row_bytes = linear.in_features * sizeof(float);
  segment.begin = first;
  segment.size = rows * segment.row_bytes;
  THAW_ASSIGN_OR_RETURN(std::byte* const out, buffer(Side::quantized, segment.size));
  if (linear.layout->columns_strided) {
    const Slab slab = lay_out_slab(linear, first, first + rows);
    THAW_RETURN_IF_ERROR(reserve(slab_, slab.size));
    THAW_RETURN_IF_ERROR(gather_slab(files_, input_, linear, slab, slab_.data()));
    static_cast<void>(make_segment(plan, table_, segment,
                                   {slab_view(linear, slab, slab_.data()), slab.first},
                                   kernels::Stores::normal, out));
  } else {
    const InputRanges ranges = input_ranges(plan, segment);
    for (const InputRange& range : ranges) THAW_RETURN_IF_ERROR(input_.acquire(range));
    static_cast<void>(make_segment(plan, table_, segment, {mapped_view(plan, linear), 0},
                                   kernels::Stores::normal, out));
    for (const InputRange& range : ranges) {
      input_.release(range);
      if (range.size != 0 && files_[range.input]->damaged()) {
        return files_[range.input]->check_unchanged();
      }
    }
  }
  return std::span(reinterpret_cast<const float*>(out), rows * linear.in_features);
}

}  // namespace thaw
