#include "prepare/folds.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "base/bytes.h"
#include "base/half.h"
#include "base/text.h"

namespace thaw {

namespace {

constexpr std::string_view kWhy =
    "The activation divides by these scales, and the next linear's weight was multiplied by them; "
    "without a rule that names that linear the output would be another model.";

std::string tensor_text(const Tensor& tensor) {
  return std::string(dtype_name(tensor.dtype)) + " " + printable(shape_text(tensor.shape));
}

std::string model_type_text(const Checkpoint& checkpoint) {
  const std::string_view name = checkpoint.model_type();
  if (name.empty()) return "a config without model_type";
  return "the model type \"" + printable(name) + "\"";
}

float scale_at(const std::byte* bytes, std::uint64_t index, Dtype dtype) {
  if (dtype == Dtype::f32) return load_little_endian<float>(bytes + index * 4);
  const auto bits = load_little_endian<std::uint16_t>(bytes + index * 2);
  return dtype == Dtype::f16 ? float_from_half(bits) : float_from_bfloat16(bits);
}

// The checks of one scales tensor that a rule of the spec names.
class Folder {
 public:
  Folder(const Checkpoint& checkpoint, const QuantizedLinears& linears)
      : checkpoint_(checkpoint), linears_(linears) {}

  Result<Fold> fold(const Tensor& scales, const std::string& module) const {
    const Place place{checkpoint_.file_of(scales), scales.name};
    if (!is_output_dtype(scales.dtype) || scales.shape.size() != 1 || scales.shape[0] == 0) {
      return fail(ErrorCode::input, place, "activation scales", tensor_text(scales),
                  "F16, BF16 or F32 of one dimension");
    }
    Fold fold{.scales = &scales};
    std::uint64_t in_features = 0;
    if (const QuantizedLinear* linear = find_linear(module)) {
      fold.linear = linear;
      in_features = linear->in_features;
    } else if (const Tensor* weight = checkpoint_.find(module + ".weight")) {
      if (!is_output_dtype(weight->dtype) || weight->shape.size() != 2) {
        return fail(ErrorCode::input, place,
                    "the weight of " + printable(module) + ", whose columns these scales divide",
                    tensor_text(*weight), "F16, BF16 or F32 of two dimensions");
      }
      fold.weight = weight;
      in_features = weight->shape[1];
    } else {
      return fail(ErrorCode::input, place,
                  "the linear " + printable(module) +
                      ", whose columns these scales divide, is "
                      "not in the checkpoint");
    }
    if (in_features != scales.shape[0]) {
      return fail(ErrorCode::input, place, "the number of scales for " + printable(module),
                  std::to_string(scales.shape[0]),
                  std::to_string(in_features) + ", its input features");
    }
    THAW_RETURN_IF_ERROR(check_values(scales, place));
    return fold;
  }

 private:
  const QuantizedLinear* find_linear(std::string_view module) const {
    const auto found = std::lower_bound(
        linears_.linears.begin(), linears_.linears.end(), module,
        [](const QuantizedLinear& linear, std::string_view name) { return linear.module < name; });
    return found != linears_.linears.end() && found->module == module ? &*found : nullptr;
  }

  Status check_values(const Tensor& scales, const Place& place) const {
    const MappedFile& file = checkpoint_.shards()[scales.shard].file;
    THAW_RETURN_IF_ERROR(file.populate(scales.begin, scales.size()));
    const std::byte* bytes = checkpoint_.bytes(scales).data();
    std::uint64_t bad = 0;
    std::uint64_t first = 0;
    for (std::uint64_t i = 0; i < scales.shape[0]; ++i) {
      const float scale = scale_at(bytes, i, scales.dtype);
      if (scale != 0 && scale - scale == 0) continue;
      if (bad++ == 0) first = i;
    }
    file.unmap_pages(scales.begin, scales.size());
    if (file.damaged()) return file.check_unchanged();
    if (bad == 0) return {};
    return fail(ErrorCode::input, place,
                std::to_string(bad) + " of " + std::to_string(scales.shape[0]) +
                    " activation scales cannot be divided by: zero, infinite or NaN, the first at "
                    "index " +
                    std::to_string(first));
  }

  const Checkpoint& checkpoint_;
  const QuantizedLinears& linears_;
};

// "mlp.experts.#.act.scales" of "mlp.experts.3.act.scales".
std::string with_hashes(std::string_view member) {
  std::string text;
  while (!member.empty()) {
    const std::string_view part = member.substr(0, member.find('.'));
    member.remove_prefix(std::min(part.size() + 1, member.size()));
    const bool number = part.find_first_not_of("0123456789") == std::string_view::npos;
    text += text.empty() ? "" : ".";
    text += number ? std::string_view("#") : part;
  }
  return text;
}

// The linear whose columns the scales of that name divide; nothing when no rule names them.
std::optional<std::string> divided_module(const ModelSpec* spec, std::string_view scales) {
  if (spec == nullptr) return std::nullopt;
  const BlockMember member = find_block(*spec, scales);
  if (member.block.empty()) return std::nullopt;
  const std::string linear = divided_linear(*spec, member.member);
  if (linear.empty()) return std::nullopt;
  return std::string(member.block) + "." + linear;
}

// Where a rule for these scales would go.
std::string rule_hint(const ModelSpec* spec, std::string_view scales) {
  std::string text(kWhy);
  if (spec == nullptr) {
    return text + " thaw specs --derive MODEL drafts a spec, whose activation_scales name it.";
  }
  const BlockMember member = find_block(*spec, scales);
  return text + " It would stand in activation_scales of " + printable(spec->file) +
         ": {\"scales\": \"" + printable(with_hashes(member.member)) +
         "\", \"divides\": the linear of the block that reads what this activation gives}.";
}

}  // namespace

Result<std::vector<Fold>> find_folds(const Checkpoint& checkpoint, const QuantizedLinears& linears,
                                     const ModelSpec* spec) {
  const Folder folder(checkpoint, linears);
  std::vector<Fold> folds;
  ErrorList errors;
  for (const Tensor& tensor : checkpoint.tensors()) {
    if (!tensor.name.ends_with(".scales")) continue;
    const auto index = static_cast<std::size_t>(&tensor - checkpoint.tensors().data());
    if (linears.consumed[index] != 0) continue;
    if (const std::optional<std::string> module = divided_module(spec, tensor.name)) {
      Result<Fold> fold = folder.fold(tensor, *module);
      if (fold.ok()) {
        folds.push_back(fold.value());
      } else {
        errors.add(std::move(fold).take_status());
      }
      continue;
    }
    const auto& all = linears.activation_scales;  // in the order of the tensors
    if (!std::binary_search(all.begin(), all.end(), &tensor)) continue;
    const std::string who = spec == nullptr
                                ? "no model spec serves " + model_type_text(checkpoint)
                                : "no rule of the model spec " + printable(spec->name) + " names";
    errors.add(fail(ErrorCode::input, {checkpoint.file_of(tensor), tensor.name},
                    "the scales " + tensor_text(tensor) + " of an activation cannot be folded: " +
                        who + (spec == nullptr ? "" : " them"),
                    rule_hint(spec, tensor.name)));
  }
  THAW_RETURN_IF_ERROR(errors.take());
  return folds;
}

}  // namespace thaw
