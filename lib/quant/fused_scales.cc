#include "quant/fused_scales.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <string>
#include <system_error>

namespace thaw {

namespace {

enum class Half : std::uint8_t { first, second, both };

struct Projection {
  std::string_view name;
  std::string_view fused;
  Half half;
};
constexpr std::array<Projection, 6> kProjections = {{{"gate_proj", "gate_up_proj", Half::first},
                                                     {"w1", "gate_up_proj", Half::first},
                                                     {"up_proj", "gate_up_proj", Half::second},
                                                     {"w3", "gate_up_proj", Half::second},
                                                     {"down_proj", "down_proj", Half::both},
                                                     {"w2", "down_proj", Half::both}}};

struct ExpertName {
  std::string_view experts;  // "model.layers.0.mlp.experts"
  std::uint64_t number = 0;
  const Projection* projection = nullptr;
};

std::optional<ExpertName> split(std::string_view module) {
  const std::size_t last = module.rfind('.');
  if (last == std::string_view::npos) return std::nullopt;
  const std::string_view name = module.substr(last + 1);
  const auto* const projection =
      std::find_if(kProjections.begin(), kProjections.end(),
                   [&](const Projection& one) { return one.name == name; });
  const std::string_view before = module.substr(0, last);
  const std::size_t dot = before.rfind('.');
  if (projection == kProjections.end() || dot == std::string_view::npos) return std::nullopt;
  const std::string_view digits = before.substr(dot + 1);
  ExpertName found{before.substr(0, dot), 0, projection};
  const auto [end, problem] =
      std::from_chars(digits.data(), digits.data() + digits.size(), found.number);
  if (problem != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
  const bool experts = found.experts == "experts" || found.experts.ends_with(".experts");
  return experts ? std::optional(found) : std::nullopt;
}

}  // namespace

const Tensor* find_fused_scales(const Checkpoint& checkpoint, std::string_view module) {
  const std::optional<ExpertName> name = split(module);
  if (!name.has_value()) return nullptr;
  const std::string path = std::string(name->experts) + "." + std::string(name->projection->fused);
  const Tensor* inverse = checkpoint.find(path + "_scale_inv");
  return inverse != nullptr ? inverse : checkpoint.find(path + "_scale");
}

Problem slice_scales(const Tensor& whole, std::string_view module,
                     std::shared_ptr<const SlicedScales>& slice) {
  const std::optional<ExpertName> name = split(module);
  const bool halves = name->projection->half != Half::both;
  const auto& shape = whole.shape;
  if (shape.size() != 3 || name->number >= shape[0] || shape[1] == 0 || shape[2] == 0 ||
      (halves && shape[1] % 2 != 0)) {
    return std::string("the scales of its experts: got ") + tensor_text(whole) +
           ", expected [more than " + std::to_string(name->number) + " experts, " +
           (halves ? "rows of gate and up" : "rows") + ", columns]";
  }
  const std::uint64_t rows = halves ? shape[1] / 2 : shape[1];
  const std::uint64_t first = name->projection->half == Half::second ? rows : 0;
  const std::uint64_t line = shape[2] * element_bytes(whole);
  auto made = std::make_shared<SlicedScales>();
  made->extents = {rows, shape[2]};
  made->tensor = whole;
  made->tensor.shape = made->extents;
  made->tensor.begin = whole.begin + (name->number * shape[1] + first) * line;
  made->tensor.end = made->tensor.begin + rows * line;
  slice = std::move(made);
  return std::nullopt;
}

}  // namespace thaw
