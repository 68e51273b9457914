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

// Lays the tensors out in files. Their segments move to where their file's others are.
class Files {
 public:
  Files(const PlanRequest& request, Plan& plan)
      : request_(request), plan_(plan), pool_(std::exchange(plan.segments, {})) {}

  Status add_all(std::span<PlannedShard> shards) {
    // One more for the header of each shard, the config, the index and each side file; an
    // unchanged shard has one for itself.
    plan_.segments.reserve(pool_.size() + shards.size() + 2 + request_.side_files.size());
    if (!request_.shards_only) add_documents(shards);
    for (PlannedShard& shard : shards) THAW_RETURN_IF_ERROR(add_shard(shard));
    finish();
    return {};
  }

 private:
  // Files other than shards.
  void add_documents(std::span<const PlannedShard> shards) {
    if (!request_.frame().config_text().empty()) add_document("config.json", config_text());
    for (std::size_t i = 0; i < request_.side_files.size(); ++i) {
      add_copied(request_.frame().side_files()[i].name, request_.side_files[i]);
    }
    constexpr const char* kIndex = "model.safetensors.index.json";
    if (request_.keep_shards && request_.index != nullptr) {
      add_copied(kIndex, *request_.index);
    } else if (shards.size() > 1) {
      add_document(kIndex, index_document(plan_.tensors, shards));
    }
  }

  // The base's config names no quantization and the types that its tensors keep.
  std::string config_text() const {
    const Checkpoint& frame = request_.frame();
    if (request_.overlay != nullptr) return frame.config_text();
    return edited_config(frame.config_text(), frame.config(), request_.dtype);
  }

  Status add_shard(PlannedShard& shard) {
    if (shard.unchanged != nullptr) {
      add_unchanged(shard);
      return {};
    }
    order_within_shard(plan_.tensors, shard.tensors);
    THAW_ASSIGN_OR_RETURN(
        std::string header,
        shard_header(plan_.tensors, shard.tensors, request_.frame().metadata(), shard.name));
    begin(shard.name);
    add_literal(std::move(header));
    for (const std::uint32_t i : shard.tensors) {
      PlannedTensor& tensor = plan_.tensors[i];
      tensor.offset = file_->size;
      place(tensor);
      file_->size += tensor.size;
    }
    end(shard.tensors.size());
    return {};
  }

  // A shard of the base as it is; its tensors lie where they are there.
  void add_unchanged(const PlannedShard& shard) {
    const Checkpoint& base = *request_.overlay->base;
    const auto number = static_cast<std::uint32_t>(shard.unchanged - base.shards().data());
    const auto first = static_cast<std::uint32_t>(request_.checkpoint->shards().size());
    begin(shard.name);
    add_copy(shard.unchanged->file, first + number);
    end(shard.tensors.size());
    for (const std::uint32_t i : shard.tensors) {
      PlannedTensor& tensor = plan_.tensors[i];
      tensor.offset = base.find(tensor.name)->begin;
      place(tensor);
    }
  }

  void add_document(std::string name, std::string text) {
    begin(std::move(name));
    add_literal(std::move(text));
    end(0);
  }

  // A file that is an input, byte for byte.
  void add_copied(std::string name, const MappedFile& input) {
    plan_.inputs.push_back(&input);
    begin(std::move(name));
    add_copy(input, static_cast<std::uint32_t>(plan_.inputs.size() - 1));
    end(0);
  }

  // Moves the tensor's segments to the end of the plan's, with their places in the file that
  // plan_.files ends with.
  void place(PlannedTensor& tensor) {
    const std::uint32_t from = tensor.first_segment;
    tensor.file = static_cast<std::uint32_t>(plan_.files.size()) - 1;
    tensor.first_segment = static_cast<std::uint32_t>(plan_.segments.size());
    std::uint32_t kept = 0;
    std::uint64_t offset = tensor.offset;
    for (std::uint32_t s = 0; s < tensor.segment_count; ++s) {
      Segment segment = pool_[from + s];
      segment.offset = offset;
      offset += segment.size;
      if (segment.size == 0) continue;
      plan_.segments.push_back(segment);
      ++kept;
    }
    tensor.segment_count = kept;
  }

  void add_literal(std::string bytes) {
    Segment segment;
    segment.source = static_cast<std::uint32_t>(plan_.texts.size());
    segment.size = bytes.size();
    plan_.texts.push_back(std::move(bytes));
    add(segment);
  }
  void add_copy(const MappedFile& input, std::uint32_t source) {
    Segment segment;
    segment.kind = SegmentKind::copy;
    segment.source = source;
    segment.size = input.size();
    add(segment);
  }
  void add(Segment segment) {
    segment.offset = file_->size;
    file_->size += segment.size;
    if (segment.size != 0) plan_.segments.push_back(segment);
  }

  void begin(std::string name) {
    first_.push_back(plan_.segments.size());
    file_ = &plan_.files.emplace_back();
    file_->name = std::move(name);
  }
  void end(std::uint64_t tensors) {
    file_->tensors = tensors;
    count_.push_back(plan_.segments.size() - first_.back());
  }

  // Nothing is added any more: what points into the plan stays where it is.
  void finish() {
    plan_.literals = plan_.texts;
    for (std::size_t i = 0; i < plan_.files.size(); ++i) {
      PlannedFile& file = plan_.files[i];
      file.segments = std::span(plan_.segments).subspan(first_[i], count_[i]);
      plan_.bytes += file.size;
      plan_.tensor_count += file.tensors;
    }
  }

  const PlanRequest& request_;
  Plan& plan_;
  const std::vector<Segment> pool_;  // of the tensors, not yet placed
  PlannedFile* file_ = nullptr;      // that is being made, the last of the plan
  std::vector<std::size_t> first_;   // of each file: its first segment
  std::vector<std::size_t> count_;
};

}  // namespace

Result<Plan> plan_tensors(const PlanRequest& request) {
  Plan plan;
  plan.dtype = request.dtype;
  plan.via_float16 = request.via_float16;
  // First, because a linear's operands name the shards of their checkpoint by number.
  for (const Shard& shard : request.checkpoint->shards()) plan.inputs.push_back(&shard.file);
  if (request.overlay != nullptr) {
    for (const Shard& shard : request.overlay->base->shards()) plan.inputs.push_back(&shard.file);
    list_overlay_tensors(request, plan);
  } else {
    THAW_RETURN_IF_ERROR(list_output_tensors(request, plan));
  }
  return plan;
}

Result<Plan> make_plan(const PlanRequest& request) {
  THAW_ASSIGN_OR_RETURN(Plan plan, plan_tensors(request));
  std::vector<PlannedShard> shards = request.keep_shards
                                         ? keep_shards(*request.overlay, plan.tensors)
                                         : assign_shards(plan.tensors, request.max_shard_size);
  THAW_RETURN_IF_ERROR(Files(request, plan).add_all(shards));
  plan.fingerprint = plan_fingerprint(request, plan);
  return plan;
}

}  // namespace thaw
