#include "prepare/lay_over.h"

#include <algorithm>
#include <string>
#include <utility>

#include "base/bytes.h"
#include "base/text.h"
#include "model/choose.h"
#include "prepare/padding_check.h"
#include "prepare/sample_rows.h"
#include "prepare/zero_biases.h"
#include "quant/closed_world.h"

namespace thaw {

namespace {

Status needs_base(const char* option) {
  return fail(ErrorCode::usage, {}, std::string(option) + " needs --base");
}

// Its config is carried over as it is, and would claim that the result is quantized.
Status check_is_float(const Checkpoint& base) {
  std::string why;
  if (const Result<QuantConfig> config = read_quant_config(base); !config.ok()) {
    why = config.error().messages.front();
  } else if (!config.value().source.empty()) {
    why = config.value().source + " is there";
  } else if (const std::vector<std::string> packed = list_packed_tensors(base); !packed.empty()) {
    why = packed.front();
  } else {
    return {};
  }
  return fail(ErrorCode::input, {.file = base.path(), .tensor = {}},
              "the base is itself quantized: " + why,
              "--base names the float model that the quantized one was made from.");
}

Status check_biases(const Checkpoint& quantized, const QuantizedLinears& linears,
                    const kernels::Table& table, Base& base) {
  const std::vector<const Tensor*>& biases = base.overlay.biases_left_out;
  if (biases.empty()) return {};
  THAW_RETURN_IF_ERROR(
      check_zero_biases(quantized, linears, biases, "the base has no such bias", table));
  base.overlay.warnings.push_back(std::to_string(biases.size()) +
                                  " biases that hold zeros only, and that the base does not have, "
                                  "are left out");
  return {};
}

// The base cannot hold weights that were padded. Their values say whether that is what they are.
Status refuse_padding(const Checkpoint& quantized, const QuantizedLinears& linears,
                      const kernels::Table& table, const Base& base) {
  if (base.overlay.padded.empty()) return {};
  THAW_ASSIGN_OR_RETURN(
      Plan plan,
      plan_tensors({.checkpoint = &quantized, .linears = &linears, .dtype = Dtype::f32}));
  SampleRows reader(std::move(plan), table);
  ErrorList errors;
  for (const PaddedModule& module : base.overlay.padded) {
    THAW_ASSIGN_OR_RETURN(const std::string found, describe_padding(module, reader));
    errors.add(refuse_padded(module, base.checkpoint, quantized, found));
  }
  return errors.take();
}

}  // namespace

Status check_overlay_options(const ConvertOptions& options) {
  if (options.base.empty()) {
    if (options.in_place) return needs_base("--in-place");
    if (!options.spec.empty()) return needs_base("--spec");
    if (!options.match_check) return needs_base("--no-match-check");
    if (options.keep_backup) return needs_base("--keep-backup");
    if (!options.take.empty()) return needs_base("--take");
    if (!options.leave.empty()) return needs_base("--leave");
    return {};
  }
  for (const std::string& name : options.take) {
    if (std::find(options.leave.begin(), options.leave.end(), name) == options.leave.end())
      continue;
    return fail(ErrorCode::usage, {}, "--take and --leave both name " + printable(name),
                "Leave it out of one of them.");
  }
  if (options.dtype) {
    return fail(ErrorCode::usage, {},
                "--dtype does not go with --base: each tensor has the type that the base gives it",
                "Leave --dtype out.");
  }
  if (options.keep_names) {
    return fail(ErrorCode::usage, {},
                "--keep-names does not go with --base: the names are those of the base",
                "Leave one of them out.");
  }
  if (options.in_place && !options.out.empty()) {
    return fail(ErrorCode::usage, {.file = options.out, .tensor = {}},
                "OUT does not go with --in-place, which replaces the base",
                "Leave one of them out.");
  }
  if (options.keep_backup && !options.in_place) {
    return fail(ErrorCode::usage, {}, "--keep-backup needs --in-place");
  }
  return {};
}

Result<std::unique_ptr<Base>> open_base(const ConvertOptions& options, FileSystem& file_system) {
  THAW_ASSIGN_OR_RETURN(
      Checkpoint checkpoint,
      open_checkpoint(file_system, options.base, {.this_file_only = options.this_file_only}));
  auto base = std::make_unique<Base>(std::move(checkpoint));
  THAW_RETURN_IF_ERROR(check_is_float(base->checkpoint));
  THAW_ASSIGN_OR_RETURN(base->spec,
                        choose_model_spec(file_system, options.model_specs, options.spec,
                                          std::string(base->checkpoint.model_type())));
  if (!base->checkpoint.index_path().empty()) {
    THAW_ASSIGN_OR_RETURN(base->index,
                          MappedFile::open(file_system, base->checkpoint.index_path()));
  }
  return base;
}

Status lay_over(const ConvertOptions& options, const Checkpoint& quantized,
                const QuantizedLinears& linears, std::span<const Fold> folds,
                const kernels::Table& table, Base& base) {
  ErrorList errors;
  Result<Blocks> of_base = locate_blocks(base.spec, base.checkpoint);
  if (!of_base.ok()) errors.add(std::move(of_base).take_status());
  Result<Blocks> of_quantized = locate_blocks(base.spec, quantized);
  if (!of_quantized.ok()) errors.add(std::move(of_quantized).take_status());
  THAW_RETURN_IF_ERROR(errors.take());
  THAW_ASSIGN_OR_RETURN(base.overlay, make_overlay({.base = &base.checkpoint,
                                                    .quantized = &quantized,
                                                    .linears = &linears,
                                                    .folds = folds,
                                                    .spec = &base.spec,
                                                    .base_blocks = of_base.value(),
                                                    .quantized_blocks = of_quantized.value(),
                                                    .take = options.take,
                                                    .leave = options.leave}));
  THAW_RETURN_IF_ERROR(refuse_padding(quantized, linears, table, base));
  THAW_RETURN_IF_ERROR(check_biases(quantized, linears, table, base));
  if (!options.match_check) return {};
  THAW_ASSIGN_OR_RETURN(base.match,
                        check_match(quantized, linears, folds, base.overlay, base.spec, table));
  return {};
}

}  // namespace thaw
