#include "prepare/layer_survey.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <tuple>

namespace thaw {

namespace {

// The number that a part of a name is; nothing for other parts and beyond nine digits.
std::optional<std::uint64_t> number_of(std::string_view part) {
  std::uint64_t number = 0;
  if (part.empty() || part.size() > 9) return std::nullopt;
  if (part.find_first_not_of("0123456789") != std::string_view::npos) return std::nullopt;
  std::from_chars(part.data(), part.data() + part.size(), number);
  return number;
}

std::vector<std::string_view> parts_of(std::string_view name) {
  std::vector<std::string_view> parts;
  for (std::size_t at = 0; at <= name.size();) {
    const std::size_t dot = std::min(name.find('.', at), name.size());
    parts.push_back(name.substr(at, dot - at));
    at = dot + 1;
  }
  return parts;
}

// The parts [from, to) with numbers as '#'.
std::string joined(std::span<const std::string_view> parts, std::size_t from, std::size_t to) {
  std::string text;
  for (std::size_t i = from; i < to; ++i) {
    if (i != from) text += '.';
    text += number_of(parts[i]) ? std::string_view("#") : parts[i];
  }
  return text;
}

// How many parts of the name are its module's; 0: it is a bias or a buffer.
std::size_t module_parts(std::span<const std::string_view> parts, const ModelTensor& tensor) {
  if (parts.back() == "weight") return parts.size() - 1;
  return tensor.shape.size() >= 2 && parts.back() != "bias" ? parts.size() : 0;
}

bool is_stack_name(std::string_view part) {
  constexpr std::array<std::string_view, 5> kNames = {"layers", "blocks", "h", "layer", "block"};
  return std::find(kNames.begin(), kNames.end(), part) != kNames.end();
}

bool is_beside_text(std::string_view path) {
  constexpr std::array<std::string_view, 12> kWords = {
      "visual", "vision", "image", "audio", "video",     "speech",
      "talker", "mtp",    "nextn", "vae",   "code_pred", "token2wav"};
  return std::any_of(kWords.begin(), kWords.end(), [&](std::string_view word) {
    return path.find(word) != std::string_view::npos;
  });
}

}  // namespace

std::string_view last_part(std::string_view name) {
  const std::size_t dot = name.rfind('.');
  return dot == std::string_view::npos ? name : name.substr(dot + 1);
}

std::string_view parent_of(std::string_view name) {
  const std::size_t dot = name.rfind('.');
  return dot == std::string_view::npos ? std::string_view() : name.substr(0, dot);
}

LayerSurvey survey_layers(std::span<const ModelTensor> tensors) {
  LayerSurvey survey;
  for (const ModelTensor& tensor : tensors) {
    const std::vector<std::string_view> parts = parts_of(tensor.name);
    std::size_t at = 0;
    while (at < parts.size() && !number_of(parts[at])) ++at;
    if (at == 0 || at == parts.size()) continue;
    const std::size_t end = module_parts(parts, tensor);
    const std::string path = joined(parts, 0, at);
    LayerStack& stack = survey.stacks[path];
    ++stack.tensors;
    if (end <= at + 1) continue;
    stack.packed += tensor.packed ? 1 : 0;
    stack.layers[*number_of(parts[at])].insert(joined(parts, at + 1, end));
    for (std::size_t i = at + 2; i + 1 < end; ++i) {
      const std::optional<std::uint64_t> expert = number_of(parts[i]);
      if (!expert || parts[i - 1] != "experts") continue;
      const std::size_t length = static_cast<std::size_t>(parts[i].data() - parts[0].data()) - 1;
      survey.experts[tensor.name.substr(0, length)][joined(parts, i + 1, end)].push_back(*expert);
    }
  }
  for (auto& [path, modules] : survey.experts) {
    for (auto& [module, numbers] : modules) std::sort(numbers.begin(), numbers.end());
  }
  return survey;
}

std::string_view main_stack(const LayerSurvey& survey) {
  std::string_view best;
  std::tuple<std::uint64_t, std::uint64_t> most;
  for (const auto& [path, stack] : survey.stacks) {
    if (!is_stack_name(last_part(path)) || is_beside_text(path) || stack.layers.empty()) continue;
    const std::tuple<std::uint64_t, std::uint64_t> size(stack.packed, stack.tensors);
    if (!best.empty() && size <= most) continue;
    best = path;
    most = size;
  }
  return best;
}

}  // namespace thaw
