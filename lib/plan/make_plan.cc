// The order of the output's files: what a reader needs first comes first, so that a stream of
// them can be used before it ends.

#include <utility>

#include "plan/documents.h"
#include "plan/fingerprint.h"
#include "plan/output_tensors.h"
#include "plan/plan.h"
#include "plan/shards.h"
#include "plan/side_file_name.h"

namespace thaw {

namespace {

void add_literal(Plan& plan, PlannedFile& file, std::string bytes) {
  Segment segment;
  segment.source = static_cast<std::uint32_t>(plan.literals.size());
  segment.offset = file.size;
  segment.size = bytes.size();
  file.size += segment.size;
  if (segment.size != 0) file.segments.push_back(segment);
  plan.literals.push_back(std::move(bytes));
}

PlannedFile document(Plan& plan, std::string name, std::string text) {
  PlannedFile file;
  file.name = std::move(name);
  add_literal(plan, file, std::move(text));
  return file;
}

// A file that is an input, byte for byte.
PlannedFile copied(std::string name, const MappedFile& input, std::uint32_t source) {
  PlannedFile file;
  file.name = std::move(name);
  file.size = input.size();
  Segment segment;
  segment.kind = SegmentKind::copy;
  segment.source = source;
  segment.size = file.size;
  if (file.size != 0) file.segments.push_back(segment);
  return file;
}

PlannedFile copied(std::string name, const MappedFile& input, Plan& plan) {
  plan.inputs.push_back(&input);
  return copied(std::move(name), input, static_cast<std::uint32_t>(plan.inputs.size() - 1));
}

void add_side_files(const PlanRequest& request, Plan& plan) {
  for (const MappedFile& file : request.side_files) {
    plan.files.push_back(copied(side_file_name(request, file), file, plan));
  }
}

// The base's config names no quantization and the types that its tensors keep.
std::string config_text(const PlanRequest& request) {
  const Checkpoint& frame = request.frame();
  if (request.overlay != nullptr) return frame.config_text();
  return edited_config(frame.config_text(), frame.config(), request.dtype);
}

void add_index(const PlanRequest& request, std::span<const OutputTensor> tensors,
               std::span<const PlannedShard> shards, Plan& plan) {
  constexpr const char* kName = "model.safetensors.index.json";
  if (request.keep_shards && request.index != nullptr) {
    plan.files.push_back(copied(kName, *request.index, plan));
  } else if (shards.size() > 1) {
    plan.files.push_back(document(plan, kName, index_document(tensors, shards)));
  }
}

Result<PlannedFile> shard_file(const PlanRequest& request, Plan& plan,
                               std::span<const OutputTensor> tensors, PlannedShard& shard) {
  if (shard.unchanged != nullptr) {
    const Checkpoint& base = *request.overlay->base;
    const auto number = static_cast<std::uint32_t>(shard.unchanged - base.shards().data());
    const auto first = static_cast<std::uint32_t>(request.checkpoint->shards().size());
    PlannedFile file = copied(shard.name, shard.unchanged->file, first + number);
    file.tensors = shard.tensors.size();
    return file;
  }
  order_within_shard(tensors, shard.tensors);
  PlannedFile file;
  file.name = shard.name;
  file.tensors = shard.tensors.size();
  THAW_ASSIGN_OR_RETURN(std::string header, shard_header(tensors, shard.tensors,
                                                         request.frame().metadata(), file.name));
  add_literal(plan, file, std::move(header));
  file.segments.reserve(shard.tensors.size() + 1);
  for (const std::uint32_t i : shard.tensors) {
    Segment segment = tensors[i].segment;
    segment.offset = file.size;
    file.size += segment.size;
    if (segment.size != 0) file.segments.push_back(segment);
  }
  return file;
}

}  // namespace

Result<Plan> make_plan(const PlanRequest& request) {
  Plan plan;
  plan.dtype = request.dtype;
  plan.via_float16 = request.via_float16;
  // First, because a linear's operands name the shards of their checkpoint by number.
  for (const Shard& shard : request.checkpoint->shards()) plan.inputs.push_back(&shard.file);
  if (request.overlay != nullptr) {
    for (const Shard& shard : request.overlay->base->shards()) plan.inputs.push_back(&shard.file);
  }

  THAW_ASSIGN_OR_RETURN(const std::vector<OutputTensor> tensors,
                        list_output_tensors(request, plan));
  std::vector<PlannedShard> shards = request.keep_shards
                                         ? keep_shards(*request.overlay, tensors)
                                         : assign_shards(tensors, request.max_shard_size);

  if (!request.frame().config_text().empty()) {
    plan.files.push_back(document(plan, "config.json", config_text(request)));
  }
  add_side_files(request, plan);
  add_index(request, tensors, shards, plan);
  for (PlannedShard& shard : shards) {
    THAW_ASSIGN_OR_RETURN(PlannedFile file, shard_file(request, plan, tensors, shard));
    plan.files.push_back(std::move(file));
  }
  for (const PlannedFile& file : plan.files) plan.bytes += file.size;
  plan.fingerprint = plan_fingerprint(request);
  return plan;
}

}  // namespace thaw
