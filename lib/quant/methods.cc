#include "quant/methods.h"

#include <algorithm>
#include <array>

#include "base/text.h"

namespace thaw {

namespace {

// awq_marlin and auto_awq are names that servers use for AWQ checkpoints.
constexpr std::array<std::string_view, 4> kMethods = {"awq", "awq_marlin", "auto_awq",
                                                      "compressed-tensors"};

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
  if (name.empty()) {
    return claim.backend.find("awq") != std::string::npos ? Packing::awq : Packing::gptq;
  }
  constexpr std::string_view kPrefix = "auto_round:";
  if (name.starts_with(kPrefix)) name.remove_prefix(kPrefix.size());
  return find_packing(kAutoRoundPackings, name);
}

// What a GPTQ config says; without a format it is v1.
Packing gptq_packing(const MethodClaim& claim) {
  const std::string_view format = claim.checkpoint_format;
  return format.empty() ? Packing::gptq : find_packing(kGptqFormats, format);
}

bool says_something(const json::Node& value) {
  switch (value.kind) {
    case json::Kind::null:
      return false;
    case json::Kind::boolean:
      return value.boolean;
    case json::Kind::integer:
      return value.integer != 0;
    case json::Kind::number:
      return true;
    case json::Kind::string:
      return !value.string.empty();
    case json::Kind::array:
      return !value.items.empty();
    case json::Kind::object:
      return !value.members.empty();
  }
  return true;
}

}  // namespace

const std::string_view kMethodsHint =
    "this version reads AWQ checkpoints (GEMM, GEMV, GEMV_FAST, Marlin and llm-awq v2), "
    "compressed-tensors (pack-quantized and int-quantized) and GPTQ, those of auto-round too, of 4 "
    "and 8 bits";

std::string refuse_method(const MethodClaim& claim) {
  if (is_auto_round(claim)) {
    if (auto_round_packing(claim) == Packing::unsaid) {
      return "auto-round with packing " + printable(claim.packing_format) + " is not supported";
    }
  } else if (contains(kGptqMethods, claim.method)) {
    if (gptq_packing(claim) == Packing::unsaid) {
      return "GPTQ of the format " + printable(claim.checkpoint_format) + " is not supported";
    }
  } else if (!contains(kMethods, claim.method)) {
    return "quantization method " + printable(claim.method) + " is not supported";
  }
  return {};
}

Packing packing_of(const MethodClaim& claim) {
  if (is_auto_round(claim)) return auto_round_packing(claim);
  if (contains(kGptqMethods, claim.method)) return gptq_packing(claim);
  return claim.says_layout ? Packing::awq : Packing::unsaid;
}

bool is_known_version(std::string_view version) { return contains(kVersions, version); }

const std::string_view kVersionsText = "gemm, gemv, gemv_fast, marlin, exllama, ipex or llm-awq";

std::string find_rotation_key(const json::Node& config) {
  for (const auto& [key, value] : config.members) {
    if ((names_rotation(key) || key == "transform_config") && says_something(value)) return key;
    if (std::string found = find_rotation_key(value); !found.empty()) return found;
  }
  for (const json::Node& item : config.items) {
    if (std::string found = find_rotation_key(item); !found.empty()) return found;
  }
  return {};
}

bool names_rotation(std::string_view name) {
  const std::string lower = lower_case(name);
  return lower.find("rotation") != std::string::npos || lower.find("hadamard") != std::string::npos;
}

std::string lower_case(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return lower;
}

}  // namespace thaw
