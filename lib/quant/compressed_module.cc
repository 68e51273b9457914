#include "quant/compressed_module.h"

#include <algorithm>
#include <initializer_list>
#include <optional>
#include <vector>

#include "base/bytes.h"
#include "base/text.h"
#include "quant/compressed_values.h"

namespace thaw {

namespace {

constexpr std::uint64_t kLargestElement = 8;  // bytes; of any output type or intermediate

constexpr PackLayout kFourBits = {
    .name = "ct_pack", .title = "compressed-tensors 4-bit", .reason = "weight_packed"};
constexpr PackLayout kEightBits = {
    .name = "ct_pack", .title = "compressed-tensors 8-bit", .reason = "weight_packed"};

using Extents = std::vector<std::uint64_t>;

bool is_shape(const Tensor& tensor, const Extents& shape) {
  return std::equal(tensor.shape.begin(), tensor.shape.end(), shape.begin(), shape.end());
}

Extents with(Extents extents, std::initializer_list<std::uint64_t> last) {
  extents.insert(extents.end(), last);
  return extents;
}

// Whether `groups` groups of `group_size` (-1: all) are what `in_features` needs.
bool is_cut(std::uint64_t in_features, std::int64_t group_size, std::uint64_t groups) {
  return group_size == -1
             ? groups == 1
             : divide_up(in_features, static_cast<std::uint64_t>(group_size)) == groups;
}

class Describer {
 public:
  Describer(const Checkpoint& checkpoint, const CompressedModule& module, const QuantConfig& config,
            QuantizedLinear& linear)
      : checkpoint_(checkpoint), module_(module), config_(config), linear_(linear) {}

  Problem run(bool& assumed) {
    THAW_RETURN_IF_PROBLEM(check_tensors());
    find_own_group();
    rows_ = {module_.packed->shape.begin(), module_.packed->shape.end() - 1};
    words_ = module_.packed->shape.back();
    if (module_.shape != nullptr) {
      THAW_RETURN_IF_PROBLEM(read_weight_shape(checkpoint_, *module_.shape, rows_, said_in_));
    }
    THAW_RETURN_IF_PROBLEM(count_groups());
    THAW_RETURN_IF_PROBLEM(choose_bits(assumed));
    THAW_RETURN_IF_PROBLEM(describe_weight());
    THAW_RETURN_IF_PROBLEM(choose_group_size());
    describe_scales();
    THAW_RETURN_IF_PROBLEM(describe_zeros());
    return describe_group_index();
  }

 private:
  Problem check_tensors() const {
    if (module_.scale == nullptr) return "no weight_scale";
    if (module_.weight != nullptr || module_.qweight != nullptr) {
      return std::string(module_.weight != nullptr ? "a weight" : "a qweight") +
             " beside the weight_packed: both would be written as weight";
    }
    const std::size_t rank = module_.packed->shape.size();
    if (rank != 2 && rank != 3) return "weight_packed must have 2 dimensions, or 3 with experts";
    for (const Tensor* tensor : {module_.packed, module_.scale, module_.zero_point}) {
      if (tensor == nullptr) continue;
      if (std::count(tensor->shape.begin(), tensor->shape.end(), 0u) != 0) {
        return "a packed tensor without elements";
      }
    }
    return std::nullopt;
  }

  // The config group that is for this module by its name, or for all modules.
  void find_own_group() {
    const Targets& targets = config_.targets;
    linear_.claims.ignored = targets.ignored.find(module_.name).has_value();
    if (targets.said) {
      const std::optional<std::size_t> found = targets.groups.find(module_.name);
      const bool read = found.has_value() && *found != Targets::kOtherGroup;
      linear_.claims.unnamed = !read && !targets.groups.has_unseen_class();
      if (read) own_ = &config_.compressed[*found];
    } else if (config_.compressed.size() == 1) {
      own_ = &config_.compressed.front();
    }
    if (own_ == nullptr) return;
    linear_.claims.bits = own_->bits;
    linear_.claims.group_size = own_->group_size;
    linear_.claims.symmetric = own_->symmetric;
  }

