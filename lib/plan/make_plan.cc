// The order of the output's files: what a reader needs first comes first, so that a stream of
// them can be used before it ends.

#include <utility>

#include "plan/documents.h"
#include "plan/fingerprint.h"
#include "plan/output_tensors.h"
#include "plan/plan.h"
#include "plan/shards.h"

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

void add_side_files(const PlanRequest& request, Plan& plan) {
  for (std::size_t i = 0; i < request.side_files.size(); ++i) {
    PlannedFile file;
    file.name = request.checkpoint->side_files()[i].name;
    file.size = request.side_files[i].size();
    Segment segment;
    segment.kind = SegmentKind::copy;
    segment.source = static_cast<std::uint32_t>(plan.inputs.size());
    segment.size = file.size;
    if (file.size != 0) file.segments.push_back(segment);
    plan.inputs.push_back(&request.side_files[i]);
    plan.files.push_back(std::move(file));
  }
}

Result<PlannedFile> shard_file(const PlanRequest& request, Plan& plan,
                               std::span<const OutputTensor> tensors,
                               std::span<const std::uint32_t> shard, std::string name) {
  PlannedFile file;
  file.name = std::move(name);
  file.tensors = shard.size();
  THAW_ASSIGN_OR_RETURN(std::string header,
                        shard_header(tensors, shard, request.checkpoint->metadata(), file.name));
  add_literal(plan, file, std::move(header));
  file.segments.reserve(shard.size() + 1);
  for (const std::uint32_t i : shard) {
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
  for (const Shard& shard : request.checkpoint->shards()) plan.inputs.push_back(&shard.file);

  THAW_ASSIGN_OR_RETURN(const std::vector<OutputTensor> tensors,
                        list_output_tensors(request, plan));
  std::vector<std::vector<std::uint32_t>> shards = assign_shards(tensors, request.max_shard_size);
  for (std::vector<std::uint32_t>& shard : shards) order_within_shard(tensors, shard);

  if (!request.checkpoint->config_text().empty()) {
    plan.files.push_back(document(plan, "config.json",
                                  edited_config(request.checkpoint->config_text(),
                                                request.checkpoint->config(), request.dtype)));
  }
  add_side_files(request, plan);
  if (shards.size() > 1) {
    plan.files.push_back(
        document(plan, "model.safetensors.index.json", index_document(tensors, shards)));
  }
  for (std::size_t i = 0; i < shards.size(); ++i) {
    THAW_ASSIGN_OR_RETURN(PlannedFile file, shard_file(request, plan, tensors, shards[i],
                                                       shard_name(i, shards.size())));
    plan.files.push_back(std::move(file));
  }
  for (const PlannedFile& file : plan.files) plan.bytes += file.size;
  plan.fingerprint = plan_fingerprint(request);
  return plan;
}

}  // namespace thaw
