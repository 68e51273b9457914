// AWQ divides what a norm gives by s, channel by channel, and multiplies the columns of the linears
// behind it by s. So s is the base's norm by the quantized checkpoint's, and in that checkpoint
// W[:, k] is s[k] times the base's W[:, k] but for the rounding to four bits. They are compared in
// that form, because that is the form in which the rounding was done: unscaled, the noise of a
// column with a small s would outweigh the others.
#include "prepare/match_check.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <optional>
#include <set>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/text.h"
#include "prepare/sample_rows.h"

namespace thaw {

namespace {

constexpr double kLeastCosine = 0.9;
constexpr std::uint64_t kRows = 64;
constexpr std::uint64_t kMostElements = 2u << 20;
// One channel of so many may have a ratio of norms that is no scale.
constexpr std::uint64_t kChannelsPerFlaw = 16;
// Of a module that is taken alone: how much of its variance factors for its columns may explain.
// Rounding to few bits leaves 1/64 of its noise to them, where 64 rows are looked at.
constexpr double kMostByColumns = 0.02;

std::string fixed(double value) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.3f", value);
  return text.data();
}

// Sums over the sampled elements of two weights.
class Correlation {
 public:
  void add(double quantized, double base) {
    if (!std::isfinite(quantized) || !std::isfinite(base)) return;
    both_ += quantized * base;
    quantized_ += quantized * quantized;
    base_ += base * base;
  }
  // What of the quantized values the best factor on the base explains: for columns of unknown
  // scale.
  void add_column(const Correlation& column) {
    quantized_ += column.quantized_;
    if (column.base_ == 0 || column.both_ <= 0) return;
    both_ += column.both_ * column.both_ / column.base_;
    base_ += column.both_ * column.both_ / column.base_;
  }
  [[nodiscard]] double cosine() const {
    if (quantized_ == 0 && base_ == 0) return 1;
    if (quantized_ == 0 || base_ == 0) return 0;
    return both_ / std::sqrt(quantized_ * base_);
  }

 private:
  double both_ = 0;
  double quantized_ = 0;
  double base_ = 0;
};

class Check {
 public:
  Check(const Overlay& overlay, const ModelSpec& spec, Plan base, Plan quantized,
        const kernels::Table& table)
      : overlay_(overlay),
        spec_(spec),
        base_(std::move(base), table),
        quantized_(std::move(quantized), table) {}

  Result<MatchSummary> run() {
    const std::uint64_t layers = overlay_.base_blocks.count;
    const std::set<std::uint64_t> sampled = {0, layers / 4, layers / 2, layers * 3 / 4, layers - 1};
    for (const std::uint64_t layer : sampled) {
      if (layer < layers) THAW_RETURN_IF_ERROR(sample_layer(layer));
    }
    for (const TakenLinear& taken : overlay_.taken) THAW_RETURN_IF_ERROR(compare_taken(taken));
    if (misfits_ == 0) return std::move(summary_);
    return Status(std::move(misfit_));
  }

 private:
  // A tensor of the base and what the overlay puts in its place.
  struct Pair {
    const PlannedTensor* base = nullptr;
    const PlannedTensor* quantized = nullptr;
  };

  std::optional<Pair> find(std::uint64_t layer, std::string_view module) const {
    std::string name = overlay_.base_blocks.path + "." + std::to_string(layer) + ".";
    for (const char c : module) name += c == '#' ? '0' : c;  // the first expert
    const Tensor* tensor = overlay_.base->find(name.append(".weight"));
    if (tensor == nullptr) return std::nullopt;
    const auto index = static_cast<std::size_t>(tensor - overlay_.base->tensors().data());
    const Pair pair{base_.find(name), quantized_.find(name)};
    if (!overlay_.sources[index].replaced() || pair.base == nullptr || pair.quantized == nullptr) {
      return std::nullopt;
    }
    return pair;
  }

