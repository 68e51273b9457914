#include "plan/expert_sources.h"

#include <algorithm>
#include <charconv>
#include <optional>

namespace thaw {

namespace {

bool contains(const std::vector<std::string>& names, std::string_view one) {
  return std::find(names.begin(), names.end(), one) != names.end();
}

std::optional<ExpertRole> role_of(const ExpertForm& form, std::string_view name) {
  if (contains(form.gate, name)) return ExpertRole::gate;
  if (contains(form.up, name)) return ExpertRole::up;
  if (contains(form.down, name)) return ExpertRole::down;
  return std::nullopt;
}

class Finder {
 public:
  Finder(const Checkpoint& checkpoint, const QuantizedLinears& linears, const ModelSpec& spec,
         const ExpertForm& form)
      : checkpoint_(checkpoint), linears_(linears), spec_(spec), form_(form) {}

  std::vector<ExpertGroup> run() {
    for (const QuantizedLinear& linear : linears_.linears) {
      add(linear.module, {.linear = &linear}, false);
    }
    for (std::size_t i = 0; i < checkpoint_.tensors().size(); ++i) {
      if (linears_.consumed[i] != 0) continue;
      const Tensor& tensor = checkpoint_.tensors()[i];
      std::string_view name = tensor.name;
      const bool bias = name.ends_with(".bias") || name.ends_with("_bias");
      for (const std::string_view suffix : {".weight", ".bias", "_bias"}) {
        if (!name.ends_with(suffix)) continue;
        name.remove_suffix(suffix.size());
        break;
      }
      add(name, {.tensor = &tensor}, bias);
    }
    std::vector<ExpertGroup> groups;
    for (auto& [path, group] : groups_) groups.push_back(std::move(group));
    return groups;
  }

 private:
  // `name`: of a module or parameter, without .weight and .bias.
  void add(std::string_view name, const ExpertSource& source, bool bias) {
    const BlockMember found = find_block(spec_, name);
    if (found.block.empty() || !found.member.starts_with(form_.module)) return;
    std::string_view rest = found.member.substr(form_.module.size());
    if (!rest.starts_with('.')) return;
    rest.remove_prefix(1);
    const std::string_view path = name.substr(0, name.size() - rest.size() - 1);
    if (rest == kGateUpName || rest == kDownName) {
      // A float of fewer dimensions is something else under the same name.
      if (source.linear == nullptr && source.tensor->shape.size() != (bias ? 2u : 3u)) return;
      ExpertGroup& group = group_at(path);
      const bool first = rest == kGateUpName;
      (bias ? (first ? group.gate_up_bias : group.down_bias)
            : (first ? group.gate_up : group.down)) = source;
      return;
    }
    std::uint64_t number = 0;
    const auto read = std::from_chars(rest.data(), rest.data() + rest.size(), number);
    const std::string_view after(read.ptr,
                                 static_cast<std::size_t>(rest.data() + rest.size() - read.ptr));
    if (read.ec != std::errc() || !after.starts_with('.')) return;
    const std::optional<ExpertRole> role = role_of(form_, after.substr(1));
    if (!role) return;
    if (source.linear == nullptr && source.tensor->shape.size() != (bias ? 1u : 2u)) return;
    Expert& expert = group_at(path).experts[number];
    (bias ? expert.biases : expert.weights)[static_cast<std::size_t>(*role)] = source;
  }

  ExpertGroup& group_at(std::string_view path) {
    ExpertGroup& group = groups_[path];
    group.path = path;
    return group;
  }

  const Checkpoint& checkpoint_;
  const QuantizedLinears& linears_;
  const ModelSpec& spec_;
  const ExpertForm& form_;
  std::map<std::string_view, ExpertGroup> groups_;
};

}  // namespace

std::vector<std::uint64_t> ExpertSource::shape() const {
  if (linear != nullptr) return weight_shape(*linear);
  return {tensor->shape.begin(), tensor->shape.end()};
}

std::vector<ExpertGroup> find_experts(const Checkpoint& checkpoint, const QuantizedLinears& linears,
                                      const ModelSpec& spec, const ExpertForm& form) {
  return Finder(checkpoint, linears, spec, form).run();
}

}  // namespace thaw
