#include "quant/config_places.h"

#include <string_view>

namespace thaw {

namespace {

constexpr std::string_view kQuantizationConfig = "quantization_config";
constexpr std::string_view kCompressionConfig = "compression_config";

bool is_nested_config(const std::string& key, const json::Node& value) {
  return value.is_object() && key.ends_with("_config") && key != kQuantizationConfig &&
         key != kCompressionConfig;
}

std::string below(const std::string& path, std::string_view key) {
  return (path.empty() ? "" : path + ".") + std::string(key);
}

class Walk {
 public:
  Walk(const Checkpoint& checkpoint, std::string_view wanted, std::vector<ConfigPlace>& found)
      : file_(config_file_path(checkpoint, "config.json")), wanted_(wanted), found_(found) {}

  // The object's own config first, then that of text_config (in a model of several parts it is
  // the language model that is quantized), then those of the other parts. The parser bounds the
  // depth.
  void visit(const json::Node& object, const std::string& path) {
    const json::Node* own = object.find(wanted_);
    if (own != nullptr && own->kind != json::Kind::null) {
      found_.push_back({file_, "config.json", below(path, wanted_), own});
      // transformers once wrapped the config of compressed-tensors in another.
      const json::Node* inner = own->find(kQuantizationConfig);
      if (inner != nullptr && inner->is_object()) {
        found_.push_back(
            {file_, "config.json", below(below(path, wanted_), kQuantizationConfig), inner});
      }
    }
    for (const bool text_config : {true, false}) {
      for (const auto& [key, value] : object.members) {
        if ((key == "text_config") == text_config && is_nested_config(key, value)) {
          visit(value, below(path, key));
        }
      }
    }
  }

 private:
  std::string file_;
  std::string_view wanted_;
  std::vector<ConfigPlace>& found_;
};

}  // namespace

std::vector<ConfigPlace> find_config_places(const Checkpoint& checkpoint) {
  std::vector<ConfigPlace> found;
  for (const std::string_view wanted : {kQuantizationConfig, kCompressionConfig}) {
    Walk(checkpoint, wanted, found).visit(checkpoint.config(), "");
  }
  for (const std::string_view name :
       {"quant_config.json", "quantize_config.json", "quantization_config.json"}) {
    for (const Checkpoint::QuantizationFile& file : checkpoint.quantization_files()) {
      if (file.name != name || file.content.kind == json::Kind::null) continue;
      found.push_back({config_file_path(checkpoint, file.name), file.name, "", &file.content});
    }
  }
  for (const Checkpoint::QuantizationFile& file : checkpoint.quantization_files()) {
    const json::Node* own =
        file.name == kModelOptFile ? file.content.find("quantization") : nullptr;
    if (own == nullptr || own->kind == json::Kind::null) continue;
    found.push_back({config_file_path(checkpoint, file.name), file.name, "quantization", own});
  }
  return found;
}

std::string config_file_path(const Checkpoint& checkpoint, const std::string& name) {
  // Where the shards are: the model may have been named by its repository.
  for (const Shard& shard : checkpoint.shards()) {
    const std::string& path = shard.file.path();
    if (path.ends_with(shard.name)) return path.substr(0, path.size() - shard.name.size()) + name;
  }
  return name;
}

}  // namespace thaw
