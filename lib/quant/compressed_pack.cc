// compressed-tensors, pack-quantized: specs/compressed_tensors.md clauses 1 to 5.
#include <algorithm>
#include <initializer_list>
#include <optional>
#include <vector>

#include "base/bytes.h"
#include "base/text.h"
#include "quant/compressed_groups.h"
#include "quant/compressed_values.h"
#include "quant/layouts.h"

namespace thaw {

namespace {

constexpr PackLayout kLayout = {.id = LayoutId::ct_pack,
                                .family = LayoutFamily::compressed_tensors,
                                .name = "ct_pack",
                                .title = "compressed-tensors",
                                .titled_by_width = true};

using Extents = std::vector<std::uint64_t>;

bool is_shape(const Tensor& tensor, const Extents& shape) {
  return std::equal(tensor.shape.begin(), tensor.shape.end(), shape.begin(), shape.end());
}

Extents with(Extents extents, std::initializer_list<std::uint64_t> last) {
  extents.insert(extents.end(), last);
  return extents;
}

class Describer {
 public:
  Describer(const ModuleTensors& module, const QuantConfig& config, QuantizedLinear& linear)
      : checkpoint_(*module.checkpoint), module_(module), config_(config), linear_(linear) {}

  Problem run() {
    own_ = claim_group(config_, linear_);
    rows_ = {module_.weight_packed->shape.begin(), module_.weight_packed->shape.end() - 1};
    words_ = module_.weight_packed->shape.back();
    if (module_.weight_shape != nullptr) {
      THAW_RETURN_IF_PROBLEM(
          read_weight_shape(checkpoint_, *module_.weight_shape, rows_, said_in_));
    }
    THAW_RETURN_IF_PROBLEM(count_groups());
    THAW_RETURN_IF_PROBLEM(choose_bits());
    describe_weight();
    THAW_RETURN_IF_PROBLEM(choose_group_size());
    describe_scales();
    THAW_RETURN_IF_PROBLEM(describe_zeros());
    return describe_group_index();
  }

 private:
  Problem count_groups() {
    const Tensor& scale = *module_.weight_scale;
    const bool dtype_fits =
        scale.dtype == Dtype::f16 || scale.dtype == Dtype::bf16 || scale.dtype == Dtype::f32;
    const bool same_rank = scale.shape.size() == rows_.size() + 1;
    single_scale_ = element_count(scale.shape) == 1 && scale.shape.size() <= rows_.size() + 1;
    const bool by_row = rows_.size() == 1 && is_shape(scale, rows_);
    const bool by_group = same_rank && std::equal(rows_.begin(), rows_.end(), scale.shape.begin());
    if (!dtype_fits || (!single_scale_ && !by_row && !by_group)) {
      return "weight_scale: got " + tensor_text(scale) + ", expected F16, BF16 or F32 " +
             shape_text(rows_) + " with groups, or [1]";
    }
    groups_ = single_scale_ || by_row ? 1 : scale.shape.back();
    return std::nullopt;
  }

  [[nodiscard]] std::uint64_t in_features(std::uint64_t bits) const {
    return said_in_ != 0 ? said_in_ : words_ * (32 / bits);
  }

  // Whatever can tell is asked, the tensors before the config. 4 is what remains.
  Problem choose_bits() {
    if (!checked_multiply(words_, 32).has_value()) return "weight_packed is too large";
    std::vector<std::uint64_t> left;
    for (const std::uint64_t bits : {std::uint64_t{4}, std::uint64_t{8}}) {
      if (divide_up(in_features(bits), 32 / bits) == words_) left.push_back(bits);
    }
    if (left.empty()) {
      return "weight_shape says " + std::to_string(said_in_) + " input features, which in " +
             std::to_string(words_) + " words are codes of neither 4 nor 8 bits";
    }
    const auto keep = [&](const auto& fits_all) {
      const auto end = std::stable_partition(left.begin(), left.end(), fits_all);
      if (end != left.begin()) left.erase(end, left.end());
    };
    if (module_.weight_zero_point != nullptr && module_.weight_zero_point->dtype == Dtype::i32) {
      keep([&](std::uint64_t bits) {
        return is_shape(*module_.weight_zero_point, packed_zeros(bits));
      });
    }
    const auto& claims = config_.compressed;
    const auto says_and_cuts = [&](const CompressedGroup& claim, std::uint64_t bits) {
      return says(claim, bits) && (!claim.group_size.has_value() ||
                                   is_cut(in_features(bits), *claim.group_size, groups_));
    };
    keep([&](std::uint64_t bits) { return own_ != nullptr && says_and_cuts(*own_, bits); });
    keep([&](std::uint64_t bits) {
      return std::any_of(claims.begin(), claims.end(),
                         [&](const CompressedGroup& claim) { return says_and_cuts(claim, bits); });
    });
    keep([&](std::uint64_t bits) { return own_ != nullptr && says(*own_, bits); });
    keep([&](std::uint64_t bits) {
      return std::any_of(claims.begin(), claims.end(),
                         [&](const CompressedGroup& claim) { return says(claim, bits); });
    });
    if (left.size() == 2 && std::any_of(claims.begin(), claims.end(), has_bits)) {
      return "neither its shapes nor the config tell codes of 4 bits from codes of 8";
    }
    linear_.assumed_width = left.size() == 2;
    linear_.bits = static_cast<std::uint32_t>(left.front());
    linear_.in_features = in_features(linear_.bits);
    return std::nullopt;
  }

