#include "quant/foreign.h"

#include "quant/linears.h"
#include "quant/module_tensors.h"
#include "quant/rotations.h"

namespace thaw {

namespace {

constexpr std::string_view kMergeHint = "merge the adapter into the model first";

bool is_one_byte(Dtype dtype) { return dtype_bits(dtype) == 8 && dtype != Dtype::boolean; }

bool is_half(const Tensor& tensor) {
  return tensor.dtype == Dtype::f16 || tensor.dtype == Dtype::bf16;
}

// Tensors that only one method writes, by suffix. The further conditions keep ordinary parameters
// of the same name ordinary.
std::string_view foreign_method(const Checkpoint& checkpoint, const TensorName& name,
                                const Tensor& tensor) {
  const auto sibling = [&](std::string_view suffix) {
    return find_in_module(checkpoint, name.module, suffix);
  };
  if (name.suffix == "weight_packed") {
    if (sibling("scale_packed") != nullptr || sibling("meta") != nullptr) {
      return "compressed-tensors marlin-24";
    }
    if (tensor.dtype != Dtype::i32 && tensor.dtype != Dtype::u8)
      return "compressed-tensors with codes of this type";
  }
  if (name.suffix == "weight_scale") {
    const Tensor* weight = sibling("weight");
    if (weight != nullptr && is_one_byte(weight->dtype) &&
        !codes_name(checkpoint, *weight).has_value()) {
      return "uint8 with weight_scale, as ModelOpt packs integers of 4 bits,";
    }
  }
  if (name.suffix == "weight_scale_inv") {
    const Tensor* weight = sibling("weight");
    const auto codes =
        weight != nullptr ? codes_name(checkpoint, *weight) : std::optional<CodesName>();
    if (!codes.has_value() || codes->naming != Naming::small_floats) {
      return "weight_scale_inv beside no weight of float8";
    }
  }
  if (name.suffix == "absmax" || (name.suffix == "quant_map" && sibling("absmax") == nullptr)) {
    const Tensor* weight = checkpoint.find(name.module);  // they hang below it
    const auto codes =
        weight != nullptr ? codes_name(checkpoint, *weight) : std::optional<CodesName>();
    if (!codes.has_value() || codes->naming != Naming::bnb_4bit) {
      return "bitsandbytes without its quant_state";
    }
  }
  if (name.suffix == "SCB") {  // beside int8 it is read (bnb_int8.cc)
    const Tensor* weight = sibling("weight");
    if (weight == nullptr || weight->dtype != Dtype::i8) return "bitsandbytes without int8 codes";
  }
  if (name.suffix == "B" && tensor.dtype == Dtype::i32 && sibling("s") != nullptr) {
    return "GPTQ-Marlin";
  }
  if (name.suffix == "W_q") return "HQQ";
  if (name.suffix == "codes" && sibling("codebooks") != nullptr) return "AQLM";
  // Affine codes of a linear are read (mlx_affine.cc).
  if (name.suffix == "weight" && tensor.dtype == Dtype::u32 && sibling("scales") != nullptr) {
    if (tensor.shape.size() == 3) return "MLX with experts in one tensor";
  }
  return {};
}

// A partner that finds no qweight. `scales` alone is what a symmetric module keeps when its qweight
// is lost, if they have two dimensions; those of scaled activations have one.
std::optional<Refusal> refuse_partner(const Checkpoint& checkpoint, const TensorName& name,
                                      const Tensor& tensor) {
  const auto has = [&](std::string_view suffix) {
    return find_in_module(checkpoint, name.module, suffix) != nullptr;
  };
  const bool zeros = name.suffix == "qzeros" || name.suffix == "scaled_zeros";
  const bool index = name.suffix == "g_idx";
  const bool scales = name.suffix == "scales" && is_half(tensor) && !name.module.empty();
  if ((!zeros && !index && !scales) || has("qweight")) return std::nullopt;
  if (zeros || index) return Refusal{tensor_text(tensor) + " without a qweight", {}};
  if (has("qzeros") || has("scaled_zeros") || has("g_idx") || has("weight")) return std::nullopt;
  if (tensor.shape.size() == 2) return Refusal{tensor_text(tensor) + " without a qweight", {}};
  return std::nullopt;
}

// A part of compressed-tensors whose weight_packed is lost. weight_scale may be anybody's: only as
// a table of floats without a weight is it one. It answers for the others.
std::optional<Refusal> refuse_compressed_partner(const Checkpoint& checkpoint,
                                                 const TensorName& name, const Tensor& tensor) {
  const auto has = [&](std::string_view suffix) {
    return find_in_module(checkpoint, name.module, suffix) != nullptr;
  };
  const bool scale = name.suffix == "weight_scale" && tensor.shape.size() >= 2 &&
                     (is_half(tensor) || tensor.dtype == Dtype::f32);
  const bool other = name.suffix == "weight_zero_point" || name.suffix == "weight_shape" ||
                     name.suffix == "weight_g_idx";
  if ((!scale && !other) || has("weight_packed") || has("weight")) return std::nullopt;
  if (other && has("weight_scale")) return std::nullopt;
  return Refusal{tensor_text(tensor) + " without a weight_packed", {}};
}

bool is_adapter_part(std::string_view part) {
  return part == "lora_A" || part == "lora_B" || part == "lora_embedding_A" ||
         part == "lora_embedding_B" || part == "lora_magnitude_vector";
}

}  // namespace

bool names_adapter(std::string_view name) {
  for (std::size_t begin = 0; begin <= name.size();) {
    const std::size_t dot = name.find('.', begin);
    const std::size_t end = dot == std::string_view::npos ? name.size() : dot;
    if (is_adapter_part(name.substr(begin, end - begin))) return true;
    begin = end + 1;
  }
  return false;
}

std::optional<Refusal> refuse_tensor(const Checkpoint& checkpoint, const Tensor& tensor,
                                     bool fused_transforms) {
  if (names_adapter(tensor.name))
    return Refusal{"adapters are not supported", kMergeHint, false, false};
  if (rotation_of(tensor.name, fused_transforms) == Rotation::online) {
    return Refusal{std::string(kRotatedBasis), kRotatedHint, false, false};
  }
  if (tensor.name == ".qweight" || tensor.name == ".weight_packed") {
    return Refusal{"a packed tensor whose module has an empty name", {}};
  }
  const std::optional<TensorName> name = split_tensor_name(tensor.name);
  if (!name.has_value()) return std::nullopt;
  const std::string_view method = foreign_method(checkpoint, *name, tensor);
  if (!method.empty()) {
    return Refusal{tensor_text(tensor) + ": the quantization method " + std::string(method) +
                       " is not supported",
                   kUnknownHint, true};
  }
  if (auto refusal = refuse_compressed_partner(checkpoint, *name, tensor)) return refusal;
  return refuse_partner(checkpoint, *name, tensor);
}

bool is_activation_scales(const Checkpoint& checkpoint, const Tensor& tensor) {
  const std::optional<TensorName> name = split_tensor_name(tensor.name);
  if (!name.has_value() || name->suffix != "scales" || name->module.empty()) return false;
  // Those of an activation's name are, whatever their type and shape; others by type and shape.
  const std::string_view last = name->module.substr(name->module.rfind('.') + 1);
  const bool named = last == "act" || last == "gelu_impl";
  if (!named && !(is_half(tensor) && tensor.shape.size() == 1)) return false;
  for (const std::string_view partner : {"qweight", "qzeros", "scaled_zeros", "g_idx", "weight"}) {
    if (find_in_module(checkpoint, name->module, partner) != nullptr) return false;
  }
  return true;
}

}  // namespace thaw
