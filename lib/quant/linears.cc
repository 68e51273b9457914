#include "quant/linears.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <initializer_list>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/text.h"
#include "quant/attention_scales.h"
#include "quant/closed_world.h"
#include "quant/compressed_warnings.h"
#include "quant/contradictions.h"
#include "quant/foreign.h"
#include "quant/fused_scales.h"
#include "quant/gptq_parts.h"
#include "quant/layouts.h"
#include "quant/methods.h"
#include "quant/module_tensors.h"
#include "quant/refusal_groups.h"
#include "quant/unknown.h"

namespace thaw {

namespace {

constexpr std::uint64_t kLargestElement = 8;  // bytes; of any output type or intermediate

// How a server would quantize what goes into or comes out of a linear of compressed-tensors: no
// part of the weight. What comes out of keys and values is the cache, which closed_world.h speaks
// of.
constexpr std::array<std::string_view, 6> kActivations = {"input_scale",        "input_zero_point",
                                                          "input_global_scale", "output_scale",
                                                          "output_zero_point",  "activation_scale"};

Problem check_qweight(const ModuleTensors& tensors) {
  if (tensors.scales == nullptr) return "no scales";
  if (tensors.weight != nullptr) {
    return "a weight beside the qweight: both would be written as weight";
  }
  const Dtype dtype = tensors.qweight->dtype;
  if (dtype != Dtype::i32 && dtype != Dtype::i16 && !has_narrow_words(tensors)) {
    return "qweight is neither I32 nor I16";
  }
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

Problem check_compressed(const ModuleTensors& tensors, std::string_view codes,
                         std::initializer_list<std::pair<const Tensor*, std::string_view>> others) {
  if (tensors.scale() == nullptr) return "no weight_scale";
  for (const auto& [other, name] : others) {
    if (other == nullptr) continue;
    return std::string("a ").append(name).append(" beside the ").append(codes) +
           ": both would be written as weight";
  }
  const std::size_t rank = tensors.codes().shape.size();
  if (rank != 2 && rank != 3) {
    return std::string(codes) + " must have 2 dimensions, or 3 with experts";
  }
  for (const Tensor* tensor : {&tensors.codes(), tensors.scale(), tensors.weight_zero_point}) {
    if (tensor == nullptr) continue;
    if (std::count(tensor->shape.begin(), tensor->shape.end(), 0u) != 0) {
      return "a packed tensor without elements";
    }
  }
  return std::nullopt;
}

// What must hold before a layout is looked for: of qweight, both it and scales are there, and every
// tensor has two dimensions, none of them 0 (g_idx, weight and bias may be anything); of the
// others, the codes and weight_scale are there, and neither they nor zero points are empty.
Problem check_partners(const ModuleTensors& tensors) {
  switch (tensors.naming) {
    case Naming::qweight:
      return check_qweight(tensors);
    case Naming::weight_packed:
      return check_compressed(tensors, "weight_packed",
                              {{tensors.weight, "weight"}, {tensors.qweight, "qweight"}});
    case Naming::scaled_weight:  // a weight_packed is refused where it is met itself
      return check_compressed(tensors, "weight", {{tensors.qweight, "qweight"}});
    case Naming::blocks:
    case Naming::mlx:  // a qweight is refused where it is met itself
    case Naming::bnb_int8:
    case Naming::bnb_4bit:
    case Naming::paired_rows:
      return std::nullopt;
    case Naming::small_floats: {
      const bool several = (tensors.weight_scale != nullptr) +
                               (tensors.weight_scale_inv != nullptr) +
                               (tensors.short_scale != nullptr) >
                           1;
      if (several) return "scales under several names";
      return check_compressed(tensors, "weight", {{tensors.qweight, "qweight"}});
    }
  }
  __builtin_unreachable();
}

const Tensor& scales_of(const ModuleTensors& tensors) {
  if (tensors.scb != nullptr) return *tensors.scb;
  if (tensors.absmax != nullptr) return *tensors.absmax;
  return tensors.scales != nullptr ? *tensors.scales : *tensors.scale();
}

// GPTQModel can pack into wider words too.
bool has_wide_gptq_words(const ModuleTensors& tensors) {
  if (tensors.naming != Naming::qweight || tensors.qweight->dtype != Dtype::i64) return false;
  return has_index(tensors) || (tensors.qzeros != nullptr && tensors.qzeros->dtype == Dtype::i64);
}

// What must hold for every layout, once it has been described; of AWQ: specs/awq.md clause 2.
Problem check_linear(const ModuleTensors& tensors, const QuantizedLinear& linear) {
  if (linear.layout->family == LayoutFamily::awq) {
    THAW_RETURN_IF_PROBLEM(expect_multiple("output features", linear.out_features, 8));
    assert(linear.group_size >= 1 && linear.in_features % linear.group_size == 0);
  }
  const std::optional<std::uint64_t> elements =
      checked_multiply(linear.in_features, linear.out_features);
  if (!elements.has_value() || !checked_multiply(*elements, kLargestElement).has_value()) {
    return "its weight would be too large";
  }
  if (tensors.bias == nullptr) return std::nullopt;
  std::vector<std::uint64_t> shape = {linear.layout->rows_are_inputs ? linear.in_features
                                                                     : linear.out_features};
  if (linear.rows_per_slice != 0) {
    shape = {linear.out_features / linear.rows_per_slice, linear.rows_per_slice};
  }
  if (std::equal(shape.begin(), shape.end(), tensors.bias->shape.begin(),
                 tensors.bias->shape.end())) {
    return std::nullopt;
  }
  return "bias: got " + tensor_text(*tensors.bias) + ", expected the shape " + shape_text(shape);
}

// Scales of gate and up lie one below the other: a block must not go on from one into the other.
Problem check_fused_rows(const ModuleTensors& tensors, const QuantizedLinear& linear) {
  if (tensors.fused_scales == nullptr) return std::nullopt;
  return expect_multiple("rows, as its scales are fused with others,", linear.out_features,
                         linear.scaled.block_rows);
}

std::optional<Refusal> read_module(const ModuleTensors& tensors, const QuantConfig& config,
                                   QuantizedLinear& linear) {
  if (has_wide_gptq_words(tensors)) {
    return Refusal{
        "GPTQ in words of 64 bits is not supported, only in words of 8, 16 and 32 (pack_dtype)",
        kMethodsHint, true};
  }
  if (const Problem problem = check_partners(tensors)) {
    const bool compressed =
        tensors.naming == Naming::weight_packed || tensors.naming == Naming::scaled_weight;
    return Refusal{(compressed ? "compressed-tensors: " : "") + *problem, {}};
  }
  for (const LayoutReader* reader : layout_readers()) {
    if (reader->naming != tensors.naming || !reader->recognises(tensors)) continue;
    linear.module = tensors.module;
    linear.is_parameter = tensors.is_parameter;
    linear.layout = reader->layout;
    linear.reason = reader->reason;
    linear.scale_dtype = scales_of(tensors).dtype;
    if (linear.layout->family == LayoutFamily::awq || linear.layout->family == LayoutFamily::gptq) {
      linear.claims = config.claims_of(tensors.module);
    }
    Problem problem = reader->describe(tensors, config, linear);
    if (!problem.has_value()) problem = check_linear(tensors, linear);
    if (!problem.has_value()) problem = check_fused_rows(tensors, linear);
    if (problem.has_value()) {
      return Refusal{std::string(reader->layout->title) + ": " + *problem, {}};
    }
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

// specs/gptq.md clause 4.1: without a format the zero points are taken for those of v1.
void note_guessed_format(QuantizedLinears& result) {
  if (result.config.says_format) return;
  std::size_t count = 0;
  const QuantizedLinear* first = nullptr;
  for (const QuantizedLinear& linear : result.linears) {
    if (linear.zero_addend == 0) continue;
    if (count++ == 0) first = &linear;
  }
  if (count == 0) return;
  result.notes.push_back("no config says checkpoint_format: the zero points of " +
                         std::to_string(count) + (count == 1 ? " module" : " modules") +
                         " are taken for those of GPTQ v1, which are stored less one (first: " +
                         printable(first->module) + "); if it is gptq_v2, say so in the config");
}

// The module's own among the scales of all experts, in their place.
std::optional<Refusal> take_fused_scales(ModuleTensors& tensors,
                                         std::shared_ptr<const SlicedScales>& slice) {
  if (Problem problem = slice_scales(*tensors.fused_scales, tensors.module, slice)) {
    return Refusal{*problem, {}};
  }
  tensors.weight_scale_inv = &slice->tensor;
  return std::nullopt;
}

void consume(const Checkpoint& checkpoint, const Tensor* tensor,
             std::vector<std::uint8_t>& consumed) {
  consumed[static_cast<std::size_t>(tensor - checkpoint.tensors().data())] = 1;
}

// Whether there were any.
bool consume_activations(const Checkpoint& checkpoint, const CodesName& name,
                         std::vector<std::uint8_t>& consumed) {
  bool any = false;
  for (const std::string_view suffix : kActivations) {
    const Tensor* tensor = find_beside(checkpoint, name, suffix);
    if (tensor == nullptr || is_attention_scale(*tensor)) continue;
    consume(checkpoint, tensor, consumed);
    any = true;
  }
  return any;
}

}  // namespace

bool looks_quantized(const Checkpoint& checkpoint) {
  const auto tensors = checkpoint.tensors();
  return std::any_of(tensors.begin(), tensors.end(), [&](const Tensor& tensor) {
    return codes_name(checkpoint, tensor).has_value() || tensor.name == ".qweight" ||
           tensor.name == ".weight_packed";
  });
}

std::vector<std::uint64_t> weight_shape(const QuantizedLinear& linear) {
  const std::uint64_t rows = linear.rows_per_slice;
  if (rows == 0) return {linear.out_features, linear.in_features};
  return {linear.out_features / rows, rows, linear.in_features};
}

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
  result.linears.reserve(static_cast<std::size_t>(std::count_if(
      checkpoint.tensors().begin(), checkpoint.tensors().end(),
      [&](const Tensor& tensor) { return codes_name(checkpoint, tensor).has_value(); })));

  ErrorList errors;
  RefusalGroups refusals;
  ClosedWorld world(checkpoint);
  UnknownModules unknown(checkpoint, result.consumed);
  CompressedWarnings compressed(result.config);
  for (const Tensor& tensor : checkpoint.tensors()) {
    const Place place{checkpoint.file_of(tensor), tensor.name};
    const bool own_adapter = options.is_part_of_model && names_adapter(tensor.name) &&
                             options.is_part_of_model(tensor.name);
    const std::optional<Refusal> foreign =
        own_adapter ? std::nullopt
                    : refuse_tensor(checkpoint, tensor, result.config.fused_transforms);
    if (foreign.has_value()) {
      const std::optional<TensorName> name = split_tensor_name(tensor.name);
      if (name.has_value() && foreign->answers_for_module) world.answered(name->module);
      if (foreign->unknown && options.copy_unknown) {
        unknown.note(name->module);
      } else {
        refusals.add(place.file, place.tensor, foreign->what, foreign->hint);
      }
      continue;
    }
    if (result.config.mlx.said && tensor.shape.size() >= 3 && is_output_dtype(tensor.dtype) &&
        tensor.name.ends_with("weight")) {
      refusals.add(place.file, place.tensor,
                   tensor_text(tensor) +
                       ": MLX keeps weights of three dimensions and more in an order of its own "
                       "(channels last), which is not supported",
                   kMethodsHint);
      continue;
    }
    if (is_activation_scales(checkpoint, tensor)) result.activation_scales.push_back(&tensor);
    const std::optional<CodesName> name = codes_name(checkpoint, tensor);
    if (!name.has_value()) continue;
    const std::string_view module = name->module;
    ModuleTensors tensors = find_module_tensors(checkpoint, *name);
    QuantizedLinear linear;
    std::optional<Refusal> refusal;
    if (tensors.fused_scales != nullptr) {
      refusal = take_fused_scales(tensors, result.sliced_scales.emplace_back());
    }
    if (!refusal.has_value()) refusal = read_module(tensors, result.config, linear);
    if (refusal.has_value()) {
      world.answered(module);
      if (name->naming == Naming::bnb_4bit) world.answered(tensor.name);  // they hang below it
      if (refusal->unknown && options.copy_unknown) {
        unknown.note(module);
      } else {
        refusals.add(place.file, module, refusal->what + " (" + module_text(tensors) + ")",
                     refusal->hint);
      }
      continue;
    }
    for (const Tensor* packed : tensors.packed()) {
      const bool sliced = tensors.fused_scales != nullptr && packed == tensors.scale();
      consume(checkpoint, sliced ? tensors.fused_scales : packed, result.consumed);
    }
    if (linear.layout->family == LayoutFamily::compressed_tensors ||
        linear.layout->family == LayoutFamily::modelopt ||
        linear.layout->family == LayoutFamily::scaled) {
      compressed.note(linear, consume_activations(checkpoint, *name, result.consumed));
    }
    result.linears.push_back(linear);
  }
  // Tensors come sorted by name, which is nearly this order: "a.b.qweight" stands before
  // "a.qweight".
  std::sort(result.linears.begin(), result.linears.end(),
            [](const QuantizedLinear& a, const QuantizedLinear& b) { return a.module < b.module; });
  world.look_at_the_rest(result);
  if (options.copy_unknown) {
    world.copy(result, unknown);
  } else {
    world.refuse(refusals);
  }
  refusals.move_to(errors);
  // From here on it is known what every tensor is, or why not.
  if (errors.empty() && result.linears.empty()) {
    return fail(
        ErrorCode::input, Place{checkpoint.path(), {}},
        "nothing in it is quantized: no tensor is named <module>.qweight or "
        "<module>.weight_packed, and none is a <module>.weight of bytes or float8 beside its "
        "scales or its SCB, or of U32 beside its scales",
        kMethodsHint);
  }
  if (result.config.overrides.exhausted() || result.config.targets.exhausted()) {
    errors.add(fail(ErrorCode::input, Place{checkpoint.path(), {}},
                    "the patterns of its quantization config take too long to match"));
  }
  THAW_RETURN_IF_ERROR(errors.take());
  warn_of_contradictions(result);
  unknown.warn(result.warnings);
  compressed.add_to(result.warnings, result.notes);
  warn_of_wrapped_zeros(result);
  note_guessed_format(result);
  return result;
}

}  // namespace thaw
