#include "prepare/summarize.h"

#include <map>
#include <set>
#include <string_view>

#include "base/text.h"
#include "io/process.h"
#include "prepare/output_format.h"

namespace thaw {

namespace {

OverlaySummary overlay_summary(const Prepared& prepared, const ConvertOptions& options) {
  const Base& base = *prepared.base;
  OverlaySummary summary;
  summary.base = base.checkpoint.path();
  summary.spec = printable(base.spec.name);
  summary.base_layers = printable(base.overlay.base_blocks.path);
  summary.quantized_layers = printable(base.overlay.quantized_blocks.path);
  summary.layers = base.overlay.base_blocks.count;
  summary.replaced = base.overlay.replaced;
  summary.kept = base.overlay.kept;
  summary.ignored = base.overlay.ignored;
  summary.match = base.match;
  for (const TakenLinear& taken : base.overlay.taken) {
    summary.taken.push_back(printable(taken.linear->module));
  }
  for (const std::string_view module : base.overlay.left) summary.left.push_back(printable(module));
  if (options.keep_backup) summary.backup = prepared.backup;
  return summary;
}

PartSummary summarize_part(const Plan& plan, Part part) {
  PartSummary summary{.index = part.index, .count = part.count};
  const std::vector<unsigned> part_of = split_files(plan, part.count);
  for (std::size_t i = 0; i < part_of.size(); ++i) {
    if (part_of[i] != part.index) continue;
    ++summary.files;
    summary.bytes += plan.files[i].size;
  }
  return summary;
}

}  // namespace

PlanSummary summarize(const Prepared& prepared, const ConvertOptions& options) {
  const Plan& plan = prepared.plan;
  const MemoryPlan& memory = prepared.memory;
  PlanSummary summary;
  summary.model = prepared.checkpoint.path();
  if (options.part) summary.part = summarize_part(plan, *options.part);
  summary.out = prepared.out;
  summary.to = format_name(prepared.format);
  summary.archive_root = prepared.archive_root;
  summary.dtype = prepared.type.dtype;
  summary.dtype_reason = prepared.type.reason;
  summary.linears = plan.linears.size();
  summary.folded = plan.divisors.size();
  summary.tensors = plan.tensor_count;
  summary.tensors_cast = plan.tensors_cast;
  summary.tensors_copied = plan.tensors_copied;
  summary.bytes_out = plan.bytes;
  for (const Shard& shard : prepared.checkpoint.shards()) summary.bytes_in += shard.file.size();
  summary.shards_in = prepared.checkpoint.shards().size();
  std::map<std::string, std::uint64_t> layouts;
  for (const QuantizedLinear* linear : plan.linears) ++layouts[title_of(*linear)];
  for (const auto& [title, count] : layouts) {
    summary.layouts.push_back({.title = title, .linears = count});
  }
  for (const PlannedFile& file : plan.files) {
    if (file.tensors != 0) summary.shards.push_back({file.name, file.size, file.tensors});
  }
  const Checkpoint* frame = &prepared.checkpoint;
  if (prepared.base != nullptr) {
    frame = &prepared.base->checkpoint;
    for (const Shard& shard : frame->shards()) summary.bytes_in += shard.file.size();
    summary.overlay = overlay_summary(prepared, options);
  }
  const bool shard_only = prepared.format == StreamFormat::safetensors;
  std::set<std::string_view> carried;
  for (const SideFile& side : prepared.carried) {
    (shard_only ? summary.not_carried : summary.side_files).push_back(printable(side.name));
    if (!shard_only) summary.side_bytes += side.size;
    carried.insert(side.name);
  }
  for (const std::string& name : frame->files_not_carried()) {
    if (carried.count(name) == 0) summary.not_carried.push_back(printable(name));
  }
  summary.warnings = prepared.linears.warnings;
  summary.notes = prepared.linears.notes;
  summary.warnings.insert(summary.warnings.end(), prepared.findings.begin(),
                          prepared.findings.end());
  if (prepared.base != nullptr) {
    const std::vector<std::string>& more = prepared.base->overlay.warnings;
    summary.warnings.insert(summary.warnings.end(), more.begin(), more.end());
  }
  summary.fingerprint = plan.fingerprint;
  summary.isa = prepared.table->name;
  summary.workers = memory.workers;
  summary.compressors = memory.compressors;
  summary.tile_bytes = memory.tile_bytes;
  summary.buffers = memory.buffers;
  summary.peak_bytes = memory.peak;
  for (const QuantizedLinear* linear : plan.linears) {
    if (needs_slabs(*linear, memory)) ++summary.slabbed_linears;
  }
  const unsigned asked = options.threads != 0 ? options.threads : processor_count();
  if (memory.workers < asked && !prepared.format) {
    summary.threads_note = "the memory budget holds buffers for " + std::to_string(memory.workers) +
                           " of " + std::to_string(asked) + " threads";
  }
  return summary;
}

}  // namespace thaw
