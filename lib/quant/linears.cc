#include "quant/linears.h"

#include <algorithm>
#include <cassert>
#include <initializer_list>
#include <optional>
#include <utility>

#include "base/bytes.h"
#include "base/text.h"
#include "quant/compressed_config.h"
#include "quant/compressed_tensors.h"
#include "quant/contradictions.h"
#include "quant/foreign.h"
#include "quant/layouts.h"
#include "quant/methods.h"
#include "quant/module_tensors.h"
#include "quant/unknown.h"

namespace thaw {

namespace {

constexpr std::uint64_t kLargestElement = 8;  // bytes; of any output type or intermediate

bool is_qweight(const Tensor& tensor) {
  const std::optional<TensorName> name = split_tensor_name(tensor.name);
  return name.has_value() && name->suffix == "qweight";
}

Problem check_partners(const ModuleTensors& tensors) {
  if (tensors.scales == nullptr) return "no scales";
  if (tensors.weight != nullptr) {
    return "a weight beside the qweight: both would be written as weight";
  }
  const Dtype dtype = tensors.qweight->dtype;
  if (dtype != Dtype::i32 && dtype != Dtype::i16) return "qweight is neither I32 nor I16";
  if (dtype == Dtype::i32 && tensors.scaled_zeros != nullptr) {
    return "scaled_zeros beside an I32 qweight";
  }
  for (const Tensor* tensor :
       {tensors.qweight, tensors.qzeros, tensors.scaled_zeros, tensors.scales}) {
    if (tensor == nullptr) continue;
    const auto& shape = tensor->shape;
    if (shape.size() != 2) return "every packed tensor must have 2 dimensions";
    if (shape[0] == 0 || shape[1] == 0) return "a packed tensor without elements";
  }
  return std::nullopt;
}

bool is_awq(const PackLayout& layout) { return layout.name.starts_with("awq_"); }

// What must hold for every layout, once it has been described; of AWQ: specs/awq.md clause 2.
Problem check_linear(const ModuleTensors& tensors, const QuantizedLinear& linear) {
  if (is_awq(*linear.layout)) {
    THAW_RETURN_IF_PROBLEM(expect_multiple("output features", linear.out_features, 8));
    assert(linear.group_size >= 1 && linear.in_features % linear.group_size == 0);
  }
  const std::optional<std::uint64_t> elements =
      checked_multiply(linear.in_features, linear.out_features);
  if (!elements.has_value() || !checked_multiply(*elements, kLargestElement).has_value()) {
    return "its weight would be too large";
  }
  const std::uint64_t outputs =
      linear.layout->rows_are_inputs ? linear.in_features : linear.out_features;
  if (tensors.bias != nullptr &&
      (tensors.bias->shape.size() != 1 || tensors.bias->shape[0] != outputs)) {
    return "bias: got " + tensor_text(*tensors.bias) + ", expected the shape [" +
           std::to_string(outputs) + "]";
  }
  return std::nullopt;
}

std::optional<Refusal> read_module(const ModuleTensors& tensors, const QuantConfig& config,
                                   QuantizedLinear& linear) {
  if (const Problem problem = check_partners(tensors)) return Refusal{*problem, {}};
  for (const LayoutReader* reader : layout_readers()) {
    if (!reader->recognises(tensors)) continue;
    const std::string title(reader->layout->title);
    if (reader->describe == nullptr) {
      return Refusal{"the quantization method " + title + " is not supported", kMethodsHint, true};
    }
    linear.module = tensors.module;
    linear.layout = reader->layout;
    linear.scale_dtype = tensors.scales->dtype;
    linear.claims = config.claims_of(tensors.module);
    Problem problem = reader->describe(tensors, config, linear);
    if (!problem.has_value()) problem = check_linear(tensors, linear);
    if (problem.has_value()) return Refusal{title + ": " + *problem, {}};
    return std::nullopt;
  }
  return Refusal{"the shapes are of no known layout", kMethodsHint, true};
}

// specs/gptq.md clause 4.6.
void warn_of_wrapped_zeros(QuantizedLinears& result) {
  std::size_t count = 0;
  const QuantizedLinear* first = nullptr;
  for (const QuantizedLinear& linear : result.linears) {
    if (!linear.zeros_wrap) continue;
    if (count++ == 0) first = &linear;
  }
  if (count == 0) return;
  result.warnings.push_back(
      std::to_string(count) + (count == 1 ? " module has" : " modules have") +
      " GPTQ v1 zero points of " + std::to_string((1u << first->bits) - 1) +
      ", read as 0 with a carry into the next (first: " + printable(first->module) +
      "); where the quantizer packed them without a borrow, the zero points beside them are lost");
}

void consume(const Checkpoint& checkpoint, const ModuleTensors& tensors,
             std::vector<std::uint8_t>& consumed) {
  for (const Tensor* tensor :
       {tensors.qweight, tensors.qzeros, tensors.scaled_zeros, tensors.scales, tensors.g_idx}) {
    if (tensor == nullptr) continue;
    consumed[static_cast<std::size_t>(tensor - checkpoint.tensors().data())] = 1;
  }
}

}  // namespace

std::string weight_name(const QuantizedLinear& linear) {
  if (linear.module.empty()) return "weight";
  return std::string(linear.module) + (linear.is_parameter ? "" : ".weight");
}

Result<QuantizedLinears> find_quantized_linears(const Checkpoint& checkpoint,
                                                const FindOptions& options) {
  THAW_ASSIGN_OR_RETURN(QuantConfig config, read_quant_config(checkpoint));
  QuantizedLinears result;
  result.warnings = config.warnings;
  result.config = std::move(config);
  result.consumed.resize(checkpoint.tensors().size());
  // Counted first, because growing step by step would need three times the memory for a moment.
  result.linears.reserve(static_cast<std::size_t>(
      std::count_if(checkpoint.tensors().begin(), checkpoint.tensors().end(), is_qweight) +
      std::count_if(checkpoint.tensors().begin(), checkpoint.tensors().end(),
                    [](const Tensor& tensor) { return packed_weight(tensor).has_value(); })));

  ErrorList errors;
  UnknownModules unknown(checkpoint, result.consumed);
  CompressedReader compressed(checkpoint, result.config);
  for (const Tensor& tensor : checkpoint.tensors()) {
    const Place place{checkpoint.file_of(tensor), tensor.name};
    const bool own_adapter = options.is_part_of_model && names_adapter(tensor.name) &&
                             options.is_part_of_model(tensor.name);
    const std::optional<Refusal> refused =
        own_adapter ? std::nullopt : refuse_tensor(checkpoint, tensor);
    if (const std::optional<Refusal>& refusal = refused) {
      if (refusal->unknown && options.copy_unknown) {
        unknown.note(split_tensor_name(tensor.name)->module);
        continue;
      }
      errors.add(fail(ErrorCode::input, place, refusal->what, refusal->hint));
      continue;
    }
    if (is_activation_scales(checkpoint, tensor)) result.activation_scales.push_back(&tensor);
    if (packed_weight(tensor).has_value()) {
      errors.add(compressed.add(tensor, result));
      continue;
    }
    if (!is_qweight(tensor)) continue;
    const std::string_view module = split_tensor_name(tensor.name)->module;
    const ModuleTensors tensors = find_module_tensors(checkpoint, module);
    QuantizedLinear linear;
    if (const std::optional<Refusal> refusal = read_module(tensors, result.config, linear)) {
      if (refusal->unknown && options.copy_unknown) {
        unknown.note(module);
        continue;
      }
      errors.add(fail(ErrorCode::input, Place{place.file, module},
                      refusal->what + " (" + module_text(tensors) + ")", refusal->hint));
      continue;
    }
    consume(checkpoint, tensors, result.consumed);
    result.linears.push_back(linear);
  }
  if (errors.empty() && result.linears.empty()) {
    return fail(ErrorCode::input, Place{checkpoint.path(), {}},
                "nothing in it is quantized: no tensor is named <module>.qweight or "
                "<module>.weight_packed",
                kMethodsHint);
  }
  if (result.config.overrides.exhausted() || result.config.targets.exhausted()) {
    errors.add(fail(ErrorCode::input, Place{checkpoint.path(), {}},
                    "the patterns of its quantization config take too long to match"));
  }
  THAW_RETURN_IF_ERROR(errors.take());
  // Tensors come sorted by name, which is nearly this order: "a.b.qweight" stands before
  // "a.qweight".
  std::sort(result.linears.begin(), result.linears.end(),
            [](const QuantizedLinear& a, const QuantizedLinear& b) { return a.module < b.module; });
  warn_of_contradictions(result);
  unknown.warn(result.warnings);
  compressed.warn(result.warnings);
  warn_of_wrapped_zeros(result);
  return result;
}

}  // namespace thaw
