// Where the quantization configs of a checkpoint are. Internal to lib/quant.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "checkpoint/checkpoint.h"
#include "json/node.h"

namespace thaw {

// ModelOpt's, whose member `quantization` is the config.
inline constexpr std::string_view kModelOptFile = "hf_quant_config.json";

struct ConfigPlace {
  std::string file;                  // path, for messages
  std::string name;                  // "config.json"
  std::string key;                   // "text_config.quantization_config"; empty: the whole file
  const json::Node* node = nullptr;  // points into the Checkpoint

  // "config.json: text_config.quantization_config".
  [[nodiscard]] std::string text() const { return key.empty() ? name : name + ": " + key; }
  // "text_config.quantization_config.bits".
  [[nodiscard]] std::string member(const std::string& of) const {
    return key.empty() ? of : key + "." + of;
  }
};

// In the order of specs/awq.md clause 7.1; a null value counts as absent.
[[nodiscard]] std::vector<ConfigPlace> find_config_places(const Checkpoint& checkpoint);

// A value as a message shows it: the text of a short one, the kind of others. In config.cc.
[[nodiscard]] std::string node_text(const json::Node& node);

// The path of config.json or of a file beside it.
[[nodiscard]] std::string config_file_path(const Checkpoint& checkpoint, const std::string& name);

}  // namespace thaw
