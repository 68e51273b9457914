#include "verify/certify_linear.h"

#include <algorithm>
#include <array>
#include <mutex>
#include <vector>

#include "base/bytes.h"
#include "execute/held_input.h"
#include "quant/code_reader.h"

namespace thaw {

namespace {

constexpr std::uint64_t kColumns = 1024;        // whose codes are read together
constexpr std::uint64_t kUnitBytes = 4u << 20;  // of the weight, at least, but for its end

struct Counts {
  std::uint64_t recovered = 0;
  std::uint64_t ambiguous = 0;
  std::uint64_t wrong = 0;
  std::uint64_t row = 0;
  std::uint64_t column = 0;

  void add_wrong(std::uint64_t n, std::uint64_t k) {
    if (wrong++ == 0 || n < row || (n == row && k < column)) {
      row = n;
      column = k;
    }
  }
};

class Linear {
 public:
  Linear(const CertifyTask& task)
      : task_(task),
        linear_(*task.plan.linears[task.segment.source]),
        reader_(task.plan.inputs, linear_),
        half_(1 << (linear_.layout->id == LayoutId::scaled ? linear_.bits - 1 : linear_.bits)),
        output_{.type = task.segment.to,
                .via_float16 = task.plan.via_float16 && task.segment.to == Dtype::bf16},
        element_(dtype_bits(task.segment.to) / 8) {
    if (task.segment.divisor == 0) return;
    const Tensor& scales = *task.plan.divisors[task.segment.divisor - 1].scales;
    divisors_ = task.plan.inputs[scales.shard]->bytes().data() + scales.begin;
    divisor_type_ = scales.dtype;
  }

  [[nodiscard]] const QuantizedLinear& packed() const { return linear_; }

  // Rows a part of the work; a multiple of the layout's row block.
  [[nodiscard]] std::uint64_t unit_rows() const {
    const std::uint64_t row = std::max<std::uint64_t>(1, linear_.in_features * element_);
    const std::uint64_t block = linear_.layout->row_block;
    return round_up(std::max(linear_.layout->row_step, kUnitBytes / row), block);
  }

  // Rows [first, last) of the linear, columns [begin, end).
  void check(std::uint64_t first, std::uint64_t last, std::uint64_t begin, std::uint64_t end,
             Counts& counts) const {
    std::vector<std::uint8_t> codes;
    for (std::uint64_t at = begin; at < end; at += kColumns) {
      const std::uint64_t stop = std::min(at + kColumns, end);
      codes.resize((last - first) * (stop - at));
      reader_.read_codes(first, last, at, stop, codes.data());
      const std::uint8_t* row = codes.data();
      for (std::uint64_t n = first; n < last; ++n, row += stop - at) {
        check_row(n, at, stop, row, counts);
      }
    }
  }

 private:
  void check_row(std::uint64_t n, std::uint64_t begin, std::uint64_t end, const std::uint8_t* codes,
                 Counts& counts) const {
    // A table pays where many weights share a step.
    const bool tables = linear_.bits == 4 && divisors_ == nullptr;
    for (std::uint64_t k = begin; k < end;) {
      const std::uint64_t stop = std::min(reader_.step_end(k), end);
      const CodeStep step = reader_.step(n, k);
      if (tables && stop - k >= 16) {
        check_run(step, n, k, stop, codes + (k - begin), counts);
      } else {
        for (std::uint64_t i = k; i < stop; ++i) check_one(step, n, i, codes[i - begin], counts);
      }
      k = stop;
    }
  }

