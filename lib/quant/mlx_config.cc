#include "quant/mlx_config.h"

#include <optional>
#include <string>

#include "base/text.h"
#include "quant/config_places.h"

namespace thaw {

namespace {

constexpr std::string_view kKey = "quantization";

class Reader {
 public:
  Reader(std::string file, ErrorList& errors) : file_(std::move(file)), errors_(errors) {}

  MlxConfig read(const json::Node& node) {
    MlxConfig config;
    config.said = true;
    if (!node.is_object()) {
      error(std::string(kKey), node, "an object");
      return config;
    }
    config.all = claim(node, std::string(kKey));
    for (const auto& [name, value] : node.members) {
      const std::string key = std::string(kKey) + "." + name;
      if (value.is_object()) {
        config.modules[name] = claim(value, key);
      } else if (value.as_boolean() == true) {
        config.modules[name] = config.all;
      }  // false: left as it was; the tensors tell
    }
    return config;
  }

 private:
  MlxClaim claim(const json::Node& node, const std::string& at) {
    MlxClaim claim;
    claim.bits = integer(node, at, "bits", 2, 8);
    claim.group_size = integer(node, at, "group_size", 1, kLargestGroup);
    const json::Node* mode = node.find("mode");
    if (mode == nullptr || mode->kind == json::Kind::null) return claim;
    const std::optional<std::string_view> text = mode->as_string();
    if (!text.has_value()) error(at + ".mode", *mode, "a string");
    claim.mode = std::string(text.value_or("affine"));
    return claim;
  }

  std::int64_t integer(const json::Node& node, const std::string& at, const char* name,
                       std::int64_t least, std::int64_t most) {
    const json::Node* found = node.find(name);
    if (found == nullptr || found->kind == json::Kind::null) return 0;
    const std::optional<std::int64_t> value = found->as_integer();
    if (value.has_value() && *value >= least && *value <= most) return *value;
    error(at + "." + name, *found, std::to_string(least) + " to " + std::to_string(most));
    return 0;
  }

  void error(const std::string& key, const json::Node& got, const std::string& expected) {
    errors_.add(fail(ErrorCode::input, Place{file_, {}}, printable(key), node_text(got), expected));
  }

  std::string file_;
  ErrorList& errors_;
};

}  // namespace

MlxConfig read_mlx_config(const Checkpoint& checkpoint, ErrorList& errors) {
  const json::Node* node = checkpoint.config().find(kKey);
  if (node == nullptr || node->kind == json::Kind::null) return {};
  return Reader(config_file_path(checkpoint, "config.json"), errors).read(*node);
}

const MlxClaim& MlxConfig::claim_of(std::string_view module) const {
  const auto found = modules.find(module);
  return found == modules.end() ? all : found->second;
}

}  // namespace thaw
