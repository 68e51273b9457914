#include "model/spec.h"

#include <algorithm>
#include <initializer_list>
#include <utility>

#include "base/text.h"
#include "json/node.h"

namespace thaw {

namespace {

bool is_number(std::string_view part) {
  return !part.empty() && part.find_first_not_of("0123456789") == std::string_view::npos;
}

// Parts between dots, none of them empty: "mlp.act.scales".
bool is_dotted_name(std::string_view name) {
  return !name.empty() && name.front() != '.' && name.back() != '.' &&
         name.find("..") == std::string_view::npos;
}

std::string quoted(std::string_view name) {
  return std::string("\"").append(printable(name)).append("\"");
}

template <typename Items>
bool contains(const Items& items, std::string_view one) {
  return std::find(items.begin(), items.end(), one) != items.end();
}

// Reads one file. Every problem is noted with the key it stands at, and reading goes on.
class SpecReader {
 public:
  explicit SpecReader(const std::string& file) : file_(file) {}

  ModelSpec read(const json::Node& root) {
    ModelSpec spec;
    spec.file = file_;
    const std::size_t slash = file_.rfind('/');
    spec.name = file_.substr(slash == std::string::npos ? 0 : slash + 1);
    if (spec.name.ends_with(".json")) spec.name.resize(spec.name.size() - 5);
    if (!check_keys(root, "", {"model_types", "layers", "linears"}, {"activation_scales"})) {
      return spec;
    }
    spec.model_types = strings(root, "model_types");
    spec.layers = names(root, "layers");
    spec.linears = names(root, "linears");
    if (const json::Node* scales = root.find("activation_scales")) read_scales(*scales, spec);
    return spec;
  }

  Status take_errors() { return errors_.take(); }

 private:
  void add(const std::string& key, const std::string& what) {
    const std::string where = key.empty() ? "" : printable(key) + ": ";
    errors_.add(fail(ErrorCode::input, Place{file_, {}}, where + what));
  }

  // `node` is an object with all of `required`, any of `optional` and nothing else.
  bool check_keys(const json::Node& node, const std::string& key,
                  std::initializer_list<std::string_view> required,
                  std::initializer_list<std::string_view> optional) {
    if (!node.is_object()) {
      add(key, "is not an object");
      return false;
    }
    const std::string prefix = key.empty() ? "" : key + ".";
    bool complete = true;
    for (const auto& [name, value] : node.members) {
      if (!contains(required, name) && !contains(optional, name)) {
        add(prefix + name, "is not a key of a model spec");
      }
    }
    for (const std::string_view name : required) {
      if (node.find(name) != nullptr) continue;
      add(prefix + std::string(name), "is missing");
      complete = false;
    }
    return complete;
  }

  std::vector<std::string> strings(const json::Node& root, const std::string& key) {
    const json::Node& node = *root.find(key);
    std::vector<std::string> found;
    if (node.kind != json::Kind::array || node.items.empty()) {
      add(key, "is not an array of at least one string");
      return found;
    }
    for (const json::Node& item : node.items) {
      if (item.kind != json::Kind::string || item.string.empty()) {
        add(key, "holds something that is not a string, or an empty one");
      } else if (contains(found, item.string)) {
        add(key, "holds " + quoted(item.string) + " twice");
      } else {
        found.push_back(item.string);
      }
    }
    return found;
  }

  std::vector<std::string> names(const json::Node& root, const std::string& key) {
    std::vector<std::string> found = strings(root, key);
    for (const std::string& name : found) check_name(key, name);
    return found;
  }

  void check_name(const std::string& key, const std::string& name) {
    if (is_dotted_name(name)) return;
    add(key, quoted(name) + " is not a name of parts between single dots");
  }

  std::string member(const json::Node& node, const std::string& key, const char* name) {
    const json::Node& value = *node.find(name);
    if (value.kind != json::Kind::string) {
      add(key + "." + name, "is not a string");
      return {};
    }
    check_name(key + "." + name, value.string);
    return value.string;
  }

  void read_scales(const json::Node& node, ModelSpec& spec) {
    if (node.kind != json::Kind::array) return add("activation_scales", "is not an array");
    for (std::size_t i = 0; i < node.items.size(); ++i) {
      const std::string key = "activation_scales[" + std::to_string(i) + "]";
      if (!check_keys(node.items[i], key, {"scales", "divides"}, {})) continue;
      ActivationScales rule{member(node.items[i], key, "scales"),
                            member(node.items[i], key, "divides")};
      if (!rule.scales.ends_with(".scales")) {
        add(key + ".scales", "does not end in .scales, as the tensors of scaled activations do");
      }
      if (!contains(spec.linears, rule.divides)) {
        add(key + ".divides", quoted(rule.divides) + " is not one of the linears");
      }
      for (const ActivationScales& other : spec.activation_scales) {
        if (other.scales == rule.scales) add(key + ".scales", "stands in another rule too");
        if (other.divides == rule.divides) add(key + ".divides", "stands in another rule too");
      }
      spec.activation_scales.push_back(std::move(rule));
    }
  }

  const std::string& file_;
  ErrorList errors_;
};

}  // namespace

BlockMember find_block(const ModelSpec& spec, std::string_view tensor) {
  for (const std::string& layers : spec.layers) {
    if (!tensor.starts_with(layers) || tensor.size() <= layers.size() + 1) continue;
    if (tensor[layers.size()] != '.') continue;
    const std::size_t begin = layers.size() + 1;
    const std::size_t dot = tensor.find('.', begin);
    if (dot == std::string_view::npos || !is_number(tensor.substr(begin, dot - begin))) continue;
    return {tensor.substr(0, dot), tensor.substr(dot + 1)};
  }
  return {};
}

Result<ModelSpec> parse_model_spec(const std::string& file, std::string_view text) {
  THAW_ASSIGN_OR_RETURN(const json::Node root, json::parse(file, text, {}));
  SpecReader reader(file);
  ModelSpec spec = reader.read(root);
  THAW_RETURN_IF_ERROR(reader.take_errors());
  return spec;
}

}  // namespace thaw
