// The JSON that bitsandbytes keeps in a tensor beside each 4-bit weight. Internal to lib/quant.
// specs/bitsandbytes.md clause 2.3.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "quant/layouts.h"

namespace thaw {

struct BnbState {
  std::array<std::uint64_t, 2> shape{};  // of the weight: rows, columns
  std::uint64_t block = 0;               // codes that share a scale
  bool nested = false;
  std::uint64_t nested_block = 0;  // scales that share one
  float offset = 0;
};

// Fills `state`, or says what is wrong with the text.
[[nodiscard]] Problem read_bnb_state(std::string_view text, BnbState& state);

}  // namespace thaw
