#include "prepare/output_type.h"

#include <array>
#include <optional>
#include <string_view>

#include "base/text.h"

namespace thaw {

namespace {

constexpr const char* kAskForDtype =
    "Choose one with --dtype float16, --dtype bfloat16 or --dtype float32.";

struct Named {
  std::string key;
  const json::Node* value;
};

std::optional<Named> named_in_config(const json::Node& config) {
  constexpr std::array<std::string_view, 2> kKeys = {"dtype", "torch_dtype"};
  for (const std::string_view key : kKeys) {
    const json::Node* value = config.find(key);
    if (value != nullptr && value->kind != json::Kind::null) return Named{std::string(key), value};
  }
  const json::Node* text = config.find("text_config");
  if (text == nullptr) return std::nullopt;
  for (const std::string_view key : kKeys) {
    const json::Node* value = text->find(key);
    if (value != nullptr && value->kind != json::Kind::null) {
      return Named{"text_config." + std::string(key), value};
    }
  }
  return std::nullopt;
}

Result<OutputType> automatic(const Checkpoint& checkpoint, const QuantizedLinears& linears) {
  if (const auto named = named_in_config(checkpoint.config())) {
    const auto name = named->value->as_string();
    const auto dtype = name ? parse_torch_dtype(*name) : std::nullopt;
    if (dtype) return OutputType{*dtype, named->key + " in config.json"};
    return fail(ErrorCode::usage, {.file = "config.json", .tensor = {}},
                named->key + " is no type that thaw writes: got " +
                    (name ? in_quotes(*name) : std::string("no string")) +
                    ", expected float16, bfloat16 or float32",
                kAskForDtype);
  }
  const Dtype first = linears.linears.front().scale_dtype;
  for (const QuantizedLinear& linear : linears.linears) {
    const bool half = linear.scale_dtype == Dtype::f16 || linear.scale_dtype == Dtype::bf16;
    if (linear.layout->family != LayoutFamily::scaled || half) continue;
    return fail(ErrorCode::usage, {.file = checkpoint.path(), .tensor = linear.module},
                "the config names no dtype, and scales of " +
                    std::string(dtype_name(linear.scale_dtype)) + " do not tell it",
                kAskForDtype);
  }
  for (const QuantizedLinear& linear : linears.linears) {
    if (linear.scale_dtype == first) continue;
    return fail(ErrorCode::usage, {.file = checkpoint.path(), .tensor = linear.module},
                "the config names no dtype and the scales differ: got " +
                    std::string(dtype_name(linear.scale_dtype)) + " here and " +
                    std::string(dtype_name(first)) + " elsewhere",
                kAskForDtype);
  }
  return OutputType{first, "the scales' type"};
}

}  // namespace

Result<OutputType> choose_output_type(const ConvertOptions& options, const Checkpoint& checkpoint,
                                      const QuantizedLinears& linears) {
  OutputType type;
  if (options.dtype) {
    type = {*options.dtype, "--dtype"};
  } else {
    THAW_ASSIGN_OR_RETURN(type, automatic(checkpoint, linears));
  }
  if (options.rounding == Rounding::via_float16 && type.dtype != Dtype::bf16) {
    return fail(ErrorCode::usage, {},
                "--rounding via-float16 is for bfloat16 output: got " +
                    std::string(torch_dtype_name(type.dtype)) + " (" + type.reason + ")",
                "Add --dtype bfloat16, or leave --rounding out.");
  }
  return type;
}

}  // namespace thaw
