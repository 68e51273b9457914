#include "convert/compare_tensor.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <mutex>

#include "base/bytes.h"
#include "plan/memory.h"

namespace thaw {

namespace {

constexpr std::uint64_t kPart = 256u << 10;      // elements
constexpr std::uint64_t kSampleRows = 64;        // a whole number of every row block
constexpr std::uint64_t kMostSample = 4u << 20;  // elements

std::uint64_t columns_of(const OutputTensor& tensor) {
  return tensor.shape.empty() ? 1 : tensor.shape.back();
}

std::uint64_t elements_of(const OutputTensor& tensor) {
  return element_count(tensor.shape).value_or(0);
}

std::uint64_t row_block(const CompareSide& side, const OutputTensor& tensor) {
  const QuantizedLinear* linear = side.linear_of(tensor);
  return linear == nullptr ? 0 : linear->layout->row_block;
}

Status reserve(AlignedMemory& memory, std::uint64_t bytes) {
  if (bytes == 0 || memory.size() >= bytes) return {};
  memory = {};
  THAW_ASSIGN_OR_RETURN(memory, AlignedMemory::allocate(bytes));
  return {};
}

float* floats_in(const AlignedMemory& memory) { return reinterpret_cast<float*>(memory.data()); }

double* doubles_in(const AlignedMemory& memory) { return reinterpret_cast<double*>(memory.data()); }

// `count` floats to doubles, in place: from the end, so that none is overwritten before it is read.
void widen(std::byte* data, std::uint64_t count) {
  for (std::uint64_t i = count; i-- > 0;) {
    float narrow = 0;
    std::memcpy(&narrow, data + i * sizeof narrow, sizeof narrow);
    const auto wide = static_cast<double>(narrow);
    std::memcpy(data + i * sizeof wide, &wide, sizeof wide);
  }
}

// Rows of a pair that are looked at together: as many as the packed side's slab may hold.
std::uint64_t rows_of_slab(const CompareSide& side, const OutputTensor& tensor,
                           std::uint64_t resident, std::uint64_t rows, std::uint64_t grain) {
  const QuantizedLinear* linear = side.linear_of(tensor);
  if (linear == nullptr || !linear->layout->columns_strided) return rows;
  const std::uint64_t packed = packed_bytes(*linear);
  if (packed <= resident) return rows;
  const std::uint64_t fitting = resident / std::max<std::uint64_t>(1, divide_up(packed, rows));
  return std::max(grain, round_down(fitting, grain));
}

}  // namespace

std::uint64_t scratch_of(const CompareSide& side, const OutputTensor& tensor) {
  const QuantizedLinear* linear = side.linear_of(tensor);
  return linear != nullptr && tensor.segment.divisor != 0 ? scratch_bytes(*linear) : 0;
}

std::uint64_t elements_of_part(const CompareSide& side_a, const CompareSide& side_b,
                               const TensorPair& pair) {
  const std::uint64_t block = std::max(row_block(side_a, *pair.a), row_block(side_b, *pair.b));
  const std::uint64_t all = elements_of(*pair.a);
  if (block == 0) return std::min(kPart, all);
  // Row blocks are powers of two: a multiple of the larger is one of both.
  const std::uint64_t columns = columns_of(*pair.a);
  const std::uint64_t rows =
      std::max<std::uint64_t>(1, kPart / std::max<std::uint64_t>(1, columns));
  return std::min(round_up(rows, block) * columns, all);
}

Status PairComparer::measure(const TensorPair& pair, TensorComparison& result,
                             DifferenceSums& total) {
  const std::uint64_t elements = elements_of(*pair.a);
  const bool same_opaque = is_opaque(*pair.a) || is_opaque(*pair.b);
  if (same_opaque) return measure_bytes(pair, result);
  if (elements == 0) return {};
  const std::uint64_t part = elements_of_part(a_, b_, pair);
  const std::uint64_t columns = columns_of(*pair.a);
  const bool packed = a_.linear_of(*pair.a) != nullptr || b_.linear_of(*pair.b) != nullptr;
  // Where a side is packed, slabs of rows; else all at once.
  const std::uint64_t rows = packed ? elements / columns : 1;
  const std::uint64_t grain = packed ? std::max<std::uint64_t>(1, part / columns) : 1;
  const std::uint64_t slab = std::min(rows_of_slab(a_, *pair.a, tools_.resident, rows, grain),
                                      rows_of_slab(b_, *pair.b, tools_.resident, rows, grain));
  const std::uint64_t row_elements = packed ? columns : elements;
  HeldTensor held_a(a_, *pair.a, tools_.cache_a);
  HeldTensor held_b(b_, *pair.b, tools_.cache_b);
  std::vector<DifferenceSums> parts(divide_up(elements, part));
  std::mutex mutex;  // of the histogram, whose counts do not depend on the order
  for (std::uint64_t first = 0; first < rows; first += slab) {
    const std::uint64_t last = std::min(first + slab, rows);
    THAW_RETURN_IF_ERROR(held_a.hold(first, last, tools_.resident));
    THAW_RETURN_IF_ERROR(held_b.hold(first, last, tools_.resident));
    const std::uint64_t begin = first * row_elements;
    const std::uint64_t end = last * row_elements;
    const auto measure_part = [&](unsigned worker, std::uint64_t index) -> Status {
      const std::uint64_t from = begin + index * part;
      const std::uint64_t count = std::min(part, end - from);
      Histogram histogram{};
      THAW_RETURN_IF_ERROR(difference_of(held_a, held_b, pair, from, count, tools_.buffers[worker],
                                         parts[from / part], histogram));
      const std::lock_guard lock(mutex);
      for (std::size_t i = 0; i < kHistogramBins; ++i) result.histogram[i] += histogram[i];
      return {};
    };
    Status status = tools_.parallel.run(divide_up(end - begin, part), measure_part);
    if (!status.ok()) return status;
  }
  DifferenceSums all;
  for (const DifferenceSums& sums : parts) all.add(sums);
  result.figures = all.figures();
  total.add(all);
  return {};
}

Status PairComparer::difference_of(const HeldTensor& held_a, const HeldTensor& held_b,
                                   const TensorPair& pair, std::uint64_t from, std::uint64_t count,
                                   CompareBuffers& buffers, DifferenceSums& sums,
                                   Histogram& histogram) const {
  const bool plain = is_plain(*pair.a) && is_plain(*pair.b);
  const std::uint64_t bytes = count * (plain ? sizeof(float) : sizeof(double));
  THAW_RETURN_IF_ERROR(reserve(buffers.a, bytes));
  THAW_RETURN_IF_ERROR(reserve(buffers.b, bytes));
  const std::uint64_t scratch = std::max(scratch_of(a_, *pair.a), scratch_of(b_, *pair.b));
  THAW_RETURN_IF_ERROR(reserve(buffers.scratch, scratch));
  const auto read = [&](const HeldTensor& held, const OutputTensor& tensor,
                        const AlignedMemory& to) -> Status {
    if (!is_plain(tensor)) return held.read_others(from, count, doubles_in(to));
    Status status = held.read(tools_.table, from, count, buffers.scratch.data(), floats_in(to));
    if (status.ok() && !plain) widen(to.data(), count);
    return status;
  };
  THAW_RETURN_IF_ERROR(read(held_a, *pair.a, buffers.a));
  THAW_RETURN_IF_ERROR(read(held_b, *pair.b, buffers.b));
  if (plain) {
    sum_differences(floats_in(buffers.a), floats_in(buffers.b), count, sums, histogram);
  } else {
    sum_differences(doubles_in(buffers.a), doubles_in(buffers.b), count, sums, histogram);
  }
  return {};
}

// Equal or not, byte by byte; an element counts as equal where all bytes of the tensor are.
Status PairComparer::measure_bytes(const TensorPair& pair, TensorComparison& result) {
  result.bytes_only = true;
  result.figures.elements = elements_of(*pair.a);
  bool equal = pair.a->dtype == pair.b->dtype && pair.a->size == pair.b->size;
  const Segment& a = pair.a->segment;
  const Segment& b = pair.b->segment;
  constexpr std::uint64_t kStep = 4u << 20;
  for (std::uint64_t at = 0; equal && at < pair.a->size; at += kStep) {
    const std::uint64_t size = std::min(kStep, pair.a->size - at);
    const InputRange range_a{a.source, a.begin + at, size};
    const InputRange range_b{b.source, b.begin + at, size};
    Status status = tools_.cache_a.acquire(range_a);
    Status other = tools_.cache_b.acquire(range_b);
    if (status.ok()) status = std::move(other);
    if (status.ok()) {
      equal = std::memcmp(a_.plan.inputs[a.source]->bytes().data() + range_a.offset,
                          b_.plan.inputs[b.source]->bytes().data() + range_b.offset, size) == 0;
    }
    tools_.cache_a.release(range_a);
    tools_.cache_b.release(range_b);
    THAW_RETURN_IF_ERROR(std::move(status));
  }
  result.figures.snr_db = HUGE_VAL;
  if (equal) {
    result.figures.equal = result.figures.elements;
  } else {
    result.figures.relative = HUGE_VAL;
    result.figures.cosine = 0;
    result.figures.snr_db = -HUGE_VAL;
  }
  return {};
}

Status PairComparer::sample(const TensorPair& pair, std::vector<float>& a, std::vector<float>& b) {
  a.clear();
  b.clear();
  const auto read = [&](const CompareSide& side, const OutputTensor& tensor, InputCache& cache,
                        AlignedMemory& buffer, std::vector<float>& to) -> Status {
    const std::uint64_t columns = columns_of(tensor);
    if (!is_plain(tensor) || tensor.shape.size() < 2 || elements_of(tensor) == 0) return {};
    const std::uint64_t rows = std::min(kSampleRows, elements_of(tensor) / columns);
    if (columns > kMostSample / kSampleRows) return {};
    CompareBuffers& buffers = tools_.buffers.front();
    THAW_RETURN_IF_ERROR(reserve(buffer, rows * columns * sizeof(float)));
    const std::uint64_t scratch = scratch_of(side, tensor);
    THAW_RETURN_IF_ERROR(reserve(buffers.scratch, scratch));
    HeldTensor held(side, tensor, cache);
    THAW_RETURN_IF_ERROR(held.hold(0, rows, tools_.resident));
    THAW_RETURN_IF_ERROR(
        held.read(tools_.table, 0, rows * columns, buffers.scratch.data(), floats_in(buffer)));
    to.assign(floats_in(buffer), floats_in(buffer) + rows * columns);
    const bool finite =
        std::all_of(to.begin(), to.end(), [](float value) { return std::isfinite(value); });
    if (!finite) to.clear();
    return {};
  };
  THAW_RETURN_IF_ERROR(read(a_, *pair.a, tools_.cache_a, tools_.buffers.front().a, a));
  THAW_RETURN_IF_ERROR(read(b_, *pair.b, tools_.cache_b, tools_.buffers.front().b, b));
  if (a.empty() || b.empty()) {
    a.clear();
    b.clear();
  }
  return {};
}

Status PairComparer::read_all(const CompareSide& side, const OutputTensor& tensor,
                              InputCache& cache, const kernels::Table& table, std::uint64_t most,
                              std::vector<double>& out) {
  out.clear();
  const std::uint64_t count = elements_of(tensor);
  if (count == 0 || count > most || !is_plain(tensor) || side.linear_of(tensor) != nullptr) {
    return {};
  }
  std::vector<float> values(count);
  const HeldTensor held(side, tensor, cache);
  THAW_RETURN_IF_ERROR(held.read(table, 0, count, nullptr, values.data()));
  out.assign(values.begin(), values.end());
  return {};
}

}  // namespace thaw