  Problem count_groups() {
    const Tensor& scale = *module_.scale;
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
  Problem choose_bits(bool& assumed) {
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
    if (module_.zero_point != nullptr && module_.zero_point->dtype == Dtype::i32) {
      keep([&](std::uint64_t bits) { return is_shape(*module_.zero_point, packed_zeros(bits)); });
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
    assumed = left.size() == 2;
    linear_.bits = static_cast<std::uint32_t>(left.front());
    linear_.layout = linear_.bits == 4 ? &kFourBits : &kEightBits;
    linear_.in_features = in_features(linear_.bits);
    return std::nullopt;
  }

  static bool has_bits(const CompressedGroup& claim) { return claim.bits.has_value(); }
  static bool says(const CompressedGroup& claim, std::uint64_t bits) {
    return claim.bits == static_cast<std::int64_t>(bits);
  }

  Problem describe_weight() {
    std::uint64_t rows = 1;
    for (const std::uint64_t extent : rows_) rows *= extent;  // of a tensor that is in the file
    linear_.out_features = rows;
    if (rows_.size() == 2) linear_.rows_per_slice = rows_[1];
    linear_.qweight = {
        .tensor = module_.packed, .lines = rows, .pitch = words_ * 4, .out_features_per_line = 1};
    const auto elements = checked_multiply(rows, linear_.in_features);
    if (!elements.has_value() || !checked_multiply(*elements, kLargestElement).has_value()) {
      return "its weight would be too large";
    }
    if (module_.bias != nullptr && !is_shape(*module_.bias, rows_)) {
      return "bias: got " + tensor_text(*module_.bias) + ", expected the shape " +
             shape_text(rows_);
    }
    return std::nullopt;
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
    linear_.scale_dtype = module_.scale->dtype;
    linear_.scales = {.tensor = module_.scale, .lines = 1};
    if (single_scale_) return;
    linear_.scales.lines = linear_.out_features;
    linear_.scales.pitch = groups_ * (dtype_bits(module_.scale->dtype) / 8);
    linear_.scales.out_features_per_line = 1;
  }

  [[nodiscard]] Extents packed_zeros(std::uint64_t bits) const {
    Extents shape = rows_;
    shape.back() = divide_up(shape.back(), 32 / bits);
    return with(shape, {groups_});
  }

  Problem describe_zeros() {
    if (module_.zero_point == nullptr) return check_symmetric();
    const Tensor& zeros = *module_.zero_point;
    const Extents packed = packed_zeros(linear_.bits);
    const Extents plain = with(rows_, {groups_});
    if (zeros.dtype == Dtype::i32 && is_shape(zeros, packed)) {
      const std::uint64_t fields = 32 / linear_.bits;
      linear_.qzeros = {.tensor = &zeros,
                        .lines = linear_.out_features / rows_.back() * packed[rows_.size() - 1],
                        .pitch = groups_ * 4};
      // Where an expert's rows end within a word, lines are no multiple of rows.
      if (rows_.size() == 1 || rows_.back() % fields == 0) {
        linear_.qzeros.out_features_per_line = fields;
      }
      return std::nullopt;
    }
    const bool single = single_scale_ && element_count(zeros.shape) == 1;
    const bool by_row = groups_ == 1 && rows_.size() == 1 && is_shape(zeros, rows_);
    if (zeros.dtype == Dtype::i8 && (single || by_row || is_shape(zeros, plain))) {
      linear_.qzeros = {.tensor = &zeros, .lines = 1};
      if (single && !is_shape(zeros, plain)) return std::nullopt;
      linear_.qzeros.lines = linear_.out_features;
      linear_.qzeros.pitch = groups_;
      linear_.qzeros.out_features_per_line = 1;
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
    if (module_.g_idx == nullptr) return std::nullopt;
    bool in_order = true;
    THAW_RETURN_IF_PROBLEM(read_group_index(checkpoint_, *module_.g_idx, linear_.in_features,
                                            linear_.group_size, in_order));
    if (!in_order) linear_.group_index = {.tensor = module_.g_idx, .lines = 1};
    return std::nullopt;
  }

  const Checkpoint& checkpoint_;
  const CompressedModule& module_;
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

}  // namespace

std::optional<PackedWeight> packed_weight(const Tensor& tensor) {
  constexpr std::string_view kPacked = "_packed";
  const std::optional<TensorName> name = split_tensor_name(tensor.name);
  if (!name.has_value() || !name->suffix.ends_with(kPacked)) return std::nullopt;
  const std::string_view stem = tensor.name.substr(0, tensor.name.size() - kPacked.size());
  const auto is_experts = [](std::string_view module) {
    return module == "experts" || module.ends_with(".experts");
  };
  if (name->suffix == "weight_packed") {
    // A module that stands for a parameter of all experts.
    const std::optional<TensorName> outer = split_tensor_name(name->module);
    const bool parameter = tensor.shape.size() == 3 && !name->module.empty() && outer.has_value() &&
                           is_experts(outer->module);
    return PackedWeight{name->module, stem, parameter};
  }
  if (tensor.dtype != Dtype::i32 || tensor.shape.size() != 3 || !is_experts(name->module)) {
    return std::nullopt;
  }
  return PackedWeight{stem, stem, true};
}

CompressedModule find_compressed_module(const Checkpoint& checkpoint, const PackedWeight& weight) {
  const auto find = [&](std::string_view suffix) {
    return checkpoint.find(std::string(weight.stem).append(suffix));
  };
  const bool own_module = weight.module != weight.stem;
  return {.name = weight.module,
          .is_parameter = weight.is_parameter,
          .packed = find("_packed"),
          .scale = find("_scale"),
          .zero_point = find("_zero_point"),
          .shape = find("_shape"),
          .g_idx = find("_g_idx"),
          .weight = weight.is_parameter ? checkpoint.find(weight.module) : find(""),
          .qweight = own_module ? find_in_module(checkpoint, weight.module, "qweight") : nullptr,
          .bias = own_module ? find_in_module(checkpoint, weight.module, "bias") : find("_bias")};
}

std::string module_text(const CompressedModule& module) {
  std::string text;
  const auto append = [&](std::string_view suffix, const Tensor* tensor) {
    if (tensor == nullptr) return;
    if (!text.empty()) text += ", ";
    text.append(suffix).append(1, ' ').append(tensor_text(*tensor));
  };
  append("weight_packed", module.packed);
  append("weight_scale", module.scale);
  append("weight_zero_point", module.zero_point);
  append("weight_shape", module.shape);
  append("weight_g_idx", module.g_idx);
  append("weight", module.weight);
  append("qweight", module.qweight);
  append("bias", module.bias);
  return text;
}

Problem describe_compressed(const Checkpoint& checkpoint, const CompressedModule& module,
                            const QuantConfig& config, QuantizedLinear& linear, bool& assumed) {
  linear.module = module.name;
  linear.is_parameter = module.is_parameter;
  return Describer(checkpoint, module, config, linear).run(assumed);
}

bool fits(const CompressedGroup& group, const QuantizedLinear& linear) {
  const std::uint64_t groups = divide_up(linear.in_features, linear.group_size);
  return group.bits.value_or(linear.bits) == linear.bits &&
         (!group.group_size.has_value() || is_cut(linear.in_features, *group.group_size, groups));
}

}  // namespace thaw
