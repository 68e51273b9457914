#include "compare/compare.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <utility>

#include "base/bytes.h"
#include "base/text.h"
#include "compare/compare_match.h"
#include "compare/compare_side.h"
#include "compare/compare_tensor.h"
#include "compare/compare_verdict.h"
#include "compare/layer_name.h"
#include "execute/parallel.h"
#include "io/process.h"
#include "model/spec.h"
#include "plan/memory.h"

namespace thaw {

namespace {

constexpr std::uint64_t kMiB = 1u << 20;
// specs/memory.md: base, idle input and what the kernel reads ahead, of two checkpoints.
constexpr std::uint64_t kFixed = 14 * kMiB + 2 * 12 * kMiB;
constexpr std::uint64_t kIdle = 8 * kMiB;
constexpr std::uint64_t kPerTensor = 1200;
constexpr std::uint64_t kSamples = 40 * kMiB;   // of faults: rows of both sides, and the fit
constexpr std::uint64_t kPerWorker = 9 * kMiB;  // chunks of input that are looked at, stack
constexpr std::uint64_t kLeastResident = 8 * kMiB;
constexpr std::uint64_t kMostNorm = 1u << 20;  // elements

struct Division {
  unsigned workers = 1;
  std::uint64_t resident = 0;  // of one side
};

// How the budget is divided: as many workers as fit, then the packed bytes of a linear.
Result<Division> divide_memory(const CompareSide& a, const CompareSide& b,
                               const MatchedTensors& matched, std::uint64_t budget,
                               unsigned threads) {
  std::uint64_t buffers = 0;
  std::uint64_t packed = 0;
  for (const TensorPair& pair : matched.pairs) {
    const bool wide = !is_plain(*pair.a) || !is_plain(*pair.b);
    const std::uint64_t bytes = elements_of_part(a, b, pair) * (wide ? 8 : 4);
    buffers = std::max(
        buffers, (wide ? 3 : 2) * round_up(bytes, 2 * kMiB) +
                     round_up(std::max(scratch_of(a, *pair.a), scratch_of(b, *pair.b)), 2 * kMiB));
    packed = std::max({packed, strided_bytes(a, *pair.a), strided_bytes(b, *pair.b)});
  }
  const std::uint64_t tensors = a.plan.tensors.size() + b.plan.tensors.size();
  const std::uint64_t fixed = kFixed + kSamples + tensors * kPerTensor;
  const auto need = [&](unsigned workers, std::uint64_t resident) {
    return fixed + workers * (buffers + kPerWorker) + 2 * resident;
  };
  const std::uint64_t least = std::min(packed, kLeastResident);
  for (const std::uint64_t resident : {packed, least}) {
    for (unsigned workers = threads; workers >= 1; workers /= 2) {
      if (need(workers, resident) > budget) continue;
      const std::uint64_t rest = (budget - need(workers, resident)) / 2;
      return Division{workers, std::min(packed, resident + rest)};
    }
  }
  const std::uint64_t megabytes = divide_up(need(1, least), 1'000'000);
  return fail(ErrorCode::no_space, {},
              "the memory budget is too small for this comparison: got " + bytes_text(budget) +
                  ", expected at least " + std::to_string(megabytes) + " MB",
              "Try --memory " + std::to_string(megabytes) + "MB.");
}

Result<const kernels::Table*> table_for(const std::string& isa) {
  if (isa.empty()) return kernels::available_tables().tables[0];
  bool runs_here = false;
  const kernels::Table* table = kernels::find_table(isa.c_str(), &runs_here);
  if (table != nullptr && runs_here) return table;
  return fail(ErrorCode::usage, {}, "this processor lacks the instruction set, or it is unknown",
              printable(isa), "another");
}

bool is_worse(const TensorComparison& x, const TensorComparison& y) {
  if ((x.figures.nonfinite_differ != 0) != (y.figures.nonfinite_differ != 0)) {
    return x.figures.nonfinite_differ != 0;
  }
  if (x.figures.relative != y.figures.relative) return x.figures.relative > y.figures.relative;
  return natural_less(x.name, y.name);
}

}  // namespace

Result<CompareReport> compare(const CompareOptions& options, Observer& observer, StopFlag& stop,
                              FileSystem& file_system) {
  observer.on_progress({.stage = "reading headers"});
  THAW_ASSIGN_OR_RETURN(const kernels::Table* table, table_for(options.isa));
  std::vector<ModelSpec> specs;
  if (!options.model_specs.empty()) {
    THAW_ASSIGN_OR_RETURN(specs, load_model_specs(file_system, options.model_specs));
  }
  CompareReport report;
  report.a = options.a;
  report.b = options.b;
  THAW_ASSIGN_OR_RETURN(const std::unique_ptr<CompareSide> a,
                        open_side(options.a, specs, file_system, report.warnings));
  THAW_ASSIGN_OR_RETURN(const std::unique_ptr<CompareSide> b,
                        open_side(options.b, specs, file_system, report.warnings));
  const ModelSpec* spec = a->spec != nullptr ? a->spec : b->spec;
  if (spec != nullptr) report.spec = spec->name;
  // From here on every tensor of both has one source.

  MatchedTensors matched = match_tensors(*a, *b);
  report.only_a = std::move(matched.only_a);
  report.only_b = std::move(matched.only_b);
  const unsigned threads = options.threads != 0 ? options.threads : processor_count();
  THAW_ASSIGN_OR_RETURN(const Division division,
                        divide_memory(*a, *b, matched, options.memory, threads));
  // From here on it is known what is compared with what, and in what memory.

  Progress progress{.stage = "comparing"};
  for (const TensorPair& pair : matched.pairs) progress.bytes_total += pair.a->size;
  progress.tensors_total = matched.pairs.size();
  Parallel parallel(division.workers, stop, [&] { observer.on_progress(progress); });
  InputCache cache_a(a->plan.inputs, kIdle);
  InputCache cache_b(b->plan.inputs, kIdle);
  std::vector<CompareBuffers> buffers(division.workers);
  const TensorReader reader_a(a->plan, *table, cache_a);
  const TensorReader reader_b(b->plan, *table, cache_b);
  PairComparer comparer(*a, *b,
                        {.parallel = parallel,
                         .reader_a = reader_a,
                         .reader_b = reader_b,
                         .buffers = buffers,
                         .resident = division.resident});
  const auto norm_values = [&](const CompareSide& side, const TensorReader& reader,
                               const std::string& name) -> Result<std::vector<double>> {
    std::vector<double> values;
    const ModelSpec* other = &side == a.get() ? b->spec : a->spec;
    if (const PlannedTensor* tensor = find_spelled(side, other, name)) {
      THAW_RETURN_IF_ERROR(PairComparer::read_all(side, *tensor, reader, kMostNorm, values));
    }
    return values;
  };

  DifferenceSums total;
  std::vector<float> sample_a;
  std::vector<float> sample_b;
  for (const TensorPair& pair : matched.pairs) {
    TensorComparison result;
    result.name = pair.a->name;
    if (pair.b->name != pair.a->name) result.name_b = pair.b->name;
    result.module = result.name.substr(0, result.name.rfind('.'));
    result.layer = split_layer(result.name).layer;
    result.type_a = type_text(*a, *pair.a);
    result.type_b = type_text(*b, *pair.b);
    result.shape.assign(pair.a->shape.begin(), pair.a->shape.end());
    THAW_RETURN_IF_ERROR(comparer.measure(pair, result, total));
    if (result.figures.relative > 0 && pair.a->shape.size() >= 2) {
      THAW_RETURN_IF_ERROR(comparer.sample(pair, sample_a, sample_b));
      if (!sample_a.empty()) {
        FaultNorm norm;
        const AbsorbedBy by = absorber_of(spec, result.name);
        if (!by.norm.empty()) {
          THAW_ASSIGN_OR_RETURN(norm.a, norm_values(*a, reader_a, by.norm));
          THAW_ASSIGN_OR_RETURN(norm.b, norm_values(*b, reader_b, by.norm));
          for (std::vector<double>* values : {&norm.a, &norm.b}) {
            for (double& value : *values) value += by.offset;
          }
        }
        const std::uint64_t columns = result.shape.back();
        result.fault = find_fault(
            {.rows = sample_a.size() / columns, .columns = columns, .a = sample_a, .b = sample_b},
            norm);
      }
    }
    report.tensors.push_back(std::move(result));
    progress.bytes_done += pair.a->size;
    ++progress.tensors_done;
  }
  observer.on_progress(progress);  // all of it: a small comparison ends between two ticks
  for (const TensorPair& pair : matched.of_different_shapes) {
    ShapeDifference difference{.name = std::string(pair.a->name),
                               .shape_a = {pair.a->shape.begin(), pair.a->shape.end()},
                               .shape_b = {pair.b->shape.begin(), pair.b->shape.end()}};
    if (difference.shape_a.size() == 2 && difference.shape_b.size() == 2 &&
        difference.shape_a[0] == difference.shape_b[1] &&
        difference.shape_a[1] == difference.shape_b[0]) {
      THAW_RETURN_IF_ERROR(comparer.sample(pair, sample_a, sample_b));
      if (is_transposed(sample_a, difference.shape_a[1], sample_b, difference.shape_b[1])) {
        difference.fault = Fault::transposed;
      }
    }
    report.shapes.push_back(std::move(difference));
  }
  find_left_norms(spec, report.tensors);
  report.total = total.figures();
  std::sort(report.tensors.begin(), report.tensors.end(), is_worse);
  add_verdicts(report);
  cache_a.drop_idle();
  cache_b.drop_idle();
  ErrorList changed;
  for (const CompareSide* side : {a.get(), b.get()}) {
    for (const MappedFile* input : side->plan.inputs) changed.add(input->check_unchanged());
  }
  THAW_RETURN_IF_ERROR(changed.take());
  return report;
}

bool exceeds(const CompareReport& report, double limit) {
  return std::any_of(
      report.tensors.begin(), report.tensors.end(), [&](const TensorComparison& tensor) {
        return tensor.figures.nonfinite_differ != 0 || !(tensor.figures.relative <= limit);
      });
}

}  // namespace thaw
