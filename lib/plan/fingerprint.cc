#include "plan/fingerprint.h"

#include <algorithm>

#include "base/hash.h"
#include "plan/side_file_name.h"

namespace thaw {

namespace {

// Raise when the same input and options give other bytes than before.
constexpr std::uint64_t kPlanVersion = 1;

void add_file(Hash& hash, const std::string& name, const MappedFile& file) {
  hash.add(name);
  hash.add(file.identity().size);
  hash.add(static_cast<std::uint64_t>(file.identity().modified_ns));
}

// What the spec and its spellings decided is which tensor is made from which.
void add_overlay(Hash& hash, const PlanRequest& request) {
  const Overlay& overlay = *request.overlay;
  for (const Shard& shard : overlay.base->shards()) {
    add_file(hash, shard.name, shard.file);
    hash.add(shard.header_hash);
  }
  hash.add(overlay.base->config_text());
  if (request.index != nullptr) add_file(hash, "index", *request.index);
  hash.add(std::uint64_t{request.keep_shards});
  for (const OverlaySource& source : overlay.sources) {
    if (source.linear != nullptr) {
      hash.add(source.linear->module);
    } else {
      hash.add(source.tensor != nullptr ? source.tensor->name : std::string_view());
    }
  }
}

}  // namespace

std::string plan_fingerprint(const PlanRequest& request) {
  Hash hash;
  hash.add(kPlanVersion);
  hash.add(dtype_name(request.dtype));
  hash.add(std::uint64_t{request.via_float16});
  hash.add(std::uint64_t{request.allow_overflow});
  hash.add(request.max_shard_size);
  for (const Shard& shard : request.checkpoint->shards()) {
    add_file(hash, shard.name, shard.file);
    hash.add(shard.header_hash);
  }
  hash.add(request.checkpoint->config_text());
  // Where a group size stands only in a config, it decides bytes.
  hash.add(request.linears->config.source);
  hash.add(static_cast<std::uint64_t>(request.linears->config.group_size.value_or(0)));
  // Which tensors are left as they are, and what divides what, follows from options and specs.
  hash.add(static_cast<std::uint64_t>(
      std::count(request.linears->consumed.begin(), request.linears->consumed.end(), 2)));
  for (const Fold& fold : request.folds) {
    hash.add(fold.scales->name);
    hash.add(fold.module());
  }
  for (const CompressedGroup& group : request.linears->config.compressed) {
    hash.add(static_cast<std::uint64_t>(group.bits.value_or(0)));
    hash.add(static_cast<std::uint64_t>(group.group_size.value_or(0)));
  }
  for (const MappedFile& file : request.side_files) {
    add_file(hash, side_file_name(request, file), file);
  }
  if (request.overlay != nullptr) add_overlay(hash, request);
  return hash.hex();
}

}  // namespace thaw
