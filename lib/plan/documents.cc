#include "plan/documents.h"

#include <algorithm>

#include "json/edit.h"
#include "json/write.h"

namespace thaw {

namespace {

// `quantization` is MLX's.
bool describes_quantization(std::string_view key, const json::Node& value) {
  if (key == "quantization") {
    return value.find("bits") != nullptr && value.find("group_size") != nullptr;
  }
  return key == "quantization_config" || key == "compression_config";
}

bool names_half_type(std::string_view key, const json::Node& value) {
  if (key != "dtype" && key != "torch_dtype") return false;
  const auto name = value.as_string();
  const auto dtype = name ? parse_torch_dtype(*name) : std::nullopt;
  return dtype == Dtype::f16 || dtype == Dtype::bf16;
}

void edit(const json::Node& node, Dtype dtype, json::Editor& editor) {
  for (std::size_t i = 0; i < node.members.size(); ++i) {
    const auto& [key, value] = node.members[i];
    if (describes_quantization(key, value)) {
      editor.remove_member(node, i);
    } else if (names_half_type(key, value)) {
      // Keep the spelling: "torch.float16" stays a torch name.
      const bool prefixed = value.as_string()->substr(0, 6) == "torch.";
      const std::string name(torch_dtype_name(dtype));
      editor.replace(value, prefixed ? "\"torch." + name + "\"" : "\"" + name + "\"");
    } else {
      edit(value, dtype, editor);
    }
  }
  for (const json::Node& item : node.items) edit(item, dtype, editor);
}

}  // namespace

std::string index_document(std::span<const PlannedTensor> tensors,
                           std::span<const PlannedShard> shards) {
  std::vector<std::pair<std::uint32_t, std::size_t>> entries;  // tensor, shard
  std::uint64_t total = 0;
  for (std::size_t shard = 0; shard < shards.size(); ++shard) {
    for (const std::uint32_t i : shards[shard].tensors) {
      entries.emplace_back(i, shard);
      total += tensors[i].size;
    }
  }
  std::sort(entries.begin(), entries.end(), [&](const auto& a, const auto& b) {
    return tensors[a.first].name < tensors[b.first].name;
  });
  std::string text = "{\n  \"metadata\": {\n    \"total_size\": " + std::to_string(total) +
                     "\n  },\n  \"weight_map\": {";
  bool first = true;
  for (const auto& [tensor, shard] : entries) {
    text += first ? "\n    " : ",\n    ";
    first = false;
    json::append_string(text, tensors[tensor].name);
    text += ": ";
    json::append_string(text, shards[shard].name);
  }
  text += first ? "}\n}\n" : "\n  }\n}\n";
  return text;
}

std::string edited_config(std::string_view text, const json::Node& config, Dtype dtype) {
  json::Editor editor(text);
  edit(config, dtype, editor);
  return editor.apply();
}

}  // namespace thaw
