#include "quant/attention_scales.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "quant/methods.h"
#include "quant/module_tensors.h"

namespace thaw {

namespace {

constexpr std::array<std::string_view, 8> kOfAttention = {
    "q_scale",      "k_scale",      "v_scale",      "prob_scale",
    "q_zero_point", "k_zero_point", "v_zero_point", "prob_zero_point"};

struct OfProjection {
  std::string_view projection;
  std::string_view scale;
};
constexpr std::array<OfProjection, 4> kOfProjections = {{{"k_proj", "k_scale"},
                                                         {"v_proj", "v_scale"},
                                                         {"k_proj", "output_scale"},
                                                         {"v_proj", "output_scale"}}};

bool is_attention(std::string_view module) {
  const std::string last = lower_case(module.substr(module.rfind('.') + 1));
  return last.find("attn") != std::string::npos || last.find("attention") != std::string::npos;
}

// One number, or one a head; a matrix would be a parameter.
bool is_vector(const Tensor& tensor) {
  return std::count_if(tensor.shape.begin(), tensor.shape.end(),
                       [](std::uint64_t extent) { return extent != 1; }) <= 1;
}

}  // namespace

bool is_attention_scale(const Tensor& tensor) {
  const std::optional<TensorName> name = split_tensor_name(tensor.name);
  if (!name.has_value() || name->module.empty() || !is_vector(tensor)) return false;
  if (std::find(kOfAttention.begin(), kOfAttention.end(), name->suffix) != kOfAttention.end() &&
      is_attention(name->module)) {
    return true;
  }
  const std::string_view last = name->module.substr(name->module.rfind('.') + 1);
  return std::any_of(kOfProjections.begin(), kOfProjections.end(), [&](const OfProjection& one) {
    return one.projection == last && one.scale == name->suffix;
  });
}

}  // namespace thaw
