#include "quant/scaled_describer.h"

#include <algorithm>
#include <string>

#include "base/bytes.h"
#include "base/text.h"
#include "quant/compressed_groups.h"

namespace thaw {

namespace {

bool equal(const Tensor& tensor, const std::vector<std::uint64_t>& shape) {
  return std::equal(tensor.shape.begin(), tensor.shape.end(), shape.begin(), shape.end());
}

// "8 x 16".
std::string text_of(const ScaledDescriber::Block& block) {
  return std::to_string(block[0]) + " x " + std::to_string(block[1]);
}

}  // namespace

Problem ScaledDescriber::start(SmallFloat element, std::uint64_t per_byte) {
  const Tensor& codes = module_.codes();
  const Tensor& scale = *module_.scale();
  // Of blocks the last two dimensions are the bytes of a row.
  const bool blocks = module_.naming == Naming::blocks;
  rows_ = {codes.shape.begin(), codes.shape.end() - (blocks ? 2 : 1)};
  n_ = rows_.back();
  const std::uint64_t row_bytes = codes.shape.back() * element_bytes(codes) *
                                  (blocks ? codes.shape[codes.shape.size() - 2] : 1);
  const auto columns = checked_multiply(row_bytes, per_byte);
  if (!columns.has_value()) return "its weight would be too large";
  k_ = *columns;
  linear_.bits = per_byte == 2 ? 4 : 8;
  linear_.scaled.element = element;
  linear_.in_features = k_;
  linear_.out_features = 1;
  for (const std::uint64_t extent : rows_) linear_.out_features *= extent;  // of a tensor in a file
  if (rows_.size() == 2) linear_.rows_per_slice = n_;
  // Bytes are exponents where they stand beside these weights.
  linear_.scale_dtype = scale.dtype == Dtype::u8 ? Dtype::f8_e8m0 : scale.dtype;
  linear_.operands[Role::codes] = {.tensor = &codes,
                                   .lines = linear_.out_features,
                                   .pitch = row_bytes,
                                   .out_features_per_line = 1};
  return std::nullopt;
}

// Of compressed-tensors: of the group that is for the module, or of the first that its grid fits.
std::optional<ScaledDescriber::Block> ScaledDescriber::said_block() {
  const auto block_of = [&](const CompressedGroup& group) -> std::optional<Block> {
    if (group.form != CodeForm::elements) return std::nullopt;
    if (group.group_size.value_or(-1) == -1) return std::nullopt;
    return Block{static_cast<std::uint64_t>(group.block_rows),
                 static_cast<std::uint64_t>(*group.group_size)};
  };
  const CompressedGroup* own = claim_group(config_, linear_);
  if (own != nullptr) return block_of(*own);
  for (const CompressedGroup& group : config_.compressed) {
    const std::optional<Block> block = block_of(group);
    if (block.has_value() && fits(*block)) return block;
  }
  return config_.scaled.block;
}

ScaledDescriber::Extents ScaledDescriber::grid_of(const Block& block) const {
  Extents grid = rows_;
  grid.back() = divide_up(n_, block[0]);
  grid.push_back(divide_up(k_, block[1]));
  return grid;
}

bool ScaledDescriber::fits(const Block& block) const {
  const Tensor& scale = *module_.scale();
  const Extents grid = grid_of(block);
  if (equal(scale, grid)) return true;
  // ModelOpt keeps the axes that it took the largest values of.
  const bool kept_axes = grid.size() == 2 && equal(scale, {grid[0], 1, grid[1], 1});
  const bool one =
      scale.shape.size() <= 1 && element_count(scale.shape) == 1 && element_count(grid) == 1;
  return kept_axes || one;
}

Problem ScaledDescriber::any_grid() {
  const std::optional<Block> block = said_block();
  if (!block.has_value()) return grid_without_block();
  if (!fits(*block)) return mismatch(grid_of(*block), "in blocks of " + text_of(*block));
  place(*block);
  return std::nullopt;
}

Problem ScaledDescriber::grid_without_block() {
  if (linear_.scale_dtype == Dtype::f8_e8m0) return groups_of(32);  // MXFP8 has no other size
  const Tensor& scale = *module_.scale();
  Extents by_row = rows_;
  by_row.push_back(1);
  const bool experts = rows_.size() == 2;
  if (element_count(scale.shape) == 1 && (!experts || scale.shape.size() <= 1)) {
    place_single();
  } else if (equal(scale, rows_) || equal(scale, by_row)) {
    place({1, k_});
  } else if (experts && (equal(scale, {rows_[0]}) || equal(scale, {rows_[0], 1}) ||
                         equal(scale, {rows_[0], 1, 1}))) {
    place({n_, k_});
  } else {
    const bool grouped = scale.shape.size() == rows_.size() + 1 &&
                         std::equal(rows_.begin(), rows_.end(), scale.shape.begin());
    if (!grouped || k_ % scale.shape.back() != 0) {
      return mismatch(by_row, "by row, or one, as no config says the size of blocks");
    }
    place({1, k_ / scale.shape.back()});
  }
  return std::nullopt;
}

Problem ScaledDescriber::groups_of(std::uint64_t columns) {
  THAW_RETURN_IF_PROBLEM(expect_multiple("input features", k_, columns));
  Extents grid = rows_;
  grid.push_back(k_ / columns);
  if (!equal(*module_.scale(), grid)) {
    return mismatch(grid, "in groups of " + std::to_string(columns) +
                              "; padded or swizzled scales are not supported");
  }
  place({1, columns});
  return std::nullopt;
}

Problem ScaledDescriber::mismatch(const Extents& expected, std::string_view of) const {
  const Tensor& scale = *module_.scale();
  const std::string_view suffix = scale.name.substr(scale.name.rfind('.') + 1);
  return printable(suffix) + ": got " + tensor_text(scale) + ", expected " + shape_text(expected) +
         " (" + std::string(of) + ")";
}

// The last block of rows or columns may be short.
void ScaledDescriber::place(const Block& block) {
  const Tensor& scale = *module_.scale();
  const std::uint64_t slices = linear_.out_features / n_;
  PackedOperand& operand = linear_.operands[Role::scales];
  operand = {.tensor = &scale,
             .lines = slices * divide_up(n_, block[0]),
             .pitch = divide_up(k_, block[1]) * (dtype_bits(scale.dtype) / 8)};
  // Where an expert's rows end within a block, lines are no multiple of rows.
  if (slices == 1 || n_ % block[0] == 0) operand.out_features_per_line = block[0];
  linear_.scaled.block_rows = block[0];
  linear_.group_size = std::min(block[1], k_);
}

void ScaledDescriber::place_single() {
  linear_.operands[Role::scales] = {.tensor = module_.scale(), .lines = 1};
  linear_.scaled.block_rows = linear_.out_features;
  linear_.group_size = k_;
}

}  // namespace thaw
