#include "quant/contradictions.h"

#include <cstdint>
#include <string>
#include <string_view>

#include "base/text.h"
#include "quant/compressed_config.h"
#include "quant/methods.h"

namespace thaw {

namespace {

bool is_awq(const PackLayout& layout) { return layout.family == LayoutFamily::awq; }

// The version that AutoAWQ's config gives a layout.
bool version_names(std::string_view version, LayoutId id) {
  switch (id) {
    case LayoutId::awq_gemm:
      return version == "gemm" || version == "exllama" || version == "ipex";
    case LayoutId::awq_gemv:
      return version == "gemv";
    case LayoutId::awq_gemv_fast:
    case LayoutId::llm_awq_v2:
      return version == "gemv_fast";
    case LayoutId::awq_marlin:
      return version == "marlin";
    case LayoutId::ct_pack:
    case LayoutId::ct_int8:
    case LayoutId::gptq:
    case LayoutId::gptq_rows:
    case LayoutId::gptq_bits:
    case LayoutId::gptq_bits_rows:
    case LayoutId::mlx_affine:
    case LayoutId::bnb_int8:
    case LayoutId::bnb_4bit:
    case LayoutId::modelopt_int4:
    case LayoutId::scaled:
      return false;
  }
  __builtin_unreachable();
}

// What the config claims of the layouts; empty: it makes no claim that a layout could contradict.
// llm-awq has had three layouts under one name.
bool version_fits(const QuantConfig& config, const PackLayout& layout) {
  if (config.source.empty()) return true;
  if (layout.family == LayoutFamily::compressed_tensors) {
    const bool of_modelopt =
        config.packing == Packing::small_floats && layout.id == LayoutId::ct_int8;
    return config.method == kCompressedMethod || of_modelopt;
  }
  if (layout.family == LayoutFamily::bitsandbytes) return config.method == kBnbMethod;
  if (layout.family == LayoutFamily::modelopt) return config.packing != Packing::awq;
  if (layout.family == LayoutFamily::scaled) {
    return config.method == kCompressedMethod || config.packing == Packing::unsaid ||
           config.packing == Packing::small_floats;
  }
  if (config.packing == Packing::small_floats) return false;
  if (config.packing == Packing::unsaid) return true;
  if (config.packing != Packing::awq) return !is_awq(layout);
  if (config.llm_awq) return layout.id != LayoutId::awq_marlin;
  return version_names(config.version, layout.id);
}

bool group_size_fits(const QuantizedLinear& linear) {
  const std::uint64_t inputs =
      linear.layout->rows_are_inputs ? linear.out_features : linear.in_features;
  if (!linear.claims.group_size.has_value()) return true;
  if (*linear.claims.group_size == -1) return linear.group_size == inputs;
  const auto said = static_cast<std::uint64_t>(*linear.claims.group_size);
  return said == linear.group_size || (!is_awq(*linear.layout) && linear.group_size == inputs &&
                                       said > inputs);  // one group that is not full
}

bool bits_fit(const QuantizedLinear& linear) {
  return linear.claims.bits.value_or(linear.bits) == linear.bits;
}

// Linears that contradict the config in one way: one warning for all of them.
class Contradiction {
 public:
  void note(const QuantizedLinear& linear) {
    if (count_++ == 0) first_ = &linear;
  }
  void warn(const QuantConfig& config, const std::string& claim, const std::string& fact,
            std::vector<std::string>& warnings) const {
    if (count_ == 0) return;
    warnings.push_back(config.source + " says " + claim + ", but " + std::to_string(count_) +
                       (count_ == 1 ? " module is" : " modules are") + " different by shape (" +
                       printable(first_->module) + ": " + fact + "); the shapes are believed");
  }
  [[nodiscard]] const QuantizedLinear* first() const { return first_; }

 private:
  std::size_t count_ = 0;
  const QuantizedLinear* first_ = nullptr;
};

}  // namespace

void warn_of_contradictions(QuantizedLinears& result) {
  Contradiction versions;
  Contradiction groups;
  Contradiction widths;
  for (const QuantizedLinear& linear : result.linears) {
    if (!version_fits(result.config, *linear.layout)) versions.note(linear);
    if (linear.layout->family == LayoutFamily::compressed_tensors) continue;  // compared already
    if (!group_size_fits(linear)) groups.note(linear);
    if (!bits_fit(linear)) widths.note(linear);
  }
  if (versions.first() != nullptr) {
    const bool awq = result.config.packing == Packing::awq;
    versions.warn(
        result.config,
        awq ? "version " + printable(result.config.llm_awq ? "llm-awq" : result.config.version)
            : "method " + printable(result.config.method),
        title_of(*versions.first()), result.warnings);
  }
  if (groups.first() != nullptr) {
    groups.warn(result.config, "group_size " + std::to_string(*groups.first()->claims.group_size),
                std::to_string(groups.first()->group_size), result.warnings);
  }
  if (widths.first() != nullptr) {
    widths.warn(result.config, "bits " + std::to_string(*widths.first()->claims.bits),
                std::to_string(widths.first()->bits), result.warnings);
  }
}

std::vector<std::string> contradictions(const QuantConfig& config, const QuantizedLinear& linear) {
  std::vector<std::string> found;
  const auto by_shape = [&](const char* key, std::int64_t said, std::uint64_t fact) {
    found.push_back(std::string(key) + " " + std::to_string(said) + ", " + std::to_string(fact) +
                    " by shape");
  };
  if (!version_fits(config, *linear.layout)) {
    const bool gptq = config.packing == Packing::gptq || config.packing == Packing::gptq_v2;
    std::string said = gptq ? "method " : "version ";
    said += printable(gptq ? config.method : config.llm_awq ? "llm-awq" : config.version);
    found.push_back(said + ", " + title_of(linear) + " by shape");
  }
  if (!bits_fit(linear)) by_shape("bits", *linear.claims.bits, linear.bits);
  if (!group_size_fits(linear)) {
    by_shape("group_size", *linear.claims.group_size, linear.group_size);
  }
  const bool zeros = !linear.is_symmetric();
  if (linear.layout->family == LayoutFamily::compressed_tensors &&
      linear.claims.symmetric == true && zeros) {
    found.emplace_back("symmetric true, zero points are stored and used");
  }
  if (linear.layout->id == LayoutId::awq_gemm && config.packing == Packing::awq &&
      config.zero_point.value_or(zeros) != zeros) {
    found.emplace_back(zeros ? "zero_point false, zero points are stored and used"
                             : "zero_point true, no zero points are stored");
  }
  if (linear.claims.ignored) found.emplace_back("that it is not quantized, its tensors are");
  if (linear.claims.unnamed) found.emplace_back("of no config group that it is for this name");
  return found;
}

}  // namespace thaw
