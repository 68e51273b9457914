#include "quant/closed_world.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/text.h"
#include "quant/attention_scales.h"
#include "quant/foreign.h"
#include "quant/known_buffers.h"
#include "quant/module_tensors.h"
#include "quant/name_endings.h"
#include "quant/rotations.h"

namespace thaw {

namespace {

constexpr std::size_t kMostListed = 24;

bool is_float(Dtype dtype) {
  return is_output_dtype(dtype) || dtype == Dtype::f64 || dtype == Dtype::c64;
}

bool is_vector(const Tensor& tensor) {
  return std::count_if(tensor.shape.begin(), tensor.shape.end(),
                       [](std::uint64_t extent) { return extent != 1; }) <= 1;
}

// Types of less precision than any model computes in: codes, or scales of codes.
bool is_small_float(Dtype dtype) {
  switch (dtype) {
    case Dtype::f4:
    case Dtype::f6_e2m3:
    case Dtype::f6_e3m2:
    case Dtype::f8_e5m2:
    case Dtype::f8_e4m3:
    case Dtype::f8_e8m0:
      return true;
    default:
      return false;
  }
}

// "M" of "M.anything", the empty module of a name without a dot.
std::string_view module_of(std::string_view name) {
  const std::size_t dot = name.rfind('.');
  return dot == std::string_view::npos ? std::string_view() : name.substr(0, dot);
}

const QuantizedLinear* find_linear(const QuantizedLinears& linears, std::string_view module) {
  const auto found = std::lower_bound(
      linears.linears.begin(), linears.linears.end(), module,
      [](const QuantizedLinear& linear, std::string_view name) { return linear.module < name; });
  return found != linears.linears.end() && found->module == module ? &*found : nullptr;
}

// The linear that the tensor stands beside or below; null: none.
const QuantizedLinear* linear_around(const QuantizedLinears& linears, std::string_view name) {
  std::string_view module = module_of(name);
  // "experts.gate_up_proj_input_scale", beside a parameter of all experts.
  for (std::size_t cut = name.rfind('_'); cut != std::string_view::npos && cut > module.size();
       cut = name.rfind('_', cut - 1)) {
    const QuantizedLinear* linear = find_linear(linears, name.substr(0, cut));
    if (linear != nullptr && linear->is_parameter) return linear;
  }
  if (module.empty()) return find_linear(linears, module);
  for (; !module.empty(); module = module_of(module)) {
    if (const QuantizedLinear* linear = find_linear(linears, module)) return linear;
  }
  return nullptr;
}

// The one tensor that every layout leaves to be carried as it is.
bool is_bias(const Tensor& tensor, const QuantizedLinear& linear) {
  if (linear.is_parameter && tensor.name.ends_with("_bias") && is_float(tensor.dtype) &&
      tensor.name.size() == linear.module.size() + 5) {
    return true;
  }
  const std::optional<TensorName> name = split_tensor_name(tensor.name);
  return name.has_value() && name->module == linear.module && name->suffix == "bias" &&
         is_float(tensor.dtype);
}

// "gate_up_proj_packed I32 [128, 1408, 256] (packed codes)".
std::string described(const Tensor& tensor, std::string_view module, const std::string& what) {
  std::string_view rest = tensor.name;
  const bool below = !module.empty() && rest[module.size()] == '.';
  rest.remove_prefix(below ? module.size() + 1 : module.empty() ? 0 : rest.rfind('.') + 1);
  std::string text = printable(rest) + " " + tensor_text(tensor);
  return what.empty() ? text : text + " (" + what + ")";
}

void warn_of(const char* what, std::size_t count, const Tensor* first,
             std::vector<std::string>& warnings) {
  if (count == 0) return;
  warnings.push_back(std::to_string(count) + (count == 1 ? " tensor of " : " tensors of ") + what +
                     (count == 1 ? " is" : " are") +
                     " left out, which no float model has (first: " + printable(first->name) + ")");
}

}  // namespace

bool ClosedWorld::is_answered(const Tensor& tensor) const {
  const auto has = [&](std::string_view module) { return answered_.count(module) != 0; };
  // bitsandbytes hangs its tensors below the weight, which then is itself such a module.
  return !answered_.empty() && (has(module_of(tensor.name)) || has(tensor.name));
}

// "x_scale" belongs to x, "m.scales" and "m.weight._scale" to m and m.weight: a float weight of
// that name, or of x.weight, needs no scales to be a number.
bool ClosedWorld::has_float_stem(const Tensor& tensor, std::string_view ending) const {
  std::string stem(tensor.name.substr(0, tensor.name.size() - ending.size()));
  while (stem.ends_with('.')) stem.pop_back();
  for (const std::string_view weight : {"", ".weight"}) {
    const Tensor* found = checkpoint_.find(stem + std::string(weight));
    if (found != nullptr && is_float(found->dtype)) return true;
  }
  return false;
}

std::string ClosedWorld::suspicion(const Tensor& tensor) const {
  if (tensor.dtype == Dtype::boolean) return {};  // nobody packs into these
  const NameEnding* ending = find_name_ending(tensor.name);
  const bool floating = is_float(tensor.dtype);
  if (is_small_float(tensor.dtype)) {
    return ending != nullptr ? std::string(ending->meaning) : "a small float without scales";
  }
  if (!floating && tensor.shape.size() >= 2 && !is_known_buffer(tensor)) {
    return ending != nullptr ? std::string(ending->meaning) : "integers, no buffer that thaw knows";
  }
  if (ending == nullptr) return {};
  if (floating && is_vector(tensor) && ending->plain_vector) return {};
  return has_float_stem(tensor, ending->ending) ? std::string() : std::string(ending->meaning);
}

void ClosedWorld::look_at_the_rest(QuantizedLinears& result) {
  const auto& activations = result.activation_scales;  // in the order of the tensors
  Count attention;
  Count rotations;
  std::vector<const Tensor*> vectors;  // called as scales are
  const auto tensors = checkpoint_.tensors();
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const Tensor& tensor = tensors[i];
    if (result.consumed[i] != 0 || is_answered(tensor)) continue;
    if (std::binary_search(activations.begin(), activations.end(), &tensor)) continue;
    const bool of_attention = is_attention_scale(tensor);
    if (of_attention ||
        rotation_of(tensor.name, result.config.fused_transforms) == Rotation::fused) {
      (of_attention ? attention : rotations).note(tensor);
      result.consumed[i] = 1;
      continue;
    }
    if (const QuantizedLinear* linear = linear_around(result, tensor.name)) {
      if (is_bias(tensor, *linear)) continue;
      Module& module = unknown_[linear->module];
      module.title = title_of(*linear);
      const NameEnding* ending = find_name_ending(tensor.name);
      module.tensors.push_back({&tensor, ending != nullptr ? std::string(ending->meaning) : ""});
    } else if (std::string what = suspicion(tensor); !what.empty()) {
      unknown_[module_of(tensor.name)].tensors.push_back({&tensor, std::move(what)});
    } else if (find_name_ending(tensor.name) != nullptr) {
      vectors.push_back(&tensor);
    }
  }
  // Plain by themselves, but not beside packed tensors that nobody knows.
  for (const Tensor* tensor : vectors) {
    const auto module = unknown_.find(module_of(tensor->name));
    if (module == unknown_.end() || module->first.empty() || !module->second.title.empty())
      continue;
    module->second.tensors.push_back(
        {tensor, std::string(find_name_ending(tensor->name)->meaning)});
  }
  warn_of("a quantized KV cache or of quantized attention", attention.tensors, attention.first,
          result.warnings);
  warn_of("rotations that are fused into the weights", rotations.tensors, rotations.first,
          result.warnings);
}

