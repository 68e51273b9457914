// MLX, the modes mxfp4, mxfp8 and nvfp4: weight U32 [N, words], scales U8 [N, groups], no biases.
// Format: specs/mlx.md clause 1.5, specs/scaled_elements.md clause 1.
#include <array>
#include <string>

#include "base/bytes.h"
#include "base/text.h"
#include "quant/scaled_describer.h"

namespace thaw {

namespace {

struct Mode {
  PackLayout layout;
  SmallFloat element;
  std::uint64_t per_byte;
  std::uint64_t group;
  Dtype scales;
  // Words of a row for each of its groups, which differ from mode to mode.
  [[nodiscard]] std::uint64_t words() const { return group / per_byte / 4; }
};

constexpr PackLayout layout_of(std::string_view name, std::string_view title) {
  return {.id = LayoutId::scaled, .family = LayoutFamily::mlx, .name = name, .title = title};
}
constexpr std::array<Mode, 3> kModes = {{
    {layout_of("mxfp4", "MLX mxfp4"), SmallFloat::e2m1, 2, 32, Dtype::f8_e8m0},
    {layout_of("mxfp8", "MLX mxfp8"), SmallFloat::e4m3, 1, 32, Dtype::f8_e8m0},
    {layout_of("nvfp4", "MLX nvfp4"), SmallFloat::e2m1, 2, 16, Dtype::f8_e4m3},
}};

// The shapes tell; what the config says besides must be the same. Overrides carry no mode.
template <std::size_t kMode>
Problem describe(const ModuleTensors& tensors, const QuantConfig& config, QuantizedLinear& linear) {
  constexpr const Mode& mode = kModes[kMode];
  if (tensors.biases != nullptr) {
    return "biases beside scales of bytes, which only the affine mode has: " +
           tensor_text(*tensors.biases);
  }
  for (const MlxClaim* claim : {&config.mlx.claim_of(tensors.module), &config.mlx.all}) {
    const std::string_view said = claim->mode;
    if (said == mode.layout.name) break;
    if (said == "affine") continue;
    return "the mode of the config is " + printable(said) + ", but the shapes are those of " +
           std::string(mode.layout.name);
  }
  ScaledDescriber describer(tensors, config, linear);
  THAW_RETURN_IF_PROBLEM(describer.start(mode.element, mode.per_byte));
  linear.scale_dtype = mode.scales;
  return describer.groups_of(mode.group);
}

template <std::size_t kMode>
bool recognises(const ModuleTensors& tensors) {
  const Tensor& codes = *tensors.weight;
  const Tensor& scales = *tensors.scales;
  return scales.dtype == Dtype::u8 && codes.shape.size() == 2 && scales.shape.size() == 2 &&
         codes.shape[0] != 0 && scales.shape[1] != 0 && codes.shape[1] % scales.shape[1] == 0 &&
         codes.shape[1] / scales.shape[1] == kModes[kMode].words();
}

template <std::size_t kMode>
constexpr LayoutReader reader() {
  return {&kModes[kMode].layout, Naming::mlx, "a weight of U32 and scales of bytes",
          recognises<kMode>, describe<kMode>};
}

}  // namespace

constinit const LayoutReader kMlxMxfp4Reader = reader<0>();
constinit const LayoutReader kMlxMxfp8Reader = reader<1>();
constinit const LayoutReader kMlxNvfp4Reader = reader<2>();

}  // namespace thaw
