#include "quant/module_tensors.h"

#include <span>
#include <utility>

#include "base/text.h"
#include "quant/fused_scales.h"

namespace thaw {

namespace {

struct Part {
  std::string_view suffix;
  const Tensor* ModuleTensors::*member;
  bool packed = true;  // a linear consumes it
};

// The first one names the module.
constexpr Part kOfQweight[] = {{"qweight", &ModuleTensors::qweight},
                               {"qzeros", &ModuleTensors::qzeros},
                               {"scaled_zeros", &ModuleTensors::scaled_zeros},
                               {"scales", &ModuleTensors::scales},
                               {"g_idx", &ModuleTensors::g_idx},
                               {"weight", &ModuleTensors::weight, false},
                               {"bias", &ModuleTensors::bias, false}};
constexpr Part kOfWeightPacked[] = {{"weight_packed", &ModuleTensors::weight_packed},
                                    {"weight_scale", &ModuleTensors::weight_scale},
                                    {"weight_zero_point", &ModuleTensors::weight_zero_point},
                                    {"weight_shape", &ModuleTensors::weight_shape},
                                    {"weight_g_idx", &ModuleTensors::weight_g_idx},
                                    {"weight_global_scale", &ModuleTensors::weight_global_scale},
                                    {"weight", &ModuleTensors::weight, false},
                                    {"qweight", &ModuleTensors::qweight, false},
                                    {"bias", &ModuleTensors::bias, false}};

constexpr Part kOfScaledWeight[] = {{"weight", &ModuleTensors::weight},
                                    {"weight_scale", &ModuleTensors::weight_scale},
                                    {"weight_zero_point", &ModuleTensors::weight_zero_point},
                                    {"weight_g_idx", &ModuleTensors::weight_g_idx},
                                    {"weight_packed", &ModuleTensors::weight_packed, false},
                                    {"qweight", &ModuleTensors::qweight, false},
                                    {"bias", &ModuleTensors::bias, false}};

constexpr Part kOfMlx[] = {{"weight", &ModuleTensors::weight},
                           {"scales", &ModuleTensors::scales},
                           {"biases", &ModuleTensors::biases},
                           {"bias", &ModuleTensors::bias, false}};

constexpr Part kOfBnbInt8[] = {{"weight", &ModuleTensors::weight},
                               {"SCB", &ModuleTensors::scb},
                               {"weight_format", &ModuleTensors::weight_format},
                               {"bias", &ModuleTensors::bias, false}};

// The second scale is of activations (specs/modelopt_int4.md clause 1.3).
constexpr Part kOfPairedRows[] = {{"weight", &ModuleTensors::weight},
                                  {"weight_scale", &ModuleTensors::weight_scale},
                                  {"weight_scale_2", &ModuleTensors::weight_scale_2},
                                  {"pre_quant_scale", &ModuleTensors::pre_quant_scale},
                                  {"bias", &ModuleTensors::bias, false}};

constexpr Part kOfBnb4bit[] = {{"weight", &ModuleTensors::weight},
                               {"weight.absmax", &ModuleTensors::absmax},
                               {"weight.quant_map", &ModuleTensors::quant_map},
                               {"weight.nested_absmax", &ModuleTensors::nested_absmax},
                               {"weight.nested_quant_map", &ModuleTensors::nested_quant_map},
                               {"weight.quant_state.bitsandbytes__nf4", &ModuleTensors::nf4_state},
                               {"weight.quant_state.bitsandbytes__fp4", &ModuleTensors::fp4_state},
                               {"bias", &ModuleTensors::bias, false}};

// Of gpt-oss: gate_up_proj_blocks, gate_up_proj_scales, gate_up_proj_bias.
constexpr Part kOfBlocks[] = {{"blocks", &ModuleTensors::blocks},
                              {"scales", &ModuleTensors::scales},
                              {"bias", &ModuleTensors::bias, false}};

constexpr Part kOfSmallFloats[] = {{"weight", &ModuleTensors::weight},
                                   {"weight_scale", &ModuleTensors::weight_scale},
                                   {"weight_scale_inv", &ModuleTensors::weight_scale_inv},
                                   {"scale", &ModuleTensors::short_scale},
                                   {"weight_scale_2", &ModuleTensors::weight_scale_2},
                                   {"weight_packed", &ModuleTensors::weight_packed, false},
                                   {"qweight", &ModuleTensors::qweight, false},
                                   {"bias", &ModuleTensors::bias, false}};

std::span<const Part> parts_of(Naming naming) {
  switch (naming) {
    case Naming::qweight:
      return kOfQweight;
    case Naming::weight_packed:
      return kOfWeightPacked;
    case Naming::scaled_weight:
      return kOfScaledWeight;
    case Naming::mlx:
      return kOfMlx;
    case Naming::bnb_int8:
      return kOfBnbInt8;
    case Naming::bnb_4bit:
      return kOfBnb4bit;
    case Naming::paired_rows:
      return kOfPairedRows;
    case Naming::small_floats:
      return kOfSmallFloats;
    case Naming::blocks:
      return kOfBlocks;
  }
  __builtin_unreachable();
}

bool is_experts(std::string_view module) {
  return module == "experts" || module.ends_with(".experts");
}

// "gate_up_proj_packed" for "weight_packed", "gate_up_proj" for "weight", "gate_up_proj_bias".
std::string bare_name(std::string_view parameter, std::string_view suffix) {
  constexpr std::string_view kWeight = "weight";
  std::string name(parameter);
  if (suffix.starts_with(kWeight)) return name.append(suffix.substr(kWeight.size()));
  return name.append(1, '_').append(suffix);
}

// Of a weight of codes, by its scales: `sibling` finds a tensor beside it by its suffix.
template <typename Sibling>
std::optional<Naming> naming_of_weight(Dtype dtype, const Sibling& sibling) {
  // Any module may have a `scale`; those of weights are exponents.
  const auto has_exponents = [&] {
    const Tensor* scale = sibling("scale");
    return scale != nullptr && scale->dtype == Dtype::f8_e8m0;
  };
  switch (dtype) {
    case Dtype::i8:
      if (sibling("weight_scale") != nullptr) return Naming::scaled_weight;
      if (sibling("SCB") != nullptr) return Naming::bnb_int8;
      if (has_exponents()) return Naming::small_floats;
      return std::nullopt;
    case Dtype::u32:
      if (sibling("scales") != nullptr) return Naming::mlx;
      return std::nullopt;
    case Dtype::f8_e4m3:
    case Dtype::f8_e5m2:
      if (sibling("weight_scale") != nullptr || sibling("weight_scale_inv") != nullptr ||
          has_exponents()) {
        return Naming::small_floats;
      }
      return std::nullopt;
    case Dtype::u8: {  // ModelOpt has integer codes in such bytes too, whose scales are wide
      const Tensor* scale = sibling("weight_scale");
      if (scale != nullptr && dtype_bits(scale->dtype) == 8) return Naming::small_floats;
      return std::nullopt;
    }
    default:
      return std::nullopt;
  }
}

// The parameter that a tensor of gpt-oss's holds the codes of; whether its shape fits is seen
// later.
std::optional<std::string_view> named_by_blocks(const Checkpoint& checkpoint,
                                                const TensorName& name, const Tensor& tensor) {
  constexpr std::string_view kBlocks = "_blocks";
  if (tensor.dtype != Dtype::u8 || !is_experts(name.module) || !name.suffix.ends_with(kBlocks) ||
      name.suffix.size() == kBlocks.size()) {
    return std::nullopt;
  }
  const std::string_view parameter =
      std::string_view(tensor.name).substr(0, tensor.name.size() - kBlocks.size());
  if (checkpoint.find(bare_name(parameter, "scales")) == nullptr) return std::nullopt;
  return parameter;
}

// A module or parameter that stands for all experts.
std::optional<CodesName> parameter_name(const Checkpoint& checkpoint, const TensorName& name,
                                        const Tensor& tensor) {
  constexpr std::string_view kPacked = "_packed";
  if (name.suffix == "weight_packed" && tensor.shape.size() == 3) {
    const std::optional<TensorName> outer = split_tensor_name(name.module);
    if (name.module.empty() || !outer.has_value() || !is_experts(outer->module)) {
      return std::nullopt;
    }
    return CodesName{name.module, Naming::weight_packed, true, false};
  }
  if (is_experts(name.module) && tensor.shape.size() == 3) {
    const std::optional<Naming> naming = naming_of_weight(
        tensor.dtype,
        [&](std::string_view suffix) { return checkpoint.find(bare_name(tensor.name, suffix)); });
    if (naming == Naming::small_floats) return CodesName{tensor.name, *naming, true, true};
  }
  if (const std::optional<std::string_view> parameter = named_by_blocks(checkpoint, name, tensor)) {
    return CodesName{*parameter, Naming::blocks, true, true};
  }
  if (tensor.dtype != Dtype::i32 || tensor.shape.size() != 3 || !name.suffix.ends_with(kPacked) ||
      name.suffix.size() == kPacked.size() || !is_experts(name.module)) {
    return std::nullopt;
  }
  const std::string_view parameter =
      std::string_view(tensor.name).substr(0, tensor.name.size() - kPacked.size());
  return CodesName{parameter, Naming::weight_packed, true, true};
}

}  // namespace

std::optional<TensorName> split_tensor_name(std::string_view name) {
  const std::size_t dot = name.rfind('.');
  if (dot == 0) return std::nullopt;
  if (dot == std::string_view::npos) return TensorName{{}, name};
  return TensorName{name.substr(0, dot), name.substr(dot + 1)};
}

const Tensor* find_in_module(const Checkpoint& checkpoint, std::string_view module,
                             std::string_view suffix) {
  if (module.empty()) return checkpoint.find(suffix);
  std::string name;
  name.reserve(module.size() + 1 + suffix.size());
  name.append(module).append(1, '.').append(suffix);
  return checkpoint.find(name);
}

std::optional<CodesName> codes_name(const Checkpoint& checkpoint, const Tensor& tensor) {
  const std::optional<TensorName> name = split_tensor_name(tensor.name);
  if (!name.has_value()) return std::nullopt;
  if (name->suffix == "qweight") return CodesName{name->module, Naming::qweight};
  if (auto parameter = parameter_name(checkpoint, *name, tensor)) return parameter;
  if (name->suffix == "weight_packed") return CodesName{name->module, Naming::weight_packed};
  if (name->suffix != "weight") return std::nullopt;
  const auto sibling = [&](std::string_view suffix) {
    return find_in_module(checkpoint, name->module, suffix);
  };
  std::optional<Naming> naming = naming_of_weight(tensor.dtype, sibling);
  if (!naming.has_value() && tensor.dtype == Dtype::u8) {
    const Tensor* scale = sibling("weight_scale");
    const bool paired = scale != nullptr && dtype_bits(scale->dtype) > 8 &&
                        tensor.shape.size() == 2 && scale->shape.size() == 2 &&
                        tensor.shape[0] != 0 && tensor.shape[1] != 0 && scale->shape[1] != 0 &&
                        scale->shape[0] % 2 == 0 && scale->shape[0] / 2 == tensor.shape[0];
    if (paired) naming = Naming::paired_rows;
  }
  const bool float8 = tensor.dtype == Dtype::f8_e4m3 || tensor.dtype == Dtype::f8_e5m2;
  if (!naming.has_value() && float8 && find_fused_scales(checkpoint, name->module) != nullptr) {
    naming = Naming::small_floats;
  }
  // Any type may hold the bytes.
  if (!naming.has_value() && sibling("weight.absmax") != nullptr &&
      (sibling("weight.quant_state.bitsandbytes__nf4") != nullptr ||
       sibling("weight.quant_state.bitsandbytes__fp4") != nullptr)) {
    naming = Naming::bnb_4bit;
  }
  if (naming.has_value()) return CodesName{name->module, *naming};
  return std::nullopt;
}

const Tensor* find_beside(const Checkpoint& checkpoint, const CodesName& name,
                          std::string_view suffix) {
  return name.is_bare ? checkpoint.find(bare_name(name.module, suffix))
                      : find_in_module(checkpoint, name.module, suffix);
}

ModuleTensors find_module_tensors(const Checkpoint& checkpoint, const CodesName& name) {
  ModuleTensors tensors{.checkpoint = &checkpoint,
                        .module = name.module,
                        .naming = name.naming,
                        .is_parameter = name.is_parameter,
                        .is_bare = name.is_bare};
  for (const Part& part : parts_of(name.naming)) {
    tensors.*part.member = find_beside(checkpoint, name, part.suffix);
  }
  if (name.naming == Naming::small_floats && tensors.scale() == nullptr) {
    tensors.fused_scales = find_fused_scales(checkpoint, name.module);
  }
  // What the output is to be called must not be there already.
  if (name.is_parameter && tensors.weight == nullptr) {
    tensors.weight = checkpoint.find(name.module);
  }
  return tensors;
}

const Tensor* ModuleTensors::scale() const {
  if (weight_scale != nullptr) return weight_scale;
  if (weight_scale_inv != nullptr) return weight_scale_inv;
  return naming == Naming::blocks || naming == Naming::mlx ? scales : short_scale;
}

const Tensor& ModuleTensors::codes() const { return *(this->*parts_of(naming).front().member); }

std::vector<const Tensor*> ModuleTensors::packed() const {
  std::vector<const Tensor*> found;
  for (const Part& part : parts_of(naming)) {
    const Tensor* tensor = this->*part.member;
    // Integer codes have none: it would change what they mean.
    const bool foreign = tensor == weight_global_scale && codes().dtype == Dtype::i32;
    if (part.packed && tensor != nullptr && !foreign) found.push_back(tensor);
  }
  return found;
}

std::string tensor_text(const Tensor& tensor) {
  // A header may claim thousands of dimensions; printable() shortens.
  return std::string(dtype_name(tensor.dtype)) + " " + printable(shape_text(tensor.shape));
}

std::string module_text(const ModuleTensors& tensors) {
  std::string text;
  const std::string_view last = tensors.module.substr(tensors.module.rfind('.') + 1);
  for (const Part& part : parts_of(tensors.naming)) {
    const Tensor* tensor = tensors.*part.member;
    if (tensor == nullptr) continue;
    if (!text.empty()) text += ", ";
    text.append(tensors.is_bare ? bare_name(last, part.suffix) : std::string(part.suffix));
    text.append(1, ' ').append(tensor_text(*tensor));
  }
  return text;
}

}  // namespace thaw
