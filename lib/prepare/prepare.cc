#include "prepare/prepare.h"

#include <algorithm>
#include <span>
#include <utility>

#include "base/hash.h"
#include "base/text.h"
#include "io/directory.h"
#include "io/process.h"
#include "plan/tiles.h"
#include "prepare/destination.h"
#include "prepare/expert_names.h"
#include "prepare/findings.h"
#include "prepare/folds.h"
#include "prepare/in_place.h"
#include "prepare/output_format.h"
#include "prepare/own_adapters.h"
#include "prepare/part_option.h"
#include "prepare/tied_head.h"
#include "prepare/zero_biases.h"
#include "sink/zstd_stream.h"

namespace thaw {

namespace {

constexpr std::uint64_t kMaxShardSize = 5'000'000'000;  // specs/output.md clause 3

Result<const kernels::Table*> choose_table(const std::string& isa) {
  const kernels::TableList available = kernels::available_tables();
  if (isa.empty()) return available.tables[0];
  bool runs_here = false;
  const kernels::Table* table = kernels::find_table(isa.c_str(), &runs_here);
  if (table != nullptr && runs_here) return table;
  std::string names;
  for (std::size_t i = 0; i < available.count; ++i) {
    if (i != 0) names += ", ";
    names += available.tables[i]->name;
  }
  return fail(
      ErrorCode::usage, {},
      table == nullptr ? "unknown instruction set" : "this processor lacks the instruction set",
      printable(isa), "one of " + names);
}

Result<std::vector<MappedFile>> open_side_files(std::span<const SideFile> side_files,
                                                FileSystem& file_system) {
  std::vector<MappedFile> files;
  ErrorList errors;
  for (const SideFile& side : side_files) {
    Result<MappedFile> file = MappedFile::open(file_system, side.path, MappedFile::Empty::allowed);
    if (file.ok()) {
      files.push_back(std::move(file).value());
    } else {
      errors.add(std::move(file).take_status());
    }
  }
  THAW_RETURN_IF_ERROR(errors.take());
  return files;
}

// Whether the spec makes adapters a part of the model, as of phi4mm.
bool has_adapters(const ModelSpec& spec) {
  return std::any_of(spec.linears.begin(), spec.linears.end(), [](const std::string& linear) {
    return linear.find("lora_A") != std::string::npos;
  });
}

// The side files of the frame, and its adapters where its spec makes them a part of the model.
std::vector<SideFile> carried_files(const Checkpoint& frame, const ModelSpec* spec) {
  std::vector<SideFile> files(frame.side_files().begin(), frame.side_files().end());
  if (spec == nullptr || !has_adapters(*spec)) return files;
  files.insert(files.end(), frame.adapter_files().begin(), frame.adapter_files().end());
  std::sort(files.begin(), files.end(),
            [](const SideFile& a, const SideFile& b) { return a.name < b.name; });
  return files;
}

// The model's own spec, where something has to be folded, experts have to be named, or adapters may
// be a part of the model; else null. With a base, its spec is taken.
Result<const ModelSpec*> spec_of(Prepared& prepared, const ConvertOptions& options) {
  const bool experts = !options.keep_names && has_quantized_experts(prepared.linears);
  const bool needed = !prepared.linears.activation_scales.empty() || experts ||
                      !prepared.checkpoint.adapter_files().empty();
  if (prepared.base != nullptr || !needed) return nullptr;
  return prepared.own_spec.get();
}

Result<std::vector<Fold>> folds_of(const Prepared& prepared) {
  if (prepared.base != nullptr) {
    return find_folds(prepared.checkpoint, prepared.linears, &prepared.base->spec);
  }
  if (prepared.linears.activation_scales.empty()) return std::vector<Fold>();
  return find_folds(prepared.checkpoint, prepared.linears, prepared.spec);
}

// The destination of an archive or a single file.
Status prepare_stream(Prepared& prepared, const ConvertOptions& options, const Checkpoint* base,
                      FileSystem& file_system) {
  if (*prepared.format != StreamFormat::safetensors) {
    THAW_ASSIGN_OR_RETURN(prepared.archive_root, choose_archive_root(options, prepared.checkpoint));
  }
  if (options.out.empty() || options.out == kStandardOutput) {
    prepared.out = options.out;
    return {};
  }
  THAW_ASSIGN_OR_RETURN(prepared.found, Likeness::at(file_system, resolved_path(options.out)));
  THAW_ASSIGN_OR_RETURN(
      prepared.out, check_file_destination(options.out, options.force, prepared.checkpoint, base));
  return {};
}

// The same for two runs that replace a base by the same work; the base itself is another one then.
std::string purpose_of(const ConvertOptions& options, const Checkpoint& checkpoint) {
  Hash hash;
  hash.add(resolved_path(options.model));
  for (const Shard& shard : checkpoint.shards()) {
    hash.add(shard.name);
    hash.add(shard.file.identity().size);
    hash.add(static_cast<std::uint64_t>(shard.file.identity().modified_ns));
  }
  hash.add(static_cast<std::uint64_t>(options.rounding));
  hash.add(options.max_shard_size.value_or(0));
  for (const bool flag : {options.copy_unknown, options.allow_overflow, options.checksums}) {
    hash.add(std::uint64_t{flag});
  }
  return hash.hex();
}

// Where the output goes, and that nothing of the user's stands there.
Status find_destination(const ConvertOptions& options, FileSystem& file_system,
                        Prepared& prepared) {
  const Checkpoint* base = prepared.base != nullptr ? &prepared.base->checkpoint : nullptr;
  if (prepared.format) {
    THAW_RETURN_IF_ERROR(prepare_stream(prepared, options, base, file_system));
  } else if (options.in_place) {
    prepared.purpose = purpose_of(options, prepared.checkpoint);
    THAW_ASSIGN_OR_RETURN(const InPlace place,
                          check_in_place(file_system, *base, prepared.checkpoint, prepared.purpose,
                                         options.keep_backup));
    prepared.out = place.out;
    prepared.backup = place.backup;
    prepared.done_before = place.done_before;
  } else if (!options.out.empty()) {
    THAW_ASSIGN_OR_RETURN(prepared.found, Likeness::at(file_system, resolved_path(options.out)));
    THAW_ASSIGN_OR_RETURN(prepared.out,
                          check_destination(options.out, options.force, prepared.checkpoint, base));
  }
  return {};
}

// With a base every tensor has a type already: that of the weights is told.
Result<OutputType> find_type(const ConvertOptions& options, const Prepared& prepared) {
  if (prepared.base == nullptr) {
    return choose_output_type(options, prepared.checkpoint, prepared.linears);
  }
  const Overlay& overlay = prepared.base->overlay;
  for (std::size_t i = 0; i < overlay.sources.size(); ++i) {
    if (overlay.sources[i].linear == nullptr && !overlay.sources[i].has_experts()) continue;
    return OutputType{prepared.base->checkpoint.tensors()[i].dtype, "each tensor as in the base"};
  }
  return fail(ErrorCode::bug, {}, "an overlay without a quantized linear");
}

// Of experts, that the architecture's form has no place for.
Status leave_out_biases(Prepared& prepared) {
  const std::vector<const Tensor*>& biases = prepared.plan.biases_left_out;
  if (biases.empty()) return {};
  THAW_RETURN_IF_ERROR(check_zero_biases(prepared.checkpoint, prepared.linears, biases,
                                         "the architecture's experts have no such bias",
                                         *prepared.table));
  prepared.linears.warnings.push_back(std::to_string(biases.size()) +
                                      " biases of experts that hold zeros only, and that the "
                                      "architecture does not have, are left out");
  return {};
}

}  // namespace

Result<std::unique_ptr<Prepared>> prepare(const ConvertOptions& options, FileSystem& file_system) {
  THAW_RETURN_IF_ERROR(check_overlay_options(options));
  THAW_ASSIGN_OR_RETURN(const std::optional<StreamFormat> format, choose_format(options));
  THAW_RETURN_IF_ERROR(check_part_options(options, format));
  THAW_ASSIGN_OR_RETURN(const kernels::Table* table, choose_table(options.isa));

  THAW_ASSIGN_OR_RETURN(
      Checkpoint checkpoint,
      open_checkpoint(file_system, options.model, {.this_file_only = options.this_file_only}));
  auto prepared =
      std::make_unique<Prepared>(std::move(checkpoint), options.model_specs, file_system);
  prepared->table = table;
  if (!options.base.empty()) {
    // Before anything of it is read: what comes later is not carried, and must not be removed.
    if (options.in_place) {
      THAW_ASSIGN_OR_RETURN(prepared->found,
                            Likeness::at(file_system, resolved_path(options.base)));
    }
    THAW_ASSIGN_OR_RETURN(prepared->base, open_base(options, file_system));
  }
  prepared->format = format;
  // From here on every tensor lies inside its shard and no two overlap.

  THAW_RETURN_IF_ERROR(find_destination(options, file_system, *prepared));
  OwnAdapters adapters;
  if (prepared->base != nullptr) {
    adapters = own_adapters(&prepared->base->spec);
  } else {
    THAW_ASSIGN_OR_RETURN(adapters, find_own_adapters(prepared->checkpoint, prepared->own_spec));
  }
  THAW_ASSIGN_OR_RETURN(
      prepared->linears,
      find_quantized_linears(prepared->checkpoint,
                             {.copy_unknown = options.copy_unknown, .is_part_of_model = adapters}));
  THAW_ASSIGN_OR_RETURN(prepared->spec, spec_of(*prepared, options));
  THAW_ASSIGN_OR_RETURN(prepared->folds, folds_of(*prepared));
  const ModelSpec* const own_spec = prepared->spec;
  if (options.base.empty() && !options.keep_names) {
    if (auto warning =
            warn_of_expert_names(prepared->linears, own_spec, prepared->checkpoint.model_type())) {
      prepared->linears.warnings.push_back(std::move(*warning));
    }
  }
  // From here on we know what every tensor is.

  Base* const base = prepared->base.get();
  if (base != nullptr) {
    THAW_RETURN_IF_ERROR(
        lay_over(options, prepared->checkpoint, prepared->linears, prepared->folds, *table, *base));
  }
  if (base == nullptr) {
    warn_of_tied_head(prepared->checkpoint, prepared->linears);
  }
  // From here on every tensor of the result has one source.
  prepared->findings = find_oddities(prepared->checkpoint, prepared->linears,
                                     base != nullptr ? &base->checkpoint : nullptr);

  const Checkpoint& frame = base != nullptr ? base->checkpoint : prepared->checkpoint;
  THAW_ASSIGN_OR_RETURN(prepared->type, find_type(options, *prepared));
  prepared->carried = carried_files(frame, base != nullptr ? &base->spec : own_spec);
  THAW_ASSIGN_OR_RETURN(prepared->side_files, open_side_files(prepared->carried, file_system));
  const PlanRequest request{.checkpoint = &prepared->checkpoint,
                            .linears = &prepared->linears,
                            .folds = prepared->folds,
                            .overlay = base != nullptr ? &base->overlay : nullptr,
                            .index = base != nullptr && base->index ? &*base->index : nullptr,
                            .side_files = prepared->side_files,
                            .dtype = prepared->type.dtype,
                            .via_float16 = options.rounding == Rounding::via_float16,
                            .allow_overflow = options.allow_overflow,
                            .shards_only = format == StreamFormat::safetensors,
                            .expert_spec = options.keep_names ? nullptr : own_spec,
                            .keep_shards = base != nullptr && !options.max_shard_size,
                            .max_shard_size = options.max_shard_size.value_or(kMaxShardSize)};
  THAW_ASSIGN_OR_RETURN(prepared->plan, make_plan(request));
  THAW_RETURN_IF_ERROR(leave_out_biases(*prepared));
  if (format == StreamFormat::safetensors) {
    THAW_RETURN_IF_ERROR(check_only_shard(prepared->plan));
  }
  const unsigned threads = options.threads != 0 ? options.threads : processor_count();
  THAW_ASSIGN_OR_RETURN(prepared->memory,
                        plan_memory_for(prepared->plan,
                                        {.budget = options.memory,
                                         .threads = threads,
                                         .buffered = options.output_mode == OutputMode::buffered},
                                        format, options.level.value_or(kLeastLevel)));
  return prepared;
}

Status judge(Prepared& prepared, const ConvertOptions& options, const StopFlag* stop) {
  const Plan& plan = prepared.plan;
  const PlannedFiles part = options.part ? files_of_part(plan, *options.part) : PlannedFiles();
  std::vector<bool> needed(plan.linears.size());
  for (const PlannedFile& file : options.part ? part.files : plan.files) {
    for (const Segment& segment : file.segments) {
      each_tile(plan, segment,
                [&](const Segment& tile, const TilePlace&) { needed[tile.source] = true; });
    }
  }
  std::vector<const QuantizedLinear*> linears;
  for (std::size_t i = 0; i < needed.size(); ++i) {
    if (needed[i]) linears.push_back(plan.linears[i]);
  }
  THAW_ASSIGN_OR_RETURN(const std::vector<ScaleFlaws> flaws,
                        scan_scales(prepared.checkpoint, linears, stop));
  if (auto line = find_bad_scales(prepared.checkpoint, flaws)) {
    prepared.findings.push_back(std::move(*line));
  }
  return options.strict ? refuse_findings(prepared.findings) : Status();
}

}  // namespace thaw