  Status sample_layer(std::uint64_t layer) {
    bool compared = false;
    for (const Absorbs& rule : spec_.absorbs) {
      const std::optional<Pair> norm = find(layer, rule.module);
      if (!norm || norm->base->shape.size() != 1) continue;
      for (const std::string& linear : rule.linears) {
        const std::optional<Pair> weight = find(layer, linear);
        if (!weight || weight->base->shape.size() < 2) continue;
        if (weight->base->shape.back() != norm->base->shape[0]) continue;
        THAW_RETURN_IF_ERROR(compare_behind_norm(layer, *norm, rule.offset, linear, *weight));
        compared = true;
        break;
      }
    }
    if (compared) return {};
    // No norm says what the scales are.
    for (const std::string& linear : spec_.linears) {
      const std::optional<Pair> weight = find(layer, linear);
      if (!weight || weight->base->shape.size() < 2) continue;
      return compare_columns(layer, linear, *weight);
    }
    return {};
  }

  Status compare_behind_norm(std::uint64_t layer, const Pair& norm, double offset,
                             const std::string& module, const Pair& weight) {
    const std::uint64_t channels = norm.base->shape[0];
    THAW_ASSIGN_OR_RETURN(const std::span<const float> base,
                          base_.elements(*norm.base, 0, channels));
    THAW_ASSIGN_OR_RETURN(const std::span<const float> quantized,
                          quantized_.elements(*norm.quantized, 0, channels));
    std::vector<double> scales(channels);  // 0: of no use
    std::uint64_t flaws = 0;
    for (std::uint64_t k = 0; k < channels; ++k) {
      const double above = base[k] + offset;
      const double below = quantized[k] + offset;
      if (above == 0 && below == 0) continue;  // a dead channel
      const double scale = above / below;
      if (std::isfinite(scale) && scale > 0) {
        scales[k] = scale;
      } else {
        ++flaws;
      }
    }
    if (flaws > channels / kChannelsPerFlaw) {
      std::string got = std::to_string(flaws);
      got.append(" of ").append(std::to_string(channels)).append(" channels where the norms of ");
      got.append("base and quantized checkpoint differ by no positive factor");
      note_misfit(in_layer(layer), *norm.base, got, "at most one in 16");
      return {};
    }
    THAW_ASSIGN_OR_RETURN(const Rows rows, read(weight));
    Correlation all;
    for (std::size_t i = 0; i < rows.base.size(); ++i) {
      const double scale = scales[i % channels];
      if (scale != 0) all.add(rows.quantized[i], scale * rows.base[i]);
    }
    judge(in_layer(layer), module, *weight.base, all.cosine());
    return {};
  }

  Status compare_columns(std::uint64_t layer, const std::string& module, const Pair& weight) {
    THAW_ASSIGN_OR_RETURN(const Rows rows, read(weight));
    const std::uint64_t columns = weight.base->shape.back();
    Correlation all;
    for (std::uint64_t k = 0; k < columns; ++k) {
      Correlation column;
      for (std::uint64_t i = k; i < rows.base.size(); i += columns) {
        column.add(rows.quantized[i], rows.base[i]);
      }
      all.add_column(column);
    }
    judge(in_layer(layer), module, *weight.base, all.cosine());
    return {};
  }

  // A head or an embedding that is put into the base alone. Where its columns were scaled, the norm
  // in front of it was divided, and the base's norm is another.
  Status compare_taken(const TakenLinear& taken) {
    const Pair weight{base_.find(taken.base->name), quantized_.find(taken.base->name)};
    if (weight.base == nullptr || weight.quantized == nullptr) return {};
    THAW_ASSIGN_OR_RETURN(const Rows rows, read(weight));
    const std::uint64_t columns = taken.base->shape.back();
    Correlation plain;
    Correlation by_columns;
    for (std::uint64_t k = 0; k < columns; ++k) {
      Correlation column;
      for (std::uint64_t i = k; i < rows.base.size(); i += columns) {
        plain.add(rows.quantized[i], rows.base[i]);
        column.add(rows.quantized[i], rows.base[i]);
      }
      by_columns.add_column(column);
    }
    const std::string module = printable(taken.linear->module);
    judge({}, module, *weight.base, plain.cosine());
    const double fitted = by_columns.cosine();
    if (plain.cosine() < kLeastCosine ||
        fitted * fitted - plain.cosine() * plain.cosine() <= kMostByColumns) {
      return {};
    }
    note_misfit(module + ", columns scaled against the base's, as is the norm in front of it: ",
                *weight.base, "cosine " + fixed(plain.cosine()) + ", with scales " + fixed(fitted),
                "the same without scales");
    return {};
  }

