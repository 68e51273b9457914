#include "checkpoint/companions.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "checkpoint/file_role.h"
#include "checkpoint/header.h"
#include "checkpoint/shard.h"

namespace thaw {

namespace {

// A number of blocks, a switch, or a config of its own.
bool says_there_are_some(const json::Node& value) {
  if (const auto number = value.as_integer()) return *number > 0;
  if (const auto flag = value.as_boolean()) return *flag;
  return value.is_object() && !value.members.empty();
}

// Whether one of the tensor's name's parts begins as those of such blocks do: mtp.layers.0.
bool lies_in_prediction_block(std::string_view tensor) {
  for (std::size_t at = 0; at < tensor.size();) {
    const std::size_t dot = std::min(tensor.find('.', at), tensor.size());
    const std::string_view part = tensor.substr(at, dot - at);
    if (part.starts_with("mtp") || part.starts_with("nextn")) return true;
    at = dot + 1;
  }
  return false;
}

bool is_packed(const Tensor& tensor) {
  constexpr std::array<std::string_view, 5> kEndings = {"qweight", "qzeros", "weight_packed",
                                                        "_packed", "_blocks"};
  return std::any_of(kEndings.begin(), kEndings.end(),
                     [&](std::string_view ending) { return tensor.name.ends_with(ending); });
}

}  // namespace

bool has_prediction_blocks(const json::Node& config) {
  for (const auto& [key, value] : config.members) {
    if (key == "quantization_config" || key == "compression_config") continue;
    if (names_prediction_blocks(key) && says_there_are_some(value)) return true;
    if (has_prediction_blocks(value)) return true;
  }
  return false;
}

Result<CompanionKind> companion_kind(FileSystem& file_system, const std::string& directory,
                                     const std::string& name, std::span<const Tensor> tensors,
                                     bool expected) {
  TensorTable table;
  const Result<Shard> shard = open_shard(file_system, directory, name, 0, table);
  const bool by_name = names_prediction_blocks(name);
  if (!shard.ok()) {
    if (by_name && expected) return Status(shard.error());
    return by_name ? CompanionKind::unnamed : CompanionKind::separate;
  }
  const auto is_known = [&](const Tensor& tensor) {
    const auto found =
        std::lower_bound(tensors.begin(), tensors.end(), tensor.name,
                         [](const Tensor& t, std::string_view key) { return t.name < key; });
    return found != tensors.end() && found->name == tensor.name;
  };
  if (std::any_of(table.tensors.begin(), table.tensors.end(), is_known)) {
    return CompanionKind::repeated;
  }
  const bool by_content =
      !table.tensors.empty() &&
      std::all_of(table.tensors.begin(), table.tensors.end(),
                  [](const Tensor& tensor) { return lies_in_prediction_block(tensor.name); });
  if (by_name || by_content) return expected ? CompanionKind::part : CompanionKind::unnamed;
  if (std::any_of(table.tensors.begin(), table.tensors.end(), is_packed)) {
    return CompanionKind::packed;
  }
  return CompanionKind::separate;
}

}  // namespace thaw
