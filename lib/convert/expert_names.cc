#include "convert/expert_names.h"

#include <algorithm>
#include <array>
#include <string>
#include <string_view>

#include "base/text.h"

namespace thaw {

namespace {

// What transformers 5.24 saves with fused experts, or with other names than the quantizers'.
constexpr std::array<std::string_view, 9> kOtherForm = {
    "gemma4",     "gemma4_text", "gpt_oss",      "llama4",           "llama4_text",
    "minimax_m2", "mixtral",     "qwen3_vl_moe", "qwen3_vl_moe_text"};

bool has_other_form(const Checkpoint& checkpoint) {
  const json::Node* type = checkpoint.config().find("model_type");
  const auto name = type != nullptr ? type->as_string() : std::nullopt;
  return name && std::find(kOtherForm.begin(), kOtherForm.end(), *name) != kOtherForm.end();
}

// "model.layers.0.mlp.experts.3.up_proj"; Mixtral's own w1, w2 and w3 are what it is saved with.
bool is_split_expert(std::string_view module) {
  constexpr std::string_view kExperts = ".experts.";
  const std::size_t at = module.find(kExperts);
  if (at == std::string_view::npos || at + kExperts.size() >= module.size()) return false;
  const char next = module[at + kExperts.size()];
  const std::string_view last = module.substr(module.rfind('.') + 1);
  return next >= '0' && next <= '9' && last != "w1" && last != "w2" && last != "w3";
}

}  // namespace

void warn_of_expert_names(const Checkpoint& checkpoint, QuantizedLinears& linears) {
  const bool other_form = has_other_form(checkpoint);
  std::size_t count = 0;
  const QuantizedLinear* first = nullptr;
  for (const QuantizedLinear& linear : linears.linears) {
    const bool in_one = linear.rows_per_slice != 0;
    if (!in_one && !(other_form && is_split_expert(linear.module))) continue;
    if (count++ == 0) first = &linear;
  }
  if (count == 0) return;
  linears.warnings.push_back(
      std::to_string(count) + (count == 1 ? " module" : " modules") +
      " of experts keep the names and the form that the quantizer gave them (first: " +
      printable(first->module) +
      "), which may not be the architecture's: transformers saves such experts fused or under "
      "other "
      "names, and a reader may not find these");
}

}  // namespace thaw
