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

// auto-round writes several packings under its own name. Without packing_format the backend says
// which, and without both it is GPTQ.
bool is_auto_round_awq(const MethodClaim& claim) {
  const std::string& packing = claim.packing_format.empty() ? claim.backend : claim.packing_format;
  return packing.find("awq") != std::string::npos;
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
    "this version reads AWQ checkpoints (GEMM, GEMV, GEMV_FAST, Marlin and llm-awq v2) and "
    "compressed-tensors (pack-quantized, 4 and 8 bits)";

std::string refuse_method(const MethodClaim& claim) {
  if (claim.method == "auto-round" || claim.method == "intel/auto-round") {
    if (!is_auto_round_awq(claim)) return "auto-round with GPTQ packing is not supported";
  } else if (!contains(kMethods, claim.method)) {
    return "quantization method " + printable(claim.method) + " is not supported";
  }
  return {};
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
