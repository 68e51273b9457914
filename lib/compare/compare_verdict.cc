#include "compare/compare_verdict.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <map>
#include <optional>

#include "base/text.h"
#include "model/blocks.h"

namespace thaw {

namespace {

constexpr double kSame = 1e-3;  // a relative error below this is rounding

struct FaultWords {
  const char* name;
  const char* text;
};

constexpr std::array<FaultWords, kFaultCount> kWords = {{
    {"none", ""},
    {"row_order",
     "nibbles in the wrong order: within each eight, rows stand in the order 0 4 1 5 2 6 3 7 of "
     "AWQ's words, or have its inverse undone once too often"},
    {"column_order",
     "nibbles in the wrong order: within each eight, columns stand in the order 0 4 1 5 2 6 3 7 "
     "of AWQ's words, or have its inverse undone once too often"},
    {"transposed", "transposed"},
    {"zero_off_by_one", "zero points off by one: every group differs by one step of its scale"},
    {"zero_offset", "zero points differ: every group is shifted by a constant"},
    {"scaled_with_norm",
     "scaled by channel, and the norm in front is scaled the other way: AWQ's scales, the function "
     "is the same"},
    {"norm_not_taken",
     "norms not taken along: a factor a channel stands in only one of a linear and the norm in "
     "front of it"},
    {"scaled_by_channel",
     "scaled by a factor a channel, as AWQ does: what stands in front must carry the inverse, and "
     "no norm does"},
    {"scaled", "scaled by one factor"},
    {"unrelated", "unrelated: a cosine near 0, as of two other models"},
}};

// The block and the member of a weight: "model.layers.0" and "self_attn.q_proj".
struct Member {
  std::string_view block;
  std::string_view module;  // as it stands
  std::string_view rule;    // as the spec names it
};

std::optional<Member> member_of(const ModelSpec* spec, std::string_view tensor) {
  if (spec == nullptr || !tensor.ends_with(".weight")) return std::nullopt;
  const BlockMember found = find_block(*spec, tensor);
  if (found.block.empty()) return std::nullopt;
  const std::string_view rule = spec_module(*spec, found.member);
  if (rule.empty()) return std::nullopt;
  return Member{found.block, found.member.substr(0, found.member.rfind('.')), rule};
}

bool is_one_of(const std::vector<std::string>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

const Absorbs* rule_of(const ModelSpec& spec, std::string_view linear) {
  for (const Absorbs& rule : spec.absorbs) {
    if (is_one_of(rule.linears, linear)) return &rule;
  }
  return nullptr;
}

}  // namespace

const char* fault_name(Fault fault) { return kWords[static_cast<std::size_t>(fault)].name; }

AbsorbedBy absorber_of(const ModelSpec* spec, std::string_view weight) {
  const std::optional<Member> member = member_of(spec, weight);
  if (!member) return {};
  const Absorbs* rule = rule_of(*spec, member->rule);
  // A rule whose module is a linear is about rows of that linear, and no norm.
  if (rule == nullptr || !is_one_of(spec->floats, rule->module)) return {};
  return {std::string(member->block) + "." + rule->module + ".weight", rule->offset};
}

void find_left_norms(const ModelSpec* spec, std::vector<TensorComparison>& tensors) {
  // By the norm: whether all linears that read it are equal on both sides.
  std::map<std::string, bool, std::less<>> readers_equal;
  for (const TensorComparison& tensor : tensors) {
    const AbsorbedBy by = absorber_of(spec, tensor.name);
    if (by.norm.empty()) continue;
    bool& equal = readers_equal.emplace(by.norm, true).first->second;
    equal = equal && tensor.figures.relative < kSame;
  }
  for (TensorComparison& tensor : tensors) {
    const auto found = readers_equal.find(tensor.name);
    if (found == readers_equal.end() || !found->second) continue;
    if (tensor.figures.relative > kSame) tensor.fault = Fault::norm_not_taken;
  }
}

namespace {

// The relative error that rounding once to a type leaves at most: half a step of its significand.
struct RoundingBound {
  std::string_view type;
  const char* name;
  double bound;
};
constexpr std::array<RoundingBound, 3> kRounding = {
    {{"F32", "float32", 0x1p-24}, {"F16", "float16", 0x1p-11}, {"BF16", "bfloat16", 0x1p-8 / 2}}};
constexpr double kSumsOfRounding = 1.01;  // figures are sums, rounded themselves
constexpr double kSameModel = 0.9;        // cosine

// The type whose rounding explains all differences of a tensor; nullptr where none does. Either
// side may have been rounded.
const RoundingBound* rounding_of(const TensorComparison& tensor) {
  for (const RoundingBound& rounding : kRounding) {
    if (tensor.type_a != rounding.type && tensor.type_b != rounding.type) continue;
    if (tensor.figures.relative <= rounding.bound * kSumsOfRounding) return &rounding;
  }
  return nullptr;
}

bool differs(const TensorComparison& tensor) {
  return tensor.figures.relative > 0 || tensor.figures.nonfinite_differ != 0;
}

// Of the tensors that both have.
std::string conclusion_of_values(const CompareReport& report) {
  const RoundingBound* coarsest = nullptr;
  bool any = false;
  bool rounded = true;
  bool rescaled = true;
  for (const TensorComparison& tensor : report.tensors) {
    if (!differs(tensor)) continue;
    any = true;
    const RoundingBound* rounding =
        tensor.figures.nonfinite_differ != 0 ? nullptr : rounding_of(tensor);
    rounded = rounded && rounding != nullptr;
    if (rounding != nullptr && (coarsest == nullptr || rounding->bound > coarsest->bound)) {
      coarsest = rounding;
    }
    const bool norm = tensor.shape.size() < 2;  // the other half of a scaled linear
    rescaled = rescaled && (norm || rounding != nullptr || tensor.fault == Fault::scaled_with_norm);
  }
  if (!any) return "equal";
  if (rounded) return std::string("the same up to rounding to ") + coarsest->name;
  if (rescaled) return "the same function: linears and the norms in front are scaled, as AWQ does";
  if (report.total.cosine < kSameModel) return "another model";
  std::array<char, 96> text{};
  std::snprintf(text.data(), text.size(), "the same model with other values: relative error %.2g",
                report.total.relative);
  return text.data();
}

std::string conclusion_of(const CompareReport& report) {
  std::string text = report.tensors.empty() ? "another model" : conclusion_of_values(report);
  const std::size_t alone = report.only_a.size() + report.only_b.size();
  if (alone != 0) {
    text += "; " + std::to_string(alone) + (alone == 1 ? " tensor stands" : " tensors stand") +
            " on one side only";
  }
  if (!report.shapes.empty()) {
    text += "; " + std::to_string(report.shapes.size()) +
            (report.shapes.size() == 1 ? " shape differs" : " shapes differ");
  }
  return text;
}

}  // namespace

void add_verdicts(CompareReport& report) {
  std::array<std::uint64_t, kFaultCount> counts{};
  std::array<std::string, kFaultCount> first;
  std::uint64_t weights = 0;
  const auto count = [&](Fault fault, const std::string& name) {
    const auto index = static_cast<std::size_t>(fault);
    if (counts[index]++ == 0) first[index] = printable(name);
  };
  for (TensorComparison& tensor : report.tensors) {
    if (tensor.shape.size() >= 2) ++weights;
    tensor.fault_text = kWords[static_cast<std::size_t>(tensor.fault)].text;
    count(tensor.fault, tensor.name);
  }
  for (const ShapeDifference& shape : report.shapes) count(shape.fault, shape.name);
  const std::uint64_t unrelated = counts[static_cast<std::size_t>(Fault::unrelated)];
  if (unrelated * 2 > weights && weights != 0) {
    report.verdicts.push_back("another model: " + std::to_string(unrelated) + " of " +
                              std::to_string(weights) +
                              " weights have a cosine near 0 with their counterparts");
  }
  std::vector<std::size_t> order;
  for (std::size_t i = 1; i < kFaultCount; ++i) {
    if (counts[i] != 0) order.push_back(i);
  }
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t x, std::size_t y) { return counts[x] > counts[y]; });
  report.conclusion =
      unrelated * 2 > weights && weights != 0 ? "another model" : conclusion_of(report);
  for (const std::size_t i : order) {
    std::string line = std::to_string(counts[i]);
    line += counts[i] == 1 ? " tensor: " : " tensors: ";
    line += kWords[i].text;
    report.verdicts.push_back(line + " (" + first[i] + (counts[i] == 1 ? ")" : ", ...)"));
  }
}

}  // namespace thaw
