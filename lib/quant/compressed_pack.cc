// compressed-tensors, pack-quantized: specs/compressed_tensors.md clauses 1 to 5.
#include <algorithm>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "quant/compressed_describer.h"
#include "quant/compressed_values.h"

namespace thaw {

namespace {

constexpr PackLayout kLayout = {.id = LayoutId::ct_pack,
                                .family = LayoutFamily::compressed_tensors,
                                .name = "ct_pack",
                                .title = "compressed-tensors",
                                .titled_by_width = true};

class Describer : CompressedDescriber {
 public:
  Describer(const ModuleTensors& module, const QuantConfig& config, QuantizedLinear& linear)
      : CompressedDescriber(module, config, linear), words_(module.weight_packed->shape.back()) {}

  Problem run() {
    THAW_RETURN_IF_PROBLEM(start());
    if (module_.weight_shape != nullptr) {
      THAW_RETURN_IF_PROBLEM(
          read_weight_shape(*module_.checkpoint, *module_.weight_shape, rows_, said_in_));
    }
    THAW_RETURN_IF_PROBLEM(choose_bits());
    return finish(words_ * 4);
  }

 private:
  [[nodiscard]] std::uint64_t in_features(std::uint64_t bits) const {
    return said_in_ != 0 ? said_in_ : words_ * 32 / bits;
  }

  // Rows of old releases, which began no code in one word that ends in the next. Of some widths and
  // sizes they are as long as those of 8 bits today, so only the config tells.
  Problem refuse_old_words() const {
    for (const CompressedGroup& claim : config_.compressed) {
      const auto bits = static_cast<std::uint64_t>(claim.bits.value_or(4));
      const bool may_be_own = own_ == nullptr || &claim == own_;
      if (said_in_ == 0 || !may_be_own || !has_bits(claim) || 32 % bits == 0) continue;
      if (divide_up(said_in_ * bits, 32) == words_) return std::nullopt;
      if (divide_up(said_in_, 32 / bits) != words_) continue;
      return "its codes of " + std::to_string(bits) + " bits are packed by words, " +
             std::to_string(32 / bits) +
             " in each, as compressed-tensors did before May 2026; this version reads the stream "
             "that it writes since";
    }
    return std::nullopt;
  }

  // Whatever can tell is asked, the tensors before the config. 4 is what remains.
  Problem choose_bits() {
    if (!checked_multiply(words_, 32).has_value()) return "weight_packed is too large";
    if (!checked_multiply(said_in_, 8).has_value()) return "weight_shape is too large";
    THAW_RETURN_IF_PROBLEM(refuse_old_words());
    const auto& claims = config_.compressed;
    std::vector<std::uint64_t> left;
    for (const std::uint64_t bits : {4u, 8u, 1u, 2u, 3u, 5u, 6u, 7u}) {
      const bool fits_words =
          said_in_ != 0 ? divide_up(said_in_ * bits, 32) == words_ : words_ * 32 % bits == 0;
      // Without a shape, a config has to ask for the rarer widths.
      const bool asked_for = said_in_ != 0 || bits % 4 == 0 ||
                             std::any_of(claims.begin(), claims.end(),
                                         [&](const CompressedGroup& c) { return says(c, bits); });
      if (fits_words && asked_for) left.push_back(bits);
    }
    if (left.empty()) {
      return "weight_shape says " + std::to_string(said_in_) + " input features, which in " +
             std::to_string(words_) + " words are codes of no width from 1 to 8 bits";
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
    if (left.size() != 1 && std::any_of(claims.begin(), claims.end(), has_bits)) {
      return "neither its shapes nor the config tell how many bits its codes have";
    }
    keep([](std::uint64_t bits) { return bits % 4 == 0; });
    linear_.assumed_width = left.size() != 1;
    linear_.bits = static_cast<std::uint32_t>(left.front());
    linear_.in_features = in_features(linear_.bits);
    return std::nullopt;
  }

  static bool has_bits(const CompressedGroup& claim) {
    return claim.bits.has_value() && claim.form != CodeForm::bytes &&
           claim.form != CodeForm::elements;
  }
  static bool says(const CompressedGroup& claim, std::uint64_t bits) {
    return has_bits(claim) && claim.bits == static_cast<std::int64_t>(bits);
  }

  std::uint64_t words_;
  std::uint64_t said_in_ = 0;  // by weight_shape; 0: not said
};

bool recognises(const ModuleTensors& tensors) { return tensors.weight_packed->dtype == Dtype::i32; }

Problem describe(const ModuleTensors& tensors, const QuantConfig& config, QuantizedLinear& linear) {
  return Describer(tensors, config, linear).run();
}

}  // namespace

constinit const LayoutReader kCompressedPackReader = {&kLayout, Naming::weight_packed,
                                                      "weight_packed", recognises, describe};

}  // namespace thaw
