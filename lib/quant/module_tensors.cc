#include "quant/module_tensors.h"

#include "base/text.h"

namespace thaw {

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

ModuleTensors find_module_tensors(const Checkpoint& checkpoint, std::string_view module) {
  const auto find = [&](std::string_view suffix) {
    return find_in_module(checkpoint, module, suffix);
  };
  return {.checkpoint = &checkpoint,
          .module = module,
          .qweight = find("qweight"),
          .qzeros = find("qzeros"),
          .scaled_zeros = find("scaled_zeros"),
          .scales = find("scales"),
          .g_idx = find("g_idx"),
          .weight = find("weight"),
          .bias = find("bias")};
}

std::string tensor_text(const Tensor& tensor) {
  // A header may claim thousands of dimensions; printable() shortens.
  return std::string(dtype_name(tensor.dtype)) + " " + printable(shape_text(tensor.shape));
}

std::string module_text(const ModuleTensors& tensors) {
  std::string text;
  const auto append = [&](std::string_view suffix, const Tensor* tensor) {
    if (tensor == nullptr) return;
    if (!text.empty()) text += ", ";
    text.append(suffix).append(1, ' ').append(tensor_text(*tensor));
  };
  append("qweight", tensors.qweight);
  append("qzeros", tensors.qzeros);
  append("scaled_zeros", tensors.scaled_zeros);
  append("scales", tensors.scales);
  append("g_idx", tensors.g_idx);
  append("weight", tensors.weight);
  append("bias", tensors.bias);
  return text;
}

}  // namespace thaw
