#include "model/survey.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "model/module_name.h"

namespace thaw {

namespace {

// The names of a quantized weight in the layouts that thaw reads.
bool is_packed_weight(std::string_view suffix) {
  return suffix == "qweight" || suffix.ends_with("_packed");
}

struct Numbered {
  std::string_view path;
  std::uint64_t number = 0;
  std::string_view member;
};

// "model.layers", 12 and "mlp.up.weight" of "model.layers.12.mlp.up.weight", by its first number.
std::optional<Numbered> split_at_number(std::string_view name) {
  for (std::size_t dot = name.find('.'); dot != std::string_view::npos;
       dot = name.find('.', dot + 1)) {
    const std::size_t end = name.find('.', dot + 1);
    if (end == std::string_view::npos) break;
    const std::string_view part = name.substr(dot + 1, end - dot - 1);
    if (!is_number(part)) continue;
    if (part.size() > 6 || (part.size() > 1 && part.front() == '0')) return std::nullopt;
    std::uint64_t number = 0;
    for (const char digit : part) number = number * 10 + static_cast<std::uint64_t>(digit - '0');
    return Numbered{name.substr(0, dot), number, name.substr(end + 1)};
  }
  return std::nullopt;
}

std::string with_marks(std::string_view name) {
  std::string marked;
  while (!name.empty()) {
    const std::string_view part = name.substr(0, name.find('.'));
    name.remove_prefix(std::min(name.size(), part.size() + 1));
    if (!marked.empty()) marked += '.';
    marked += is_number(part) ? "#" : part;
  }
  return marked;
}

bool contains(std::string_view text, std::string_view word) {
  return text.find(word) != std::string_view::npos;
}

}  // namespace

LayerPath find_layer_path(const Checkpoint& checkpoint) {
  struct Candidate {
    std::set<std::uint64_t> numbers;
    std::uint64_t bytes = 0;
    bool packed = false;
  };
  std::map<std::string, Candidate, std::less<>> candidates;
  for (const Tensor& tensor : checkpoint.tensors()) {
    const auto split = split_at_number(tensor.name);
    if (!split) continue;
    auto found = candidates.find(split->path);
    if (found == candidates.end()) found = candidates.emplace(split->path, Candidate()).first;
    found->second.numbers.insert(split->number);
    found->second.bytes += tensor.size();
    const std::string_view module = without_last_part(split->member);
    if (module.empty()) continue;
    if (is_packed_weight(split->member.substr(module.size() + 1))) found->second.packed = true;
  }
  // A vision tower may have more blocks than the language model, and more bytes than its packed
  // ones.
  const auto best =
      std::max_element(candidates.begin(), candidates.end(), [](const auto& a, const auto& b) {
        return std::pair(a.second.packed, a.second.bytes) <
               std::pair(b.second.packed, b.second.bytes);
      });
  if (best == candidates.end()) return {};
  return {best->first, std::move(best->second.numbers)};
}

LayerCounts find_layer_counts(const json::Node& config, std::uint64_t blocks) {
  constexpr std::array<std::string_view, 4> kKeys = {"num_hidden_layers", "n_layer", "n_layers",
                                                     "num_layers"};
  constexpr std::string_view kExtra = "num_nextn_predict_layers";
  LayerCounts counts;
  const auto look = [&](const json::Node& object, const std::string& prefix) {
    const auto number = [&](std::string_view key) {
      const json::Node* node = object.find(key);
      const auto value = node == nullptr ? std::nullopt : node->as_integer();
      return value && *value > 0 ? static_cast<std::uint64_t>(*value) : 0;
    };
    const std::uint64_t extra = number(kExtra);
    for (const std::string_view key : kKeys) {
      const std::uint64_t value = number(key);
      if (value == 0) continue;
      const bool with_extra = extra != 0 && value < blocks && blocks - value == extra;
      if (value != blocks && !with_extra) continue;
      if (!counts.keys.empty() && with_extra != (counts.extra != 0)) continue;
      counts.keys.push_back(std::string(prefix).append(key));
      if (extra != 0) counts.extra_keys.push_back(std::string(prefix).append(kExtra));
      if (with_extra) counts.extra = extra;
      break;
    }
  };
  look(config, "");
  for (const auto& [key, value] : config.members) {
    const bool other = contains(key, "vision") || contains(key, "audio") || contains(key, ".");
    if (value.is_object() && !key.empty() && !other) look(value, key + ".");
  }
  return counts;
}

std::map<std::string, BlockModule> find_modules(const Checkpoint& checkpoint,
                                                const std::string& path, std::uint64_t count) {
  std::map<std::string, BlockModule> modules;
  for (const Tensor& tensor : checkpoint.tensors()) {
    const auto split = split_at_number(tensor.name);
    if (!split || split->path != path || split->number >= count) continue;
    const std::string_view module = without_last_part(split->member);
    const std::string_view suffix = split->member.substr(module.empty() ? 0 : module.size() + 1);
    BlockModule& found = modules[with_marks(module.empty() ? split->member : module)];
    found.packed |= is_packed_weight(suffix);
    found.matrix |= suffix == "weight" && tensor.shape.size() == 2;
    found.experts |= tensor.shape.size() == 3 && suffix != "weight";
    found.only_scales &= suffix == "scales" && tensor.shape.size() == 1;
    found.blocks.insert(split->number);
  }
  return modules;
}

std::set<std::string> find_parts(const Checkpoint& checkpoint, const std::string& path) {
  std::set<std::string> parts;
  for (const Tensor& tensor : checkpoint.tensors()) {
    std::size_t end = tensor.name.find('.');
    while (end != std::string_view::npos && has_prefix(path, tensor.name.substr(0, end))) {
      end = tensor.name.find('.', end + 1);
    }
    const std::string_view part = tensor.name.substr(0, end);
    if (!has_prefix(part, path) && !has_prefix(path, part)) parts.emplace(part);
  }
  return parts;
}

}  // namespace thaw