  void check_run(const CodeStep& step, std::uint64_t n, std::uint64_t begin, std::uint64_t end,
                 const std::uint8_t* codes, Counts& counts) const {
    std::array<std::uint32_t, 16> bits{};
    std::array<bool, 16> unique{};
    for (std::int32_t q = 0; q < 16; ++q) bits[q] = value_bits(step, q, 0, output_);
    const bool usable = is_usable(step);
    for (std::size_t q = 0; q < 16; ++q) {
      const auto code = static_cast<std::int32_t>(q);
      unique[q] = usable && (is_first(code) || bits[q - 1] != bits[q]) &&
                  (is_last(code) || bits[q + 1] != bits[q]);
    }
    const std::byte* values = value_at(n, begin);
    std::uint64_t recovered = 0;
    std::uint64_t ambiguous = 0;
    for (std::uint64_t i = 0; i < end - begin; ++i) {
      const std::size_t q = codes[i] & 15u;
      if (load_bits(values + i * task_.place.column_stride) != bits[q]) {
        counts.add_wrong(n, begin + i);
      } else {
        ++(unique[q] ? recovered : ambiguous);
      }
    }
    counts.recovered += recovered;
    counts.ambiguous += ambiguous;
  }

  void check_one(const CodeStep& step, std::uint64_t n, std::uint64_t k, std::int32_t code,
                 Counts& counts) const {
    const double divisor = divisors_ == nullptr ? 0 : divisor_at(k);
    const auto bits_of = [&](std::int32_t q) { return value_bits(step, q, divisor, output_); };
    const std::uint32_t want = bits_of(code);
    if (load_bits(value_at(n, k)) != want) {
      counts.add_wrong(n, k);
    } else if (is_usable(step) && (is_first(code) || bits_of(code - 1) != want) &&
               (is_last(code) || bits_of(code + 1) != want)) {
      ++counts.recovered;
    } else {
      ++counts.ambiguous;
    }
  }

  // Values do not fall where codes rise (or the other way about), so a code that shares its value
  // shares it with a neighbour. Of scales that are no numbers nothing is claimed.
  static bool is_usable(const CodeStep& step) {
    return step.scale != 0 && step.scale - step.scale == 0 &&
           step.scaled_zero - step.scaled_zero == 0 && step.divisor != 0 &&
           step.divisor - step.divisor == 0;
  }

  // Of the codes between which values neither rise nor fall back. Elements have a sign: each half
  // of their codes is in order, and what is of one sign has not the bits of the other.
  [[nodiscard]] bool is_first(std::int32_t code) const { return code % half_ == 0; }
  [[nodiscard]] bool is_last(std::int32_t code) const { return (code + 1) % half_ == 0; }

  [[nodiscard]] const std::byte* value_at(std::uint64_t n, std::uint64_t k) const {
    return task_.weight_file.bytes().data() + task_.place.begin +
           (n - task_.segment.begin) * task_.place.row_stride + k * task_.place.column_stride;
  }
  [[nodiscard]] std::uint32_t load_bits(const std::byte* at) const {
    return element_ == 2 ? load_little_endian<std::uint16_t>(at)
                         : load_little_endian<std::uint32_t>(at);
  }
  [[nodiscard]] double divisor_at(std::uint64_t k) const {
    const std::uint32_t bits = divisor_type_ == Dtype::f32
                                   ? load_little_endian<std::uint32_t>(divisors_ + k * 4)
                                   : load_little_endian<std::uint16_t>(divisors_ + k * 2);
    return float_of_bits(bits, divisor_type_);
  }

