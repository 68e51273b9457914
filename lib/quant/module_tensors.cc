#include "quant/module_tensors.h"

#include <span>
#include <utility>

#include "base/text.h"

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
    case Naming::small_floats:
      return kOfSmallFloats;
  }
  __builtin_unreachable();
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

std::optional<Naming> naming_of(const Checkpoint& checkpoint, const Tensor& tensor) {
  const std::optional<TensorName> name = split_tensor_name(tensor.name);
  if (!name.has_value()) return std::nullopt;
  if (name->suffix == "qweight") return Naming::qweight;
  if (name->suffix == "weight_packed") return Naming::weight_packed;
  if (name->suffix != "weight") return std::nullopt;
  const auto sibling = [&](std::string_view suffix) {
    return find_in_module(checkpoint, name->module, suffix);
  };
  // Any module may have a `scale`; those of weights are exponents.
  const auto has_exponents = [&] {
    const Tensor* scale = sibling("scale");
    return scale != nullptr && scale->dtype == Dtype::f8_e8m0;
  };
  switch (tensor.dtype) {
    case Dtype::i8:
      if (sibling("weight_scale") != nullptr) return Naming::scaled_weight;
      if (has_exponents()) return Naming::small_floats;
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

ModuleTensors find_module_tensors(const Checkpoint& checkpoint, std::string_view module,
                                  Naming naming) {
  ModuleTensors tensors{.checkpoint = &checkpoint, .module = module, .naming = naming};
  for (const Part& part : parts_of(naming)) {
    tensors.*part.member = find_in_module(checkpoint, module, part.suffix);
  }
  return tensors;
}

const Tensor* ModuleTensors::scale() const {
  if (weight_scale != nullptr) return weight_scale;
  return weight_scale_inv != nullptr ? weight_scale_inv : short_scale;
}

const Tensor& ModuleTensors::codes() const { return *(this->*parts_of(naming).front().member); }

std::vector<const Tensor*> ModuleTensors::packed() const {
  std::vector<const Tensor*> found;
  for (const Part& part : parts_of(naming)) {
    const Tensor* tensor = this->*part.member;
    if (part.packed && tensor != nullptr) found.push_back(tensor);
  }
  return found;
}

std::string tensor_text(const Tensor& tensor) {
  // A header may claim thousands of dimensions; printable() shortens.
  return std::string(dtype_name(tensor.dtype)) + " " + printable(shape_text(tensor.shape));
}

std::string module_text(const ModuleTensors& tensors) {
  std::string text;
  for (const Part& part : parts_of(tensors.naming)) {
    const Tensor* tensor = tensors.*part.member;
    if (tensor == nullptr) continue;
    if (!text.empty()) text += ", ";
    text.append(part.suffix).append(1, ' ').append(tensor_text(*tensor));
  }
  return text;
}

}  // namespace thaw