  static bool has_bits(const CompressedGroup& claim) { return claim.bits.has_value(); }
  static bool says(const CompressedGroup& claim, std::uint64_t bits) {
    return claim.bits == static_cast<std::int64_t>(bits);
  }

  void describe_weight() {
    std::uint64_t rows = 1;
    for (const std::uint64_t extent : rows_) rows *= extent;  // of a tensor that is in the file
    linear_.out_features = rows;
    if (rows_.size() == 2) linear_.rows_per_slice = rows_[1];
    linear_.operands[Role::codes] = {.tensor = module_.weight_packed,
                                     .lines = rows,
                                     .pitch = words_ * 4,
                                     .out_features_per_line = 1};
  }

  // Groups of one size, the last of which may be shorter where the config says so.
  Problem choose_group_size() {
    const std::uint64_t in = linear_.in_features;
    const bool even = in % groups_ == 0;
    linear_.group_size = even ? in / groups_ : 0;
    if (groups_ == 1) return std::nullopt;
    if (own_ != nullptr && own_->bits.value_or(linear_.bits) == linear_.bits &&
        is_cut(in, own_->group_size.value_or(-1), groups_)) {
      linear_.group_size = static_cast<std::uint64_t>(*own_->group_size);
      return std::nullopt;
    }
    for (const CompressedGroup& claim : config_.compressed) {
      const std::int64_t size = claim.group_size.value_or(-1);
      if (claim.bits.value_or(linear_.bits) != linear_.bits || !is_cut(in, size, groups_)) continue;
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
  void describe_scales() {
    linear_.operands[Role::scales] = {.tensor = module_.weight_scale, .lines = 1};
    if (single_scale_) return;
    linear_.operands[Role::scales].lines = linear_.out_features;
    linear_.operands[Role::scales].pitch = groups_ * (dtype_bits(module_.weight_scale->dtype) / 8);
    linear_.operands[Role::scales].out_features_per_line = 1;
  }

  [[nodiscard]] Extents packed_zeros(std::uint64_t bits) const {
    Extents shape = rows_;
    shape.back() = divide_up(shape.back(), 32 / bits);
    return with(shape, {groups_});
  }

  Problem describe_zeros() {
    if (module_.weight_zero_point == nullptr) return check_symmetric();
    const Tensor& zeros = *module_.weight_zero_point;
    const Extents packed = packed_zeros(linear_.bits);
    const Extents plain = with(rows_, {groups_});
    if (zeros.dtype == Dtype::i32 && is_shape(zeros, packed)) {
      const std::uint64_t fields = 32 / linear_.bits;
      linear_.operands[Role::zeros] = {
          .tensor = &zeros,
          .lines = linear_.out_features / rows_.back() * packed[rows_.size() - 1],
          .pitch = groups_ * 4};
      // Where an expert's rows end within a word, lines are no multiple of rows.
      if (rows_.size() == 1 || rows_.back() % fields == 0) {
        linear_.operands[Role::zeros].out_features_per_line = fields;
      }
      return std::nullopt;
    }
    const bool single = single_scale_ && element_count(zeros.shape) == 1;
    const bool by_row = groups_ == 1 && rows_.size() == 1 && is_shape(zeros, rows_);
    linear_.byte_zeros = true;
    if (zeros.dtype == Dtype::i8 && (single || by_row || is_shape(zeros, plain))) {
      linear_.operands[Role::zeros] = {.tensor = &zeros, .lines = 1};
      if (single && !is_shape(zeros, plain)) return std::nullopt;
      linear_.operands[Role::zeros].lines = linear_.out_features;
      linear_.operands[Role::zeros].pitch = groups_;
      linear_.operands[Role::zeros].out_features_per_line = 1;
      return std::nullopt;
    }
    return "weight_zero_point: got " + tensor_text(zeros) + ", expected I32 " + shape_text(packed) +
           " or I8 " + shape_text(plain);
  }

  // Asymmetric codes whose zeros were dropped when they were written cannot be read.
  Problem check_symmetric() const {
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

  Problem describe_group_index() {
    if (module_.weight_g_idx == nullptr) return std::nullopt;
    bool in_order = true;
    THAW_RETURN_IF_PROBLEM(read_group_index(checkpoint_, *module_.weight_g_idx, linear_.in_features,
                                            linear_.group_size, in_order));
    if (!in_order)
      linear_.operands[Role::group_index] = {.tensor = module_.weight_g_idx, .lines = 1};
    return std::nullopt;
  }

  const Checkpoint& checkpoint_;
  const ModuleTensors& module_;
  const QuantConfig& config_;
  QuantizedLinear& linear_;
  Extents rows_;  // [N], or [experts, N]
  std::uint64_t words_ = 0;
  std::uint64_t said_in_ = 0;  // by weight_shape; 0: not said
  std::uint64_t groups_ = 0;
  bool single_scale_ = false;
  bool claimed_ = false;
  const CompressedGroup* own_ = nullptr;  // null: none is named, or any may be
};

bool recognises(const ModuleTensors&) { return true; }

Problem describe(const ModuleTensors& tensors, const QuantConfig& config, QuantizedLinear& linear) {
  return Describer(tensors, config, linear).run();
}

}  // namespace

constinit const LayoutReader kCompressedPackReader = {&kLayout, Naming::weight_packed,
                                                      "weight_packed", recognises, describe};

}  // namespace thaw
