#include "compare/compare_tensor.h"

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

std::uint64_t columns_of(const PlannedTensor& tensor) {
  return tensor.shape.empty() ? 1 : tensor.shape.back();
}

std::uint64_t elements_of(const PlannedTensor& tensor) {
  return element_count(tensor.shape).value_or(0);
}

// 0: not quantized.
std::uint64_t row_block(const CompareSide& side, const PlannedTensor& tensor) {
  std::uint64_t block = 0;
  side.each_linear(tensor, [&](const QuantizedLinear&, const Segment& segment) {
    block = std::max<std::uint64_t>(block, segment.row_block);
  });
  return block;
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
std::uint64_t rows_of_slab(const CompareSide& side, const PlannedTensor& tensor,
                           std::uint64_t resident, std::uint64_t rows, std::uint64_t grain) {
  const std::uint64_t packed = strided_bytes(side, tensor);
  if (packed <= resident) return rows;
  const std::uint64_t fitting = resident / std::max<std::uint64_t>(1, divide_up(packed, rows));
  return std::max(grain, round_down(fitting, grain));
}

// Of a tensor of the plan, which is float32: bytes [from, from + count * 4).
constexpr std::uint64_t kFloat = sizeof(float);

}  // namespace

std::uint64_t strided_bytes(const CompareSide& side, const PlannedTensor& tensor) {
  std::uint64_t bytes = 0;
  side.each_linear(tensor, [&](const QuantizedLinear& linear, const Segment&) {
    if (linear.layout->columns_strided) bytes += packed_bytes(linear);
  });
  return bytes;
}

