#include "quant/compressed_groups.h"

#include <optional>

#include "base/bytes.h"

namespace thaw {

bool is_cut(std::uint64_t in_features, std::int64_t group_size, std::uint64_t groups) {
  return group_size == -1
             ? groups == 1
             : divide_up(in_features, static_cast<std::uint64_t>(group_size)) == groups;
}

namespace {

// A group of small floats is of no integer codes, and the other way round.
bool may_be_of(const CompressedGroup& group, bool elements) {
  return group.form == CodeForm::unsaid || (group.form == CodeForm::elements) == elements;
}

}  // namespace

bool width_fits(const CompressedGroup& group, const QuantizedLinear& linear) {
  const bool elements = linear.layout->id == LayoutId::scaled;
  const bool bytes = linear.layout->id == LayoutId::ct_int8;
  if (!may_be_of(group, elements)) return false;
  if (elements) return group.bits.value_or(linear.bits) == linear.bits;
  if (group.form != CodeForm::unsaid && (group.form == CodeForm::bytes) != bytes) return false;
  // A byte may hold a narrower code.
  return bytes ? group.bits.value_or(8) <= 8 : group.bits.value_or(linear.bits) == linear.bits;
}

bool fits(const CompressedGroup& group, const QuantizedLinear& linear) {
  const std::uint64_t groups = divide_up(linear.in_features, linear.group_size);
  return width_fits(group, linear) &&
         (!group.group_size.has_value() || is_cut(linear.in_features, *group.group_size, groups));
}

const CompressedGroup* claim_group(const QuantConfig& config, QuantizedLinear& linear) {
  const Targets& targets = config.targets;
  const CompressedGroup* own = nullptr;
  linear.claims.ignored = targets.ignored.find(linear.module).has_value();
  if (targets.said) {
    const std::optional<std::size_t> found = targets.groups.find(linear.module);
    const bool elements = linear.layout->id == LayoutId::scaled;
    const bool read = found.has_value() && *found != Targets::kOtherGroup &&
                      may_be_of(config.compressed[*found], elements);
    linear.claims.unnamed = !read && !targets.groups.has_unseen_class();
    if (read) own = &config.compressed[*found];
  } else if (config.compressed.size() == 1 &&
             may_be_of(config.compressed.front(), linear.layout->id == LayoutId::scaled)) {
    own = &config.compressed.front();
  }
  if (own == nullptr) return nullptr;
  linear.claims.bits = own->bits;
  linear.claims.group_size = own->group_size;
  linear.claims.symmetric = own->symmetric;
  return own;
}

}  // namespace thaw
