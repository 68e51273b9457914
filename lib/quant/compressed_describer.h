// What the layouts of compressed-tensors share: groups, scales, zeros and the group index of a
// module. Internal to lib/quant. Format: specs/compressed_tensors.md clauses 1 to 5.
#pragma once

#include <cstdint>
#include <vector>

#include "quant/compressed_groups.h"
#include "quant/layouts.h"

namespace thaw {

// A layout derives from it, calls start(), sets bits and in_features of the linear, and calls
// finish(). Borrows everything for as long as it lives.
class CompressedDescriber {
 protected:
  using Extents = std::vector<std::uint64_t>;

  CompressedDescriber(const ModuleTensors& module, const QuantConfig& config,
                      QuantizedLinear& linear)
      : module_(module), config_(config), linear_(linear) {}

  // The config's group for this module, the rows of its weight, and the groups that its scales
  // have.
  [[nodiscard]] Problem start();
  // Everything else, where a row of codes has `pitch` bytes.
  [[nodiscard]] Problem finish(std::uint64_t pitch);

  // The shape of packed zeros, for codes of so many bits.
  [[nodiscard]] Extents packed_zeros(std::uint64_t bits) const;

  const ModuleTensors& module_;
  const QuantConfig& config_;
  QuantizedLinear& linear_;
  Extents rows_;                          // [N], or [experts, N]
  Extents scale_rows_;                    // the same by block of rows; of other scales rows_
  std::uint64_t groups_ = 0;              // of a row
  const CompressedGroup* own_ = nullptr;  // null: none is named, or any may be

 private:
  Problem count_groups();
  bool find_blocks(std::uint64_t lines);
  void describe_codes(std::uint64_t pitch);
  Problem choose_group_size();
  void describe_scales();
  Problem describe_zeros();
  Problem describe_byte_zeros();
  Problem check_symmetric() const;
  Problem describe_group_index();

  bool single_scale_ = false;
  bool claimed_ = false;
};

[[nodiscard]] bool is_shape(const Tensor& tensor, const std::vector<std::uint64_t>& shape);

}  // namespace thaw
