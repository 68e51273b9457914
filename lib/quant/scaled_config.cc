#include "quant/scaled_config.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string>

#include "base/text.h"
#include "quant/methods.h"

namespace thaw {

namespace {

constexpr std::array<std::string_view, 4> kScaledMethods = {"fp8", "fbgemm_fp8", kModelOptMethod,
                                                            "mxfp4"};
// The beginnings of auto-round's names, after its own.
constexpr std::array<std::string_view, 7> kScaledPackings = {"fp8",   "nv_fp", "mx_fp", "nvfp",
                                                             "mxfp4", "mxfp8", "float8"};

// Of ModelOpt: what the tensors show, and nothing besides. MIXED_PRECISION is any of these by
// module.
constexpr std::array<std::string_view, 15> kAlgorithms = {"fp8",
                                                          "fp8_per_channel_per_token",
                                                          "fp8_pb_wo",
                                                          "fp8_pb_real",
                                                          "nvfp4",
                                                          "w4a16_nvfp4",
                                                          "nvfp4_awq",
                                                          "mxfp4",
                                                          "w4a8_mxfp4_fp8",
                                                          "mxfp8",
                                                          "w8a16",
                                                          "w8a8_sq_per_channel",
                                                          "w4a16_awq",
                                                          "w4a8_awq",
                                                          "mixed_precision"};
constexpr std::string_view kAlgorithmsHint =
    "of ModelOpt this version reads FP8 (also by channel and by block), NVFP4, MXFP4, MXFP8, INT8 "
    "and INT4 (AWQ) weights";

template <std::size_t n>
bool contains(const std::array<std::string_view, n>& values, std::string_view value) {
  return std::find(values.begin(), values.end(), value) != values.end();
}

class Reader {
 public:
  Reader(const ConfigPlace& place, ScaledClaims& claims, ErrorList& errors)
      : place_(place), claims_(claims), errors_(errors) {}

  void read() {
    read_block();
    read_semantics();
    read_algorithm();
    if (string_of("fmt").value_or("").find("fnuz") != std::string::npos) {
      refuse("fmt", "float8 of the FNUZ kind, whose codes mean other numbers, is not supported",
             {});
    }
  }

 private:
  void read_block() {
    const json::Node* node = member("weight_block_size");
    if (node == nullptr || claims_.block.has_value()) return;
    const bool two = node->kind == json::Kind::array && node->items.size() == 2;
    std::array<std::uint64_t, 2> block{};
    bool good = two;
    for (std::size_t i = 0; two && i < 2; ++i) {
      const std::optional<std::int64_t> extent = node->items[i].as_integer();
      good = good && extent.has_value() && *extent >= 1 && *extent <= kLargestGroup;
      if (good) block[i] = static_cast<std::uint64_t>(*extent);
    }
    if (good) {
      claims_.block = block;
    } else {
      error("weight_block_size", node_text(*node),
            "null or two integers from 1 to " + std::to_string(kLargestGroup));
    }
  }

  // GPTQModel stores the inverse of what others call weight_scale_inv, and only this key says so.
  void read_semantics() {
    const std::optional<std::string> semantics = string_of("weight_scale_semantics");
    if (semantics.has_value()) {
      if (*semantics == "inverse") {
        claims_.inverse = true;
      } else {
        error("weight_scale_semantics", '"' + printable(*semantics) + '"', "\"inverse\"");
      }
      return;
    }
    const std::string format = string_of("checkpoint_format").value_or("");
    if (format.starts_with("float8")) {
      refuse(
          "checkpoint_format",
          "float8 of GPTQModel without weight_scale_semantics: nothing says whether its scales "
          "multiply or divide",
          "add \"weight_scale_semantics\": \"inverse\" where they are what codes were multiplied "
          "by");
    }
  }

  void read_algorithm() {
    const std::optional<std::string> algorithm = string_of("quant_algo");
    if (!algorithm.has_value()) return;
    if (!contains(kAlgorithms, *algorithm)) {
      refuse("quant_algo", "ModelOpt's " + printable(*algorithm) + " is not supported",
             kAlgorithmsHint);
    } else if (algorithm->starts_with("fp8_pb") && !claims_.block.has_value()) {
      claims_.block = {128, 128};  // its only size, which no key gives
    }
  }

  // Null is not said.
  const json::Node* member(std::string_view key) const {
    const json::Node* node = place_.node->find(key);
    return node == nullptr || node->kind == json::Kind::null ? nullptr : node;
  }

  std::optional<std::string> string_of(const std::string& key) {
    const json::Node* node = member(key);
    if (node == nullptr) return std::nullopt;
    const std::optional<std::string_view> text = node->as_string();
    if (text.has_value()) return lower_case(*text);
    error(key, node_text(*node), "a string");
    return std::nullopt;
  }

  void error(const std::string& key, std::string_view got, std::string_view expected) {
    errors_.add(fail(ErrorCode::input, Place{place_.file, {}}, printable(place_.member(key)), got,
                     expected));
  }
  void refuse(const std::string& key, const std::string& why, std::string_view hint) {
    errors_.add(fail(ErrorCode::input, Place{place_.file, {}},
                     printable(place_.member(key)) + ": " + why, hint));
  }

  const ConfigPlace& place_;
  ScaledClaims& claims_;
  ErrorList& errors_;
};

}  // namespace

bool is_scaled_method(std::string_view method) { return contains(kScaledMethods, method); }

bool is_scaled_packing(std::string_view packing_format) {
  constexpr std::string_view kPrefix = "auto_round:";
  if (packing_format.starts_with(kPrefix)) packing_format.remove_prefix(kPrefix.size());
  return std::any_of(kScaledPackings.begin(), kScaledPackings.end(),
                     [&](std::string_view name) { return packing_format.starts_with(name); });
}

void read_scaled_config(const ConfigPlace& place, ScaledClaims& claims, ErrorList& errors) {
  Reader(place, claims, errors).read();
}

}  // namespace thaw
