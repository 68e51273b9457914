// What the codes of bitsandbytes' 4-bit forms mean: numbers that stand in the checkpoint, read when
// the linear is recognised. specs/bitsandbytes.md clause 2.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

namespace thaw {

struct CodeTable {
  std::array<float, 16> numbers{};  // of the codes
  // Of scales that are quantized themselves; else empty. A scale is then nested[byte] times the
  // nested scale of its run of nested_block scales, plus offset.
  std::vector<float> nested;
  std::uint64_t nested_block = 0;
  float offset = 0;
};

}  // namespace thaw
