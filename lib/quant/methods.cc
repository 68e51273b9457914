#include "quant/methods.h"

#include <algorithm>
#include <array>

#include "base/text.h"
#include "quant/scaled_config.h"

namespace thaw {

namespace {

// awq_marlin and auto_awq are names that servers use for AWQ checkpoints.
constexpr std::array<std::string_view, 6> kMethods = {
    "awq", "awq_marlin", "auto_awq", "compressed-tensors", "mlx", kBnbMethod};

// exllama and ipex repack GEMM when a model is loaded; on disk they are GEMM.
constexpr std::array<std::string_view, 7> kVersions = {"gemm",    "gemv", "gemv_fast", "marlin",
                                                       "exllama", "ipex", "llm-awq"};

template <std::size_t n>
bool contains(const std::array<std::string_view, n>& values, std::string_view value) {
  return std::find(values.begin(), values.end(), value) != values.end();
}

// gptq_marlin is what servers call a GPTQ checkpoint that they repack.
constexpr std::array<std::string_view, 2> kGptqMethods = {"gptq", "gptq_marlin"};

struct NamedPacking {
  std::string_view name;
  Packing packing;
};
// specs/gptq.md clause 4.1.
constexpr std::array<NamedPacking, 4> kGptqFormats = {{{"gptq", Packing::gptq},
                                                       {"auto_gptq", Packing::gptq},
                                                       {"gptq_v2", Packing::gptq_v2},
                                                       {"gptq_p", Packing::gptq_v2}}};
constexpr std::array<NamedPacking, 6> kAutoRoundPackings = {{{"auto_gptq", Packing::gptq},
                                                             {"auto_awq", Packing::awq},
                                                             {"auto_round", Packing::gptq_v2},
                                                             {"gptqmodel", Packing::gptq_v2},
                                                             {"exllamav2", Packing::gptq_v2},
                                                             {"tritonv2", Packing::gptq_v2}}};

template <std::size_t n>
Packing find_packing(const std::array<NamedPacking, n>& all, std::string_view name) {
  for (const NamedPacking& known : all) {
    if (known.name == name) return known.packing;
  }
  return Packing::unsaid;
}

bool is_auto_round(const MethodClaim& claim) {
  return claim.method == "auto-round" || claim.method == "intel/auto-round";
}

// auto-round writes several packings under its own name. Without packing_format the backend tells
// AWQ, and without both it is GPTQ.
Packing auto_round_packing(const MethodClaim& claim) {
  std::string_view name = claim.packing_format;
  if (is_scaled_packing(name)) return Packing::small_floats;
  if (name.empty()) {
    return claim.backend.find("awq") != std::string::npos ? Packing::awq : Packing::gptq;
  }
  constexpr std::string_view kPrefix = "auto_round:";
  if (name.starts_with(kPrefix)) name.remove_prefix(kPrefix.size());
  return find_packing(kAutoRoundPackings, name);
}

// Letters and digits only, so that compressed_tensors and autoround are found too.
std::string letters_of(std::string_view name) {
  std::string letters;
  for (const char c : name) {
    if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9')) letters += c;
  }
  return letters;
}

// A method that is read and whose name is part of this one.
std::string nearest_method(std::string_view method) {
  const std::string letters = letters_of(method);
  for (const std::string_view known :
       {"compressed-tensors", "auto-round", "gptq", "awq", "fp8", "modelopt", "mxfp4"}) {
    if (letters.find(letters_of(known)) == std::string::npos) continue;
    return "; the nearest that is read is " + std::string(known);
  }
  return {};
}

// What a GPTQ config says; without a format it is v1.
Packing gptq_packing(const MethodClaim& claim) {
  const std::string_view format = claim.checkpoint_format;
  return format.empty() ? Packing::gptq : find_packing(kGptqFormats, format);
}

}  // namespace

const std::string_view kMethodsHint =
    "this version reads AWQ checkpoints (GEMM, GEMV, GEMV_FAST, Marlin and llm-awq v2), "
    "compressed-tensors (pack-quantized and int-quantized, 1 to 8 bits; float-quantized and its "
    "kinds), GPTQ, those of auto-round too, of 2 to 8 bits, float8, MXFP4, MXFP8 and NVFP4 (fp8, "
    "fbgemm_fp8, modelopt), MLX (affine, mxfp4, mxfp8, nvfp4), and bitsandbytes (int8, nf4, fp4)";

std::string refuse_method(const MethodClaim& claim) {
  if (is_auto_round(claim)) {
    if (auto_round_packing(claim) == Packing::unsaid) {
      return "auto-round with packing " + printable(claim.packing_format) + " is not supported";
    }
  } else if (contains(kGptqMethods, claim.method)) {
    if (gptq_packing(claim) == Packing::unsaid) {
      return "GPTQ of the format " + printable(claim.checkpoint_format) + " is not supported";
    }
  } else if (!contains(kMethods, claim.method) && !is_scaled_method(claim.method)) {
    return "quantization method " + printable(claim.method) + " is not supported" +
           nearest_method(claim.method);
  }
  return {};
}

Packing packing_of(const MethodClaim& claim) {
  if (is_auto_round(claim)) return auto_round_packing(claim);
  if (contains(kGptqMethods, claim.method)) return gptq_packing(claim);
  if (is_scaled_method(claim.method)) return Packing::small_floats;
  return claim.says_layout ? Packing::awq : Packing::unsaid;
}

bool is_known_version(std::string_view version) { return contains(kVersions, version); }

const std::string_view kVersionsText = "gemm, gemv, gemv_fast, marlin, exllama, ipex or llm-awq";

std::string lower_case(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return lower;
}

}  // namespace thaw
