#include "quant/compressed_describer.h"

#include <algorithm>
#include <initializer_list>
#include <optional>
#include <string>

#include "base/bytes.h"
#include "base/text.h"
#include "quant/compressed_values.h"

namespace thaw {

namespace {

std::vector<std::uint64_t> with(std::vector<std::uint64_t> extents,
                                std::initializer_list<std::uint64_t> last) {
  extents.insert(extents.end(), last);
  return extents;
}

}  // namespace

bool is_shape(const Tensor& tensor, const std::vector<std::uint64_t>& shape) {
  return std::equal(tensor.shape.begin(), tensor.shape.end(), shape.begin(), shape.end());
}

Problem CompressedDescriber::start() {
  own_ = claim_group(config_, linear_);
  rows_ = {module_.codes().shape.begin(), module_.codes().shape.end() - 1};
  scale_rows_ = rows_;
  return count_groups();
}

Problem CompressedDescriber::finish(std::uint64_t pitch) {
  describe_codes(pitch);
  THAW_RETURN_IF_PROBLEM(choose_group_size());
  describe_scales();
  THAW_RETURN_IF_PROBLEM(describe_zeros());
  return describe_group_index();
}

Problem CompressedDescriber::count_groups() {
  const Tensor& scale = *module_.weight_scale;
  const bool dtype_fits =
      scale.dtype == Dtype::f16 || scale.dtype == Dtype::bf16 || scale.dtype == Dtype::f32;
  const bool same_rank = scale.shape.size() == rows_.size() + 1;
  single_scale_ = element_count(scale.shape) == 1 && scale.shape.size() <= rows_.size() + 1;
  const bool by_row = rows_.size() == 1 && is_shape(scale, rows_);
  bool by_group = same_rank && std::equal(rows_.begin(), rows_.end(), scale.shape.begin());
  if (!single_scale_ && !by_row && !by_group && same_rank && rows_.size() == 1) {
    by_group = find_blocks(scale.shape[0]);
  }
  if (!dtype_fits || (!single_scale_ && !by_row && !by_group)) {
    return "weight_scale: got " + tensor_text(scale) + ", expected F16, BF16 or F32 " +
           shape_text(rows_) + " with groups, or [1]" +
           (rows_.size() == 1 ? ", or the blocks that the config says" : "");
  }
  groups_ = single_scale_ || by_row ? 1 : scale.shape.back();
  return std::nullopt;
}

// Whether that many lines of scales are those of a config whose scales are by block of rows.
bool CompressedDescriber::find_blocks(std::uint64_t lines) {
  const auto fits_lines = [&](const CompressedGroup& claim) {
    const auto block = static_cast<std::uint64_t>(claim.block_rows);
    if (block == 1 || divide_up(rows_[0], block) != lines) return false;
    linear_.rows_per_scale = block;
    scale_rows_ = {lines};
    return true;
  };
  if (own_ != nullptr) return fits_lines(*own_);
  return std::any_of(config_.compressed.begin(), config_.compressed.end(), fits_lines);
}

void CompressedDescriber::describe_codes(std::uint64_t pitch) {
  std::uint64_t rows = 1;
  for (const std::uint64_t extent : rows_) rows *= extent;  // of a tensor that is in the file
  linear_.out_features = rows;
  if (rows_.size() == 2) linear_.rows_per_slice = rows_[1];
  linear_.operands[Role::codes] = {
      .tensor = &module_.codes(), .lines = rows, .pitch = pitch, .out_features_per_line = 1};
}

// Groups of one size, the last of which may be shorter where the config says so.
Problem CompressedDescriber::choose_group_size() {
  const std::uint64_t in = linear_.in_features;
  const bool even = in % groups_ == 0;
  linear_.group_size = even ? in / groups_ : 0;
  if (groups_ == 1) return std::nullopt;
  if (own_ != nullptr && width_fits(*own_, linear_) &&
      is_cut(in, own_->group_size.value_or(-1), groups_)) {
    linear_.group_size = static_cast<std::uint64_t>(*own_->group_size);
    return std::nullopt;
  }
  for (const CompressedGroup& claim : config_.compressed) {
    const std::int64_t size = claim.group_size.value_or(-1);
    if (!width_fits(claim, linear_) || !is_cut(in, size, groups_)) continue;
    if (even && static_cast<std::uint64_t>(size) == in / groups_) {
      linear_.group_size = in / groups_;
      break;
    }
    if (!claimed_) linear_.group_size = static_cast<std::uint64_t>(size);
    claimed_ = true;
  }
  if (linear_.group_size != 0) return std::nullopt;
  return "weight_scale: got " + std::to_string(groups_) + " groups, expected a divisor of the " +
         std::to_string(in) + " input features, or a group_size in the config that gives as many";
}

// A tensor that is needed whole has no lines; a pitch of 0 makes every row see the one scale.
void CompressedDescriber::describe_scales() {
  linear_.operands[Role::scales] = {.tensor = module_.weight_scale, .lines = 1};
  if (single_scale_) return;
  linear_.operands[Role::scales].lines = divide_up(linear_.out_features, linear_.rows_per_scale);
  linear_.operands[Role::scales].pitch = groups_ * (dtype_bits(module_.weight_scale->dtype) / 8);
  linear_.operands[Role::scales].out_features_per_line = linear_.rows_per_scale;
}

CompressedDescriber::Extents CompressedDescriber::packed_zeros(std::uint64_t bits) const {
  Extents shape = scale_rows_;
  shape.back() = divide_up(shape.back() * bits, 32);  // rows of codes that are in the file
  return with(shape, {groups_});
}

Problem CompressedDescriber::describe_zeros() {
  if (module_.weight_zero_point == nullptr) return check_symmetric();
  const Tensor& zeros = *module_.weight_zero_point;
  if (linear_.layout->id == LayoutId::ct_int8) return describe_byte_zeros();
  const Extents packed = packed_zeros(linear_.bits);
  if (zeros.dtype != Dtype::i32 || !is_shape(zeros, packed)) return describe_byte_zeros();
  const std::uint64_t fields = 32 / linear_.bits;
  linear_.operands[Role::zeros] = {
      .tensor = &zeros,
      .lines = linear_.out_features / rows_.back() * packed[rows_.size() - 1],
      .pitch = groups_ * 4};
  // Where an expert's rows end within a word, lines are no multiple of rows; nor are they where a
  // zero may begin in one word and end in the next.
  if (32 % linear_.bits == 0 && (rows_.size() == 1 || rows_.back() % fields == 0)) {
    linear_.operands[Role::zeros].out_features_per_line = fields * linear_.rows_per_scale;
  }
  return std::nullopt;
}

Problem CompressedDescriber::describe_byte_zeros() {
  const Tensor& zeros = *module_.weight_zero_point;
  const Extents plain = with(scale_rows_, {groups_});
  const bool single = single_scale_ && element_count(zeros.shape) == 1;
  const bool by_row = groups_ == 1 && rows_.size() == 1 && is_shape(zeros, rows_);
  if (zeros.dtype != Dtype::i8 || (!single && !by_row && !is_shape(zeros, plain))) {
    std::string expected = "I8 " + shape_text(plain);
    if (linear_.layout->id != LayoutId::ct_int8) {
      expected = "I32 " + shape_text(packed_zeros(linear_.bits)) + " or " + expected;
    }
    return "weight_zero_point: got " + tensor_text(zeros) + ", expected " + expected;
  }
  linear_.byte_zeros = true;
  linear_.operands[Role::zeros] = {.tensor = &zeros, .lines = 1};
  if (single && !is_shape(zeros, plain)) return std::nullopt;
  linear_.operands[Role::zeros].lines = divide_up(linear_.out_features, linear_.rows_per_scale);
  linear_.operands[Role::zeros].pitch = groups_;
  linear_.operands[Role::zeros].out_features_per_line = linear_.rows_per_scale;
  return std::nullopt;
}

// Asymmetric codes whose zeros were dropped when they were written cannot be read.
Problem CompressedDescriber::check_symmetric() const {
  const bool owned = own_ != nullptr && fits(*own_, linear_);
  if (owned && own_->symmetric.value_or(true)) return std::nullopt;
  bool asymmetric = owned;
  for (const CompressedGroup& claim : config_.compressed) {
    if (owned || !fits(claim, linear_)) continue;
    if (claim.symmetric.value_or(true)) return std::nullopt;
    asymmetric = true;
  }
  if (!asymmetric) return std::nullopt;
  return "no weight_zero_point, although the config says that it is not symmetric";
}

Problem CompressedDescriber::describe_group_index() {
  if (module_.weight_g_idx == nullptr) return std::nullopt;
  bool in_order = true;
  THAW_RETURN_IF_PROBLEM(read_group_index(*module_.checkpoint, *module_.weight_g_idx,
                                          linear_.in_features, linear_.group_size, in_order));
  if (!in_order) linear_.operands[Role::group_index] = {.tensor = module_.weight_g_idx, .lines = 1};
  return std::nullopt;
}

}  // namespace thaw