std::uint64_t scratch_of(const CompareSide& side, const PlannedTensor& tensor) {
  std::uint64_t bytes = 0;
  side.each_linear(tensor, [&](const QuantizedLinear& linear, const Segment& segment) {
    if (segment.divisor != 0) bytes = std::max(bytes, scratch_bytes(linear));
  });
  return bytes;
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
  const bool packed = a_.is_quantized(*pair.a) || b_.is_quantized(*pair.b);
  // Where a side is packed, slabs of rows; else all at once.
  const std::uint64_t rows = packed ? elements / columns : 1;
  const std::uint64_t grain = packed ? std::max<std::uint64_t>(1, part / columns) : 1;
  const std::uint64_t slab = std::min(rows_of_slab(a_, *pair.a, tools_.resident, rows, grain),
                                      rows_of_slab(b_, *pair.b, tools_.resident, rows, grain));
  const std::uint64_t row_elements = packed ? columns : elements;
  TensorReader::Hold held_a(tools_.reader_a);
  TensorReader::Hold held_b(tools_.reader_b);
  std::vector<DifferenceSums> parts(divide_up(elements, part));
  std::mutex mutex;  // of the histogram, whose counts do not depend on the order
  for (std::uint64_t first = 0; first < rows; first += slab) {
    const std::uint64_t last = std::min(first + slab, rows);
    const std::uint64_t begin = first * row_elements;
    const std::uint64_t end = last * row_elements;
    const std::uint64_t bytes = (end - begin) * kFloat;
    THAW_RETURN_IF_ERROR(held_a.keep(*pair.a, begin * kFloat, bytes, tools_.resident));
    THAW_RETURN_IF_ERROR(held_b.keep(*pair.b, begin * kFloat, bytes, tools_.resident));
    const auto measure_part = [&](unsigned worker, std::uint64_t index) -> Status {
      const std::uint64_t from = begin + index * part;
      const std::uint64_t count = std::min(part, end - from);
      Histogram histogram{};
      THAW_RETURN_IF_ERROR(difference_of({pair, held_a, held_b, from, count},
                                         tools_.buffers[worker], parts[from / part], histogram));
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

Status PairComparer::difference_of(const Run& run, CompareBuffers& buffers, DifferenceSums& sums,
                                   Histogram& histogram) const {
  const bool plain = is_plain(*run.pair.a) && is_plain(*run.pair.b);
  const std::uint64_t count = run.count;
  const std::uint64_t bytes = count * (plain ? sizeof(float) : sizeof(double));
  THAW_RETURN_IF_ERROR(reserve(buffers.a, bytes));
  THAW_RETURN_IF_ERROR(reserve(buffers.b, bytes));
  const auto read = [&](const TensorReader& reader, const TensorReader::Hold& held,
                        const PlannedTensor& tensor, const AlignedMemory& to) -> Status {
    const std::uint64_t element = dtype_bits(tensor.dtype) / 8;
    std::byte* at = to.data();
    if (!is_plain(tensor)) {
      THAW_RETURN_IF_ERROR(reserve(buffers.numbers, count * element));
      at = buffers.numbers.data();
    }
    THAW_RETURN_IF_ERROR(
        reader.read(tensor, run.from * element, count * element, &held, buffers.space, at)
            .take_status());
    if (!is_plain(tensor)) {
      numbers_of(at, tensor.dtype, count, doubles_in(to));
    } else if (!plain) {
      widen(at, count);
    }
    return {};
  };
  THAW_RETURN_IF_ERROR(read(tools_.reader_a, run.held_a, *run.pair.a, buffers.a));
  THAW_RETURN_IF_ERROR(read(tools_.reader_b, run.held_b, *run.pair.b, buffers.b));
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
  constexpr std::uint64_t kStep = 4u << 20;
  CompareBuffers& buffers = tools_.buffers.front();
  const std::uint64_t most = std::min(kStep, pair.a->size);
  if (equal) {
    THAW_RETURN_IF_ERROR(reserve(buffers.a, most));
    THAW_RETURN_IF_ERROR(reserve(buffers.b, most));
  }
  for (std::uint64_t at = 0; equal && at < pair.a->size; at += kStep) {
    const std::uint64_t size = std::min(kStep, pair.a->size - at);
    THAW_RETURN_IF_ERROR(
        tools_.reader_a.read(*pair.a, at, size, nullptr, buffers.space, buffers.a.data())
            .take_status());
    THAW_RETURN_IF_ERROR(
        tools_.reader_b.read(*pair.b, at, size, nullptr, buffers.space, buffers.b.data())
            .take_status());
    equal = std::memcmp(buffers.a.data(), buffers.b.data(), size) == 0;
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
  const auto read = [&](const TensorReader& reader, const PlannedTensor& tensor,
                        AlignedMemory& buffer, std::vector<float>& to) -> Status {
    const std::uint64_t columns = columns_of(tensor);
    if (!is_plain(tensor) || tensor.shape.size() < 2 || elements_of(tensor) == 0) return {};
    const std::uint64_t rows = std::min(kSampleRows, elements_of(tensor) / columns);
    if (columns > kMostSample / kSampleRows) return {};
    THAW_RETURN_IF_ERROR(reserve(buffer, rows * columns * kFloat));
    TensorReader::Hold held(reader);
    THAW_RETURN_IF_ERROR(held.keep(tensor, 0, rows * columns * kFloat, tools_.resident));
    THAW_RETURN_IF_ERROR(reader
                             .read(tensor, 0, rows * columns * kFloat, &held,
                                   tools_.buffers.front().space, buffer.data())
                             .take_status());
    to.assign(floats_in(buffer), floats_in(buffer) + rows * columns);
    const bool finite =
        std::all_of(to.begin(), to.end(), [](float value) { return std::isfinite(value); });
    if (!finite) to.clear();
    return {};
  };
  THAW_RETURN_IF_ERROR(read(tools_.reader_a, *pair.a, tools_.buffers.front().a, a));
  THAW_RETURN_IF_ERROR(read(tools_.reader_b, *pair.b, tools_.buffers.front().b, b));
  if (a.empty() || b.empty()) {
    a.clear();
    b.clear();
  }
  return {};
}

Status PairComparer::read_all(const CompareSide& side, const PlannedTensor& tensor,
                              const TensorReader& reader, std::uint64_t most,
                              std::vector<double>& out) {
  out.clear();
  const std::uint64_t count = elements_of(tensor);
  if (count == 0 || count > most || !is_plain(tensor) || side.is_quantized(tensor)) return {};
  std::vector<float> values(count);
  ReadSpace space;
  THAW_RETURN_IF_ERROR(reader
                           .read(tensor, 0, count * kFloat, nullptr, space,
                                 reinterpret_cast<std::byte*>(values.data()))
                           .take_status());
  out.assign(values.begin(), values.end());
  return {};
}

}  // namespace thaw
