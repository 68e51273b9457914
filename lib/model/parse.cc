// A spec from the text of its file: specs/models.md clause 2.
#include <algorithm>
#include <utility>

#include "base/text.h"
#include "json/node.h"
#include "model/module_name.h"
#include "model/spec.h"
#include "model/spec_keys.h"

namespace thaw {

namespace {

bool contains(const std::vector<std::string>& items, std::string_view one) {
  return std::find(items.begin(), items.end(), one) != items.end();
}

bool is_module(const ModelSpec& spec, std::string_view name) {
  return contains(spec.linears, name) || contains(spec.floats, name);
}

std::string indexed(const char* key, std::size_t index) {
  return std::string(key).append("[").append(std::to_string(index)).append("]");
}

// The items of an array with their keys, "key[0]" and so on; nothing when it is not there.
template <typename Read>
void each_item(SpecKeys& keys, const json::Node* node, const char* key, const Read& read) {
  if (node == nullptr) return;
  if (node->kind != json::Kind::array) return keys.add(key, "is not an array");
  for (std::size_t i = 0; i < node->items.size(); ++i) read(node->items[i], indexed(key, i));
}

// No module is described twice, be it by a '#'.
void check_modules(SpecKeys& keys, const ModelSpec& spec) {
  std::vector<std::string_view> seen;
  for (const auto* list : {&spec.linears, &spec.floats}) {
    const char* const key = list == &spec.linears ? "linears" : "floats";
    for (const std::string& name : *list) {
      for (const std::string_view other : seen) {
        if (overlap(other, name)) keys.add(key, in_quotes(name) + " is also " + in_quotes(other));
      }
      seen.push_back(name);
    }
  }
  for (const std::string& name : spec.optional) {
    if (is_module(spec, name)) continue;
    keys.add("optional", in_quotes(name) + " is not one of the linears or floats");
  }
}

void read_absorbs(SpecKeys& keys, const json::Node& item, const std::string& key, ModelSpec& spec) {
  if (!keys.check(item, key, {"module", "linears"}, {"offset"})) return;
  Absorbs rule{keys.pattern(*item.find("module"), key + ".module"),
               keys.patterns(*item.find("linears"), key + ".linears")};
  if (!rule.module.empty() && !is_module(spec, rule.module)) {
    keys.add(key + ".module", in_quotes(rule.module) + " is not one of the linears or floats");
  }
  for (const std::string& linear : rule.linears) {
    if (!contains(spec.linears, linear)) {
      keys.add(key + ".linears", in_quotes(linear) + " is not one of the linears");
    } else if (linear == rule.module) {
      keys.add(key + ".linears", in_quotes(linear) + " is the module itself");
    }
  }
  if (const json::Node* offset = item.find("offset")) {
    const auto value = offset->as_integer();
    if (!value) keys.add(key + ".offset", "is not an integer");
    rule.offset = value ? static_cast<double>(*value) : 0;
  }
  for (const Absorbs& other : spec.absorbs) {
    if (other.module == rule.module) {
      keys.add(key + ".module", "stands in another rule too");
      continue;
    }
    // Two modules may scale one linear only where a block has but one of the two.
    if (contains(spec.optional, other.module) && contains(spec.optional, rule.module)) continue;
    for (const std::string& linear : rule.linears) {
      if (!contains(other.linears, linear)) continue;
      keys.add(key + ".linears", in_quotes(linear) + " stands in the rule of " +
                                     in_quotes(other.module) + " too, and not both are optional");
    }
  }
  spec.absorbs.push_back(std::move(rule));
}

void read_scales(SpecKeys& keys, const json::Node& item, const std::string& key, ModelSpec& spec) {
  if (!keys.check(item, key, {"scales", "divides"}, {})) return;
  ActivationScales rule{keys.pattern(*item.find("scales"), key + ".scales"),
                        keys.pattern(*item.find("divides"), key + ".divides")};
  if (!rule.scales.empty() && !rule.scales.ends_with(".scales")) {
    keys.add(key + ".scales", "does not end in .scales, as the tensors of scaled activations do");
  }
  if (!rule.divides.empty() && !contains(spec.linears, rule.divides)) {
    keys.add(key + ".divides", in_quotes(rule.divides) + " is not one of the linears");
  }
  const auto numbers = [](const std::string& name) {
    return std::count(name.begin(), name.end(), '#');
  };
  if (numbers(rule.scales) != numbers(rule.divides)) {
    keys.add(key + ".divides", "has another number of # than " + in_quotes(rule.scales));
  }
  for (const ActivationScales& other : spec.activation_scales) {
    if (overlap(other.scales, rule.scales)) {
      keys.add(key + ".scales", "stands in another rule too");
    }
    if (overlap(other.divides, rule.divides)) {
      keys.add(key + ".divides", "stands in another rule too");
    }
  }
  spec.activation_scales.push_back(std::move(rule));
}

void read_prefixes(SpecKeys& keys, const json::Node& item, const std::string& key,
                   ModelSpec& spec) {
  std::vector<std::string> part = keys.names(item, key);
  for (const std::string& spelling : part) {
    if (contains(spec.layers, spelling)) {
      keys.add(key, in_quotes(spelling) + " is where the layers are");
    }
    for (const std::vector<std::string>& other : spec.prefixes) {
      if (contains(other, spelling)) {
        keys.add(key, in_quotes(spelling) + " stands in another list too");
      }
    }
  }
  spec.prefixes.push_back(std::move(part));
}

bool read_flag(SpecKeys& keys, const json::Node& item, const char* name) {
  const json::Node* flag = item.find(name);
  if (flag == nullptr) return false;
  if (flag->kind != json::Kind::boolean)
    keys.add(std::string("experts.") + name, "is not a boolean");
  return flag->kind == json::Kind::boolean && flag->boolean;
}

void read_experts(SpecKeys& keys, const json::Node* item, ModelSpec& spec) {
  if (item == nullptr) return;
  if (!keys.check(*item, "experts", {"module", "gate", "up", "down"},
                  {"fused", "transposed", "interleaved", "biases", "count"})) {
    return;
  }
  ExpertForm form;
  form.module = keys.name(*item->find("module"), "experts.module");
  form.gate = keys.names(*item->find("gate"), "experts.gate");
  form.up = keys.names(*item->find("up"), "experts.up");
  form.down = keys.names(*item->find("down"), "experts.down");
  form.fused = read_flag(keys, *item, "fused");
  form.transposed = read_flag(keys, *item, "transposed");
  form.interleaved = read_flag(keys, *item, "interleaved");
  form.biases = read_flag(keys, *item, "biases");
  if (const json::Node* count = item->find("count")) {
    form.count = keys.names(*count, "experts.count");
  }
  if ((form.transposed || form.interleaved || form.biases) && !form.fused) {
    keys.add("experts", "says how experts are fused that are not");
  }
  std::vector<std::string_view> seen;
  for (const auto* names : {&form.gate, &form.up, &form.down}) {
    for (const std::string& name : *names) {
      if (std::find(seen.begin(), seen.end(), name) != seen.end()) {
        keys.add("experts", in_quotes(name) + " means two linears of an expert");
      }
      seen.push_back(name);
    }
  }
  spec.experts = std::move(form);
}

ModelSpec read_spec(SpecKeys& keys, const std::string& file, const json::Node& root) {
  ModelSpec spec;
  spec.file = file;
  const std::size_t slash = file.rfind('/');
  spec.name = file.substr(slash == std::string::npos ? 0 : slash + 1);
  if (spec.name.ends_with(".json")) spec.name.resize(spec.name.size() - 5);
  if (!keys.check(root, "", {"model_types", "layers", "linears"},
                  {"layer_count", "extra_layer_count", "floats", "optional", "absorbs",
                   "activation_scales", "prefixes", "experts"})) {
    return spec;
  }
  const auto names = [&](const char* key) {
    const json::Node* node = root.find(key);
    return node == nullptr ? std::vector<std::string>() : keys.names(*node, key);
  };
  const auto patterns = [&](const char* key) {
    const json::Node* node = root.find(key);
    return node == nullptr ? std::vector<std::string>() : keys.patterns(*node, key);
  };
  spec.model_types = keys.strings(*root.find("model_types"), "model_types");
  spec.layers = names("layers");
  spec.layer_count = names("layer_count");
  spec.extra_layer_count = names("extra_layer_count");
  spec.linears = patterns("linears");
  spec.floats = patterns("floats");
  spec.optional = patterns("optional");
  check_modules(keys, spec);
  each_item(
      keys, root.find("absorbs"), "absorbs",
      [&](const json::Node& item, const std::string& key) { read_absorbs(keys, item, key, spec); });
  each_item(
      keys, root.find("activation_scales"), "activation_scales",
      [&](const json::Node& item, const std::string& key) { read_scales(keys, item, key, spec); });
  read_experts(keys, root.find("experts"), spec);
  each_item(keys, root.find("prefixes"), "prefixes",
            [&](const json::Node& item, const std::string& key) {
              read_prefixes(keys, item, key, spec);
            });
  return spec;
}

}  // namespace

// Names are compared with each other, so their number is bounded; real specs have some dozens.
constexpr std::size_t kMostValues = 5000;

Result<ModelSpec> parse_model_spec(const std::string& file, std::string_view text) {
  THAW_ASSIGN_OR_RETURN(const json::Node root,
                        json::parse(file, text, {.most_values = kMostValues}));
  SpecKeys keys(file);
  ModelSpec spec = read_spec(keys, file, root);
  THAW_RETURN_IF_ERROR(keys.take_errors());
  return spec;
}

}  // namespace thaw
