#include "verify/infer.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "base/bytes.h"
#include "base/text.h"
#include "plan/tiles.h"
#include "quant/code_reader.h"
#include "verify/infer_shards.h"
#include "verify/round_once.h"

namespace thaw {

namespace {

constexpr std::size_t kSampledLinears = 16;
constexpr std::uint64_t kSampledRows = 8;  // one word of GEMM holds as many
constexpr std::uint64_t kSampledColumns = 512;

// The float type with the most bytes.
std::optional<Dtype> main_dtype(const Checkpoint& out) {
  std::map<Dtype, std::uint64_t> bytes;
  for (const Tensor& tensor : out.tensors()) {
    if (is_output_dtype(tensor.dtype)) bytes[tensor.dtype] += tensor.size();
  }
  const auto most = std::max_element(
      bytes.begin(), bytes.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
  return most == bytes.end() ? std::nullopt : std::optional(most->first);
}

// The type that most of the linears' weights have in the output.
std::optional<Dtype> weight_dtype(const Plan& plan, const Checkpoint& out) {
  std::map<Dtype, std::uint64_t> votes;
  for (const PlannedFile& file : plan.files) {
    for (const Segment& segment : file.segments) {
      each_tile(plan, segment, [&](const Segment&, const TilePlace&) {
        const Tensor* tensor = out.find(plan.name_of(segment));
        if (tensor != nullptr && is_output_dtype(tensor->dtype)) ++votes[tensor->dtype];
      });
    }
  }
  const auto most = std::max_element(
      votes.begin(), votes.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
  return most == votes.end() ? std::nullopt : std::optional(most->first);
}

std::set<std::string> shard_names(const Plan& plan) {
  std::set<std::string> names;
  for (const PlannedFile& file : plan.files) {
    if (file.tensors != 0) names.insert(file.name);
  }
  return names;
}

std::set<std::string> shard_names(const Checkpoint& out) {
  std::set<std::string> names;
  for (const Shard& shard : out.shards()) names.insert(shard.name);
  return names;
}

// True where the plan puts every weight of a linear where the output has it.
bool places_agree(const Plan& plan, const Checkpoint& out) {
  if (shard_names(plan) != shard_names(out)) return false;
  for (const PlannedFile& file : plan.files) {
    if (file.tensors == 0) continue;
    const auto shard =
        std::find_if(out.shards().begin(), out.shards().end(),
                     [&](const Shard& candidate) { return candidate.name == file.name; });
    if (shard->file.size() != file.size) return false;
  }
  return true;
}

double float_at(const std::byte* data, std::uint64_t index, Dtype type) {
  const auto bits = type == Dtype::f32
                        ? load_little_endian<std::uint32_t>(data + index * 4)
                        : std::uint32_t{load_little_endian<std::uint16_t>(data + index * 2)};
  return float_of_bits(bits, type);
}

// How many elements of a sample of a tile are as one rounding gives them and not as two, less those
// that are the other way about. `file` is the shard that holds it.
std::int64_t vote_of(const Plan& plan, const Segment& tile, const TilePlace& place,
                     const std::byte* file) {
  const QuantizedLinear& linear = *plan.linears[tile.source];
  const CodeReader reader(plan.inputs, linear);
  const std::uint64_t columns = std::min(kSampledColumns, linear.in_features);
  const std::uint64_t rows = std::min(kSampledRows, tile.size / tile.row_bytes);
  std::vector<std::uint8_t> codes(rows * columns);
  reader.read_codes(tile.begin, tile.begin + rows, 0, columns, codes.data());
  std::int64_t votes = 0;
  for (std::uint64_t i = 0; i < rows * columns; ++i) {
    const std::uint64_t n = i / columns;
    const std::uint64_t k = i % columns;
    const CodeStep step = reader.step(tile.begin + n, k);
    double divisor = 0;
    if (tile.divisor != 0) {
      const Tensor& scales = *plan.divisors[tile.divisor - 1].scales;
      divisor = float_at(plan.inputs[scales.shard]->bytes().data() + scales.begin, k, scales.dtype);
    }
    const std::uint32_t once = value_bits(step, codes[i], divisor, {Dtype::bf16, false});
    const std::uint32_t twice = value_bits(step, codes[i], divisor, {Dtype::bf16, true});
    const std::uint32_t found = load_little_endian<std::uint16_t>(
        file + place.begin + n * place.row_stride + k * place.column_stride);
    if (once != twice) votes += (found == once ? 1 : 0) - (found == twice ? 1 : 0);
  }
  return votes;
}

// Of some of the weights that are where the plan has them.
std::int64_t vote_for_exact(const Plan& plan, const Checkpoint& out) {
  std::int64_t votes = 0;
  std::size_t sampled = 0;
  for (const PlannedFile& file : plan.files) {
    for (const Segment& segment : file.segments) {
      if (segment.tensor == Segment::kNoTensor || segment.to != Dtype::bf16) continue;
      const PlannedTensor& planned = plan.tensors[segment.tensor];
      const Tensor* tensor = out.find(planned.name);
      if (tensor == nullptr || tensor->dtype != Dtype::bf16 || tensor->size() != planned.size) {
        continue;
      }
      each_tile(plan, segment, [&](const Segment& tile, TilePlace place) {
        if (sampled == kSampledLinears) return;
        place.begin = place.begin - planned.offset + tensor->begin;
        votes += vote_of(plan, tile, place, out.shards()[tensor->shard].file.bytes().data());
        ++sampled;
      });
      if (sampled == kSampledLinears) return votes;
    }
  }
  return votes;
}

class Inference {
 public:
  Inference(const VerifyOptions& options, FileSystem& file_system)
      : options_(options), file_system_(file_system), conversion_(options.conversion) {
    conversion_.out.clear();
    conversion_.allow_overflow = true;  // it is not the overflow that is looked for
  }

  Result<Inferred> run() {
    Result<Checkpoint> opened = open_checkpoint(file_system_, options_.out);
    if (opened.ok()) out_ = &opened.value();
    if (Status status = prepare_first(); !status.ok()) return status;
    if (out_ != nullptr) {
      THAW_RETURN_IF_ERROR(infer_dtype());
      THAW_RETURN_IF_ERROR(infer_shard_size());
      THAW_RETURN_IF_ERROR(infer_rounding());
    }
    return Inferred{std::move(prepared_), std::move(notes_)};
  }

 private:
  Status prepare_again() {
    prepared_.reset();  // two at once would need twice the memory
    THAW_ASSIGN_OR_RETURN(prepared_, prepare(conversion_, file_system_));
    return {};
  }

  Status prepare_first() {
    Result<std::unique_ptr<Prepared>> first = prepare(conversion_, file_system_);
    if (first.ok()) {
      prepared_ = std::move(first).value();
      return {};
    }
    // A config that names no type: the output has one.
    const bool may_infer = first.error().code == ErrorCode::usage && !conversion_.dtype &&
                           conversion_.base.empty() && out_ != nullptr;
    const std::optional<Dtype> dtype = may_infer ? main_dtype(*out_) : std::nullopt;
    if (!dtype) return std::move(first).take_status();
    conversion_.dtype = dtype;
    return prepare_again();
  }

  Status infer_dtype() {
    if (options_.conversion.dtype || !conversion_.base.empty()) return {};
    const std::optional<Dtype> found = weight_dtype(prepared_->plan, *out_);
    if (found && *found != prepared_->plan.dtype) {
      conversion_.dtype = found;
      THAW_RETURN_IF_ERROR(prepare_again());
    }
    notes_.push_back(
        "dtype " + std::string(torch_dtype_name(prepared_->plan.dtype)) +
        (conversion_.dtype ? ", as the tensors have it" : ", by " + prepared_->type.reason));
    return {};
  }

  Status infer_shard_size() {
    if (!options_.infer_shard_size || places_agree(prepared_->plan, *out_)) return {};
    const std::optional<std::uint64_t> size = shard_size_of(*out_);
    if (!size) return {};
    const std::optional<std::uint64_t> before = conversion_.max_shard_size;
    conversion_.max_shard_size = *size;
    THAW_RETURN_IF_ERROR(prepare_again());
    if (shard_names(prepared_->plan) == shard_names(*out_)) {
      notes_.push_back("max-shard-size " + std::to_string(*size) + ", as the tensors are divided");
      return {};
    }
    conversion_.max_shard_size = before;
    return prepare_again();
  }

  Status infer_rounding() {
    const bool bfloat16 = prepared_->plan.dtype == Dtype::bf16 || !conversion_.base.empty();
    if (!options_.infer_rounding || !bfloat16) return {};
    const std::int64_t votes = vote_for_exact(prepared_->plan, *out_);
    if (votes < 0) {
      conversion_.rounding = Rounding::via_float16;
      THAW_RETURN_IF_ERROR(prepare_again());
    }
    notes_.push_back(votes < 0   ? "rounding via-float16, by a sample"
                     : votes > 0 ? "rounding exact, by a sample"
                                 : "rounding exact, which a sample did not contradict");
    return {};
  }

  const VerifyOptions& options_;
  FileSystem& file_system_;
  ConvertOptions conversion_;
  const Checkpoint* out_ = nullptr;
  std::unique_ptr<Prepared> prepared_;
  std::vector<std::string> notes_;
};

}  // namespace

Result<Inferred> prepare_as_written(const VerifyOptions& options, FileSystem& file_system) {
  return Inference(options, file_system).run();
}

}  // namespace thaw
