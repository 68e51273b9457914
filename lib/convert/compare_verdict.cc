#include "convert/compare_verdict.h"

#include <algorithm>
#include <array>
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
     "no "
     "norm does"},
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
  for (const std::size_t i : order) {
    std::string line = std::to_string(counts[i]);
    line += counts[i] == 1 ? " tensor: " : " tensors: ";
    line += kWords[i].text;
    report.verdicts.push_back(line + " (" + first[i] + (counts[i] == 1 ? ")" : ", ...)"));
  }
}

}  // namespace thaw