  struct Rows {
    std::span<const float> quantized;
    std::span<const float> base;
  };

  // Some rows from the middle, where no padding is.
  Result<Rows> read(const Pair& weight) {
    const std::uint64_t columns = weight.base->shape.back();
    const std::uint64_t elements = element_count(weight.base->shape).value_or(0);
    const std::uint64_t all = columns == 0 ? 0 : elements / columns;
    const std::uint64_t block = quantized_.row_block(*weight.quantized);
    const std::uint64_t wanted =
        std::min(kRows, columns == 0 ? 0 : std::max<std::uint64_t>(1, kMostElements / columns));
    const std::uint64_t count = std::min(all, round_up(wanted, block));
    const std::uint64_t first = round_down((all - count) / 2, block);
    Rows rows;
    THAW_ASSIGN_OR_RETURN(rows.base,
                          base_.elements(*weight.base, first * columns, count * columns));
    THAW_ASSIGN_OR_RETURN(rows.quantized,
                          quantized_.elements(*weight.quantized, first * columns, count * columns));
    return rows;
  }

  static std::string in_layer(std::uint64_t layer) {
    return "layer " + std::to_string(layer) + ", ";
  }

  void judge(const std::string& where, const std::string& module, const PlannedTensor& weight,
             double cosine) {
    ++summary_.samples;
    if (summary_.samples == 1 || cosine < summary_.lowest_cosine) {
      summary_.lowest_cosine = cosine;
      summary_.lowest = printable(weight.name);
    }
    if (cosine >= kLeastCosine) return;
    std::string got = module;
    got.append(", cosine ").append(fixed(cosine));
    note_misfit(where, weight, printable(got), "at least " + fixed(kLeastCosine));
  }

  // The first one is told: the others say the same.
  void note_misfit(const std::string& where, const PlannedTensor& tensor, const std::string& got,
                   const std::string& expected) {
    if (misfits_++ != 0) return;
    std::string what = "base and quantized checkpoint are not the same model: ";
    what.append(where).append(got);
    what.append(", expected ").append(expected);
    misfit_ = make_error(ErrorCode::input, Place{overlay_.base->path(), tensor.name}, what,
                         "Name the float model that the quantized checkpoint was made from; "
                         "--no-match-check goes on all the same.");
  }

  const Overlay& overlay_;
  const ModelSpec& spec_;
  SampleRows base_;
  SampleRows quantized_;
  MatchSummary summary_;
  std::uint64_t misfits_ = 0;
  Error misfit_;
};

}  // namespace

Result<MatchSummary> check_match(const Checkpoint& quantized, const QuantizedLinears& linears,
                                 std::span<const Fold> folds, const Overlay& overlay,
                                 const ModelSpec& spec, const kernels::Table& table) {
  QuantizedLinears none;
  none.consumed.resize(overlay.base->tensors().size());
  THAW_ASSIGN_OR_RETURN(
      Plan base, plan_tensors({.checkpoint = overlay.base, .linears = &none, .dtype = Dtype::f32}));
  THAW_ASSIGN_OR_RETURN(Plan made, plan_tensors({.checkpoint = &quantized,
                                                 .linears = &linears,
                                                 .folds = folds,
                                                 .overlay = &overlay,
                                                 .as_float32 = true}));
  return Check(overlay, spec, std::move(base), std::move(made), table).run();
}

}  // namespace thaw