  const CertifyTask& task_;
  const QuantizedLinear& linear_;
  CodeReader reader_;
  std::int32_t half_;
  OutputValue output_;
  std::uint64_t element_;
  const std::byte* divisors_ = nullptr;
  Dtype divisor_type_ = Dtype::f16;
};

// The columns of one pass; a multiple of 64, which is a whole number of lines in every layout.
std::uint64_t columns_of_pass(const QuantizedLinear& linear, std::uint64_t resident_bytes) {
  const std::uint64_t all = linear.in_features;
  if (!linear.layout->columns_strided) return all;
  const std::uint64_t column = std::max<std::uint64_t>(1, divide_up(linear.codes().size(), all));
  return std::min(all, std::max<std::uint64_t>(64, round_down(resident_bytes / column, 64)));
}

// What stays in memory during a pass: of layouts whose lines are columns, those of the pass, and
// all scales and zeros.
std::vector<InputRange> resident_ranges(const Linear& linear, const Segment& segment,
                                        const Plan& plan, std::uint64_t begin, std::uint64_t end) {
  std::vector<InputRange> ranges = {divisor_range(plan, segment)};
  const QuantizedLinear& packed = linear.packed();
  if (!packed.layout->columns_strided) return ranges;
  const std::uint64_t inputs = packed.in_features;
  for (const PackedOperand& operand : packed.operands) {
    if (operand.tensor == nullptr) continue;
    const Tensor& tensor = *operand.tensor;
    if (&tensor != &packed.codes()) {
      ranges.push_back({tensor.shard, tensor.begin, tensor.size()});
      continue;
    }
    const std::uint64_t first = begin * operand.lines / inputs;
    const std::uint64_t last = end == inputs ? operand.lines : end * operand.lines / inputs;
    ranges.push_back(
        {tensor.shard, tensor.begin + first * operand.pitch, (last - first) * operand.pitch});
  }
  return ranges;
}

}  // namespace

Status certify_linear(const CertifyTask& task, InputCache& cache, Parallel& parallel,
                      LinearCertificate& result) {
  const Linear linear(task);
  const QuantizedLinear& packed = linear.packed();
  const std::uint64_t rows = task.segment.size / task.segment.row_bytes;
  const std::uint64_t step = linear.unit_rows();
  // Transposed, a column is a row of the output: some of them stay in memory during a pass.
  const bool transposed = task.place.column_stride > task.place.row_stride;
  std::uint64_t columns = columns_of_pass(packed, task.resident_bytes / (transposed ? 2 : 1));
  if (transposed) {
    const std::uint64_t fitting = task.resident_bytes / 2 / task.place.column_stride;
    columns = std::min(columns, std::max<std::uint64_t>(64, round_down(fitting, 64)));
  }
  std::mutex mutex;
  Counts all;
  for (std::uint64_t begin = 0; begin < packed.in_features; begin += columns) {
    const std::uint64_t end = std::min(begin + columns, packed.in_features);
    HeldInput held(cache);
    THAW_RETURN_IF_ERROR(held.add(resident_ranges(linear, task.segment, task.plan, begin, end)));
    if (transposed) {
      const std::uint64_t offset = task.place.begin + begin * task.place.column_stride;
      const std::uint64_t size =
          std::min((end - begin) * task.place.column_stride, task.weight_file.size() - offset);
      THAW_RETURN_IF_ERROR(held.add(InputRange{task.weight_input, offset, size}));
    }
    const auto part = [&](unsigned, std::uint64_t index) -> Status {
      const std::uint64_t first = index * step;
      const std::uint64_t last = std::min(first + step, rows);
      HeldInput of_unit(cache);
      const std::uint64_t row_bytes = task.segment.row_bytes;
      if (!transposed) {
        const std::uint64_t row = task.place.row_stride;
        THAW_RETURN_IF_ERROR(
            of_unit.add(InputRange{task.weight_input, task.place.begin + first * row,
                                   (last - first - 1) * row + row_bytes}));
      }
      if (!packed.layout->columns_strided) {
        const Segment piece = cut(task.segment, first * row_bytes, (last - first) * row_bytes);
        THAW_RETURN_IF_ERROR(of_unit.add(input_ranges(task.plan, piece)));
      }
      Counts counts;
      const std::uint64_t offset = task.segment.begin;
      linear.check(offset + first, offset + last, begin, end, counts);
      if (task.weight_file.damaged()) return task.weight_file.check_unchanged();
      for (const InputRange& range : input_ranges(task.plan, task.segment)) {
        const MappedFile& file = *task.plan.inputs[range.input];
        if (range.size != 0 && file.damaged()) return file.check_unchanged();
      }
      const std::lock_guard lock(mutex);
      if (counts.wrong != 0) {
        all.add_wrong(counts.row, counts.column);
        all.wrong += counts.wrong - 1;
      }
      all.recovered += counts.recovered;
      all.ambiguous += counts.ambiguous;
      return {};
    };
    THAW_RETURN_IF_ERROR(parallel.run(divide_up(rows, step), part));
  }
  result.recovered = all.recovered;
  result.ambiguous = all.ambiguous;
  result.wrong = all.wrong;
  result.row = all.row;
  result.column = all.column;
  return {};
}

}  // namespace thaw
