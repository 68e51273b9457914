// What the layouts of scaled elements share: the grid of scales of a weight.
// Internal to lib/quant. Format: specs/scaled_elements.md clause 3.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "quant/layouts.h"

namespace thaw {

class ScaledDescriber {
 public:
  using Block = std::array<std::uint64_t, 2>;  // rows, columns

  // Borrows everything for as long as it lives.
  ScaledDescriber(const ModuleTensors& module, const QuantConfig& config, QuantizedLinear& linear)
      : module_(module), config_(config), linear_(linear) {}

  // The codes, `per_byte` elements in each; and what kind the scales are.
  [[nodiscard]] Problem start(SmallFloat element, std::uint64_t per_byte);
  // The scales: in blocks as the config says, or one for all, one a row, or in equal groups.
  [[nodiscard]] Problem any_grid();
  // The scales: one for `columns` columns of a row, which must divide them.
  [[nodiscard]] Problem groups_of(std::uint64_t columns);

 private:
  using Extents = std::vector<std::uint64_t>;

  [[nodiscard]] std::optional<Block> said_block();
  [[nodiscard]] bool fits(const Block& block) const;
  [[nodiscard]] Extents grid_of(const Block& block) const;
  [[nodiscard]] Problem grid_without_block();
  [[nodiscard]] Problem mismatch(const Extents& expected, std::string_view of) const;
  void place(const Block& block);
  void place_single();

  const ModuleTensors& module_;
  const QuantConfig& config_;
  QuantizedLinear& linear_;
  Extents rows_;         // [N], or [experts, N]
  std::uint64_t n_ = 0;  // rows of the weight, or of an expert
  std::uint64_t k_ = 0;
};

}  // namespace thaw
