#include "plan/padded_modules.h"

#include <algorithm>
#include <utility>

#include "base/text.h"

namespace thaw {

namespace {

constexpr std::string_view kHint =
    "thaw does not cut padding away. Name as --base a float model that was padded in the same way, "
    "or convert without --base: the quantized checkpoint's config.json has its sizes.";

// Two sizes that a key of both configs has, or that are the same multiple of what it has: a fused
// gate and up projection is twice the intermediate size. Looks one level down too.
std::string find_key(const json::Node& base, const json::Node& quantized, std::uint64_t base_size,
                     std::uint64_t quantized_size, int levels) {
  for (const auto& [key, value] : base.members) {
    const json::Node* other = quantized.find(key);
    if (other == nullptr) continue;
    if (value.is_object() && levels > 0) {
      const std::string found = find_key(value, *other, base_size, quantized_size, levels - 1);
      if (!found.empty()) return found;
    }
    const auto mine = value.as_integer();
    const auto theirs = other->as_integer();
    if (!mine || !theirs || *mine <= 0 || *theirs <= *mine) continue;
    const auto small = static_cast<std::uint64_t>(*mine);
    const auto large = static_cast<std::uint64_t>(*theirs);
    if (base_size % small != 0 || quantized_size % large != 0) continue;
    if (base_size / small != quantized_size / large) continue;
    return printable(key) + " is " + std::to_string(large) + " in its config.json and " +
           std::to_string(small) + " in the base's";
  }
  return {};
}

}  // namespace

bool is_padded(std::span<const std::uint64_t> base, std::span<const std::uint64_t> quantized) {
  if (base.size() != quantized.size() || base.size() < 2) return false;
  std::size_t larger = 0;
  for (std::size_t i = 0; i < base.size(); ++i) {
    if (quantized[i] < base[i]) return false;
    larger += quantized[i] > base[i] ? 1 : 0;
  }
  return larger == 1;
}

void note_padded(std::vector<PaddedModule>& modules, std::string_view member, const Tensor& base,
                 const QuantizedLinear* linear, std::span<const std::uint64_t> quantized_shape) {
  for (PaddedModule& module : modules) {
    if (module.member != member || !std::equal(module.base_shape.begin(), module.base_shape.end(),
                                               base.shape.begin(), base.shape.end())) {
      continue;
    }
    if (!std::equal(module.quantized_shape.begin(), module.quantized_shape.end(),
                    quantized_shape.begin(), quantized_shape.end())) {
      continue;
    }
    ++module.tensors;
    return;
  }
  PaddedModule module;
  module.member = member;
  module.base = &base;
  module.linear = linear;
  module.base_shape.assign(base.shape.begin(), base.shape.end());
  module.quantized_shape.assign(quantized_shape.begin(), quantized_shape.end());
  while (module.base_shape[module.axis] == module.quantized_shape[module.axis]) ++module.axis;
  module.tensors = 1;
  modules.push_back(std::move(module));
}

Status refuse_padded(const PaddedModule& module, const Checkpoint& base,
                     const Checkpoint& quantized, const std::string& found) {
  std::string what =
      "is larger in the quantized checkpoint, as where a model is padded before it is quantized: "
      "it is " +
      shape_text(module.quantized_shape) + " there and " + shape_text(module.base_shape) +
      " in the base";
  if (module.tensors > 1) {
    what += ", and " + std::to_string(module.tensors - 1) + " more are like it";
  }
  const std::string key =
      find_key(base.config(), quantized.config(), module.base_shape[module.axis],
               module.quantized_shape[module.axis], 2);
  if (!key.empty()) what += "; " + key;
  if (!found.empty()) what += "; " + found;
  return fail(ErrorCode::input, Place{base.file_of(*module.base), module.base->name}, what, kHint);
}

}  // namespace thaw
