#include "plan/overlay_experts.h"

#include <algorithm>
#include <map>
#include <string>
#include <string_view>
#include <utility>

#include "plan/block_member.h"
#include "plan/expert_sources.h"

namespace thaw {

namespace {

constexpr const char* kHint =
    "The experts of the quantized checkpoint have to be those of the base, all of them.";

// "up_proj" of "model.layers.0.mlp.experts.3.up_proj.weight".
std::string own_name(std::string_view path, std::string_view tensor) {
  tensor.remove_prefix(path.size() + 1);
  tensor.remove_prefix(std::min(tensor.find('.') + 1, tensor.size()));
  return std::string(tensor.substr(0, tensor.rfind('.')));
}

// As the base holds them: its names, fused or not, and which dimension comes first.
ExpertForm form_of(const ExpertGroup& base, ExpertForm form, const Checkpoint& checkpoint) {
  form.fused = base.is_fused();
  if (!form.fused) {
    for (const auto& [role, names] :
         {std::pair(ExpertRole::gate, &form.gate), std::pair(ExpertRole::up, &form.up),
          std::pair(ExpertRole::down, &form.down)}) {
      const ExpertSource& weight =
          base.experts.begin()->second.weights[static_cast<std::size_t>(role)];
      if (!weight.empty()) *names = {own_name(base.path, weight.name())};
    }
    form.transposed = false;
    form.interleaved = false;
    form.biases = false;
    return form;
  }
  const Orientation found = outputs_first(base, hidden_size(checkpoint));
  const std::optional<bool> first = found.gate_up ? found.gate_up : found.down;
  if (first) form.transposed = !*first;
  form.biases = !base.gate_up_bias.empty() || !base.down_bias.empty();
  return form;
}

}  // namespace

Result<std::vector<ExpertTensor>> experts_like_base(const OverlayRequest& request) {
  const ModelSpec& spec = *request.spec;
  if (!spec.experts) return std::vector<ExpertTensor>();
  QuantizedLinears none;
  none.consumed.resize(request.base->tensors().size());
  const std::vector<ExpertGroup> groups = find_experts(*request.base, none, spec, *spec.experts);
  std::map<std::string, const ExpertGroup*> by_path;  // of the quantized checkpoint
  for (const ExpertGroup& group : groups) {
    const Member member = member_of(request.base_blocks, group.path);
    if (!member.name.empty()) by_path[name_in(request.quantized_blocks, member)] = &group;
  }
  const auto form = [&](const ExpertGroup& group) -> std::optional<ExpertForm> {
    const auto found = by_path.find(std::string(group.path));
    if (found == by_path.end()) return std::nullopt;
    return form_of(*found->second, *spec.experts, *request.base);
  };
  THAW_ASSIGN_OR_RETURN(ExpertTensors experts, describe_experts({.checkpoint = request.quantized,
                                                                 .linears = request.linears,
                                                                 .spec = &spec,
                                                                 .form_of = form,
                                                                 .hint = kHint}));
  return std::move(experts.tensors);
}

}  // namespace thaw