void ClosedWorld::refuse(RefusalGroups& refusals) const {
  for (const auto& [name, module] : unknown_) {
    const Tensor& first = *module.tensors.front().tensor;
    const std::string_view file = checkpoint_.file_of(first);
    if (module.title.empty() && (name.empty() || module.tensors.size() == 1)) {
      for (const Unknown& one : module.tensors) {
        refusals.add(checkpoint_.file_of(*one.tensor), one.tensor->name,
                     tensor_text(*one.tensor) + ": looks like " + one.what +
                         ", and thaw knows no rule for it",
                     kUnknownHint);
      }
      continue;
    }
    std::string text;
    for (std::size_t i = 0; i < module.tensors.size() && i < kMostListed; ++i) {
      if (i != 0) text += ", ";
      text += described(*module.tensors[i].tensor, name, module.tensors[i].what);
    }
    if (module.tensors.size() > kMostListed) {
      text += " and " + std::to_string(module.tensors.size() - kMostListed) + " more";
    }
    refusals.add(
        file, name,
        module.title.empty()
            ? "thaw knows no rule for these: " + text
            : std::string(module.title) +
                  " has no such tensor beside its own, and it may change what they mean: " + text,
        kUnknownHint);
  }
}

void ClosedWorld::copy(QuantizedLinears& result, UnknownModules& unknown) const {
  std::set<std::string_view> spoilt;
  for (const auto& [name, module] : unknown_) {
    if (!module.title.empty()) {
      spoilt.insert(name);
      unknown.note_instead_of_linear(name);
    } else {
      unknown.note(name);
    }
    for (const Unknown& one : module.tensors) unknown.note(module_of(one.tensor->name));
  }
  std::erase_if(result.linears,
                [&](const QuantizedLinear& linear) { return spoilt.count(linear.module) != 0; });
}

namespace {

std::vector<std::string> list_tensors(const Checkpoint& checkpoint, bool with_our_layouts) {
  RefusalGroups groups;
  ClosedWorld world(checkpoint);
  for (const Tensor& tensor : checkpoint.tensors()) {
    const std::optional<TensorName> name = split_tensor_name(tensor.name);
    if (!name.has_value()) continue;
    const std::optional<Refusal> refusal = refuse_tensor(checkpoint, tensor, false);
    const bool ours = codes_name(checkpoint, tensor).has_value();
    if (refusal.has_value() && refusal->unknown) {
      groups.add(checkpoint.file_of(tensor), tensor.name, refusal->what, {});
    } else if (ours && with_our_layouts) {
      groups.add(checkpoint.file_of(tensor), tensor.name, tensor_text(tensor) + ": a packed weight",
                 {});
    }
    if (ours || (refusal.has_value() && refusal->answers_for_module)) {
      world.answered(name->module);
    }
  }
  QuantizedLinears none;
  none.consumed.resize(checkpoint.tensors().size());
  world.look_at_the_rest(none);
  world.refuse(groups);
  ErrorList errors;
  groups.move_to(errors);
  const Status status = errors.take();
  return status.ok() ? std::vector<std::string>() : status.error().messages;
}

}  // namespace

std::vector<std::string> list_unknown_tensors(const Checkpoint& checkpoint) {
  return list_tensors(checkpoint, false);
}

std::vector<std::string> list_packed_tensors(const Checkpoint& checkpoint) {
  return list_tensors(checkpoint, true);
}

}  // namespace thaw
