#include <utility>

#include "base/dtype.h"
#include "json_out.h"
#include "summary.h"

namespace thaw::app {

namespace {

void add_shards(JsonOut& out, const std::vector<ShardSummary>& shards) {
  out.begin_array("shards");
  for (const ShardSummary& shard : shards) {
    out.begin_object();
    out.member("name", shard.name);
    out.member("bytes", shard.bytes);
    out.member("tensors", shard.tensors);
    out.end_object();
  }
  out.end_array();
}

void add_overlay(JsonOut& out, const OverlaySummary& overlay) {
  out.begin_object("overlay");
  out.member("base", overlay.base);
  out.member("spec", overlay.spec);
  out.member("base_layers", overlay.base_layers);
  out.member("model_layers", overlay.quantized_layers);
  out.member("layers", overlay.layers);
  out.member("replaced", overlay.replaced);
  out.member("kept", overlay.kept);
  out.member("ignored", overlay.ignored);
  if (!overlay.taken.empty()) out.member("taken", overlay.taken);
  if (!overlay.left.empty()) out.member("left", overlay.left);
  if (!overlay.backup.empty()) out.member("backup", overlay.backup);
  if (overlay.match) {
    out.begin_object("match");
    out.member("samples", overlay.match->samples);
    out.member("lowest_cosine", overlay.match->lowest_cosine);
    out.member("lowest", overlay.match->lowest);
    out.end_object();
  }
  out.end_object();
}

void add_part(JsonOut& out, const PartSummary& part) {
  out.begin_object("part");
  out.member("index", std::uint64_t{part.index});
  out.member("count", std::uint64_t{part.count});
  out.member("files", part.files);
  out.member("bytes", part.bytes);
  out.end_object();
}

void add_plan(JsonOut& out, const PlanSummary& plan) {
  out.member("model", plan.model);
  out.member("out", plan.out);
  out.member("to", plan.to);
  if (!plan.archive_root.empty()) out.member("archive_root", plan.archive_root);
  out.member("dtype", torch_dtype_name(plan.dtype));
  out.member("dtype_reason", plan.dtype_reason);
  out.member("linears", plan.linears);
  out.member("folded", plan.folded);
  out.member("tensors", plan.tensors);
  out.member("tensors_cast", plan.tensors_cast);
  out.member("tensors_copied", plan.tensors_copied);
  out.member("bytes_in", plan.bytes_in);
  out.member("bytes_out", plan.bytes_out);
  add_shards(out, plan.shards);
  out.member("side_files", plan.side_files);
  out.member("not_carried", plan.not_carried);
  out.member("warnings", plan.warnings);
  if (plan.overlay) add_overlay(out, *plan.overlay);
  if (plan.part) add_part(out, *plan.part);
  out.member("fingerprint", plan.fingerprint);
  out.begin_object("memory");
  out.member("isa", plan.isa);
  out.member("workers", std::uint64_t{plan.workers});
  out.member("compressors", std::uint64_t{plan.compressors});
  out.member("tile_bytes", plan.tile_bytes);
  out.member("buffers", plan.buffers);
  out.member("peak_bytes", plan.peak_bytes);
  out.member("slabbed_linears", plan.slabbed_linears);
  out.end_object();
  if (plan.disk) {
    out.begin_object("disk");
    out.member("need", plan.disk->need);
    out.member("free", plan.disk->free);
    out.end_object();
  }
}

void add_figures(JsonOut& out, const ConvertReport& report) {
  out.member("seconds", report.seconds);
  out.member("bytes_read", report.bytes_read);
  out.member("bytes_written", report.bytes_written);
  out.member("files_kept", report.files_kept);
  out.member("bytes_kept", report.bytes_kept);
  out.member("stream_bytes", report.stream_bytes);
  out.member("overflows", report.overflows);
  out.member("peak_memory", report.peak_memory);
  out.member("direct_io", report.direct_io);
  if (report.plan.part) {
    out.member("published", !report.waits);
    out.begin_array("missing_parts");
    for (const unsigned part : report.missing_parts) out.item(std::uint64_t{part});
    out.end_array();
  }
  if (report.verified.done) {
    out.begin_object("verified");
    out.member("bytes", report.verified.bytes);
    out.member("recovered", report.verified.recovered);
    out.member("ambiguous", report.verified.ambiguous);
    out.end_object();
  }
}

void add_groups(JsonOut& out, const std::vector<LinearGroup>& groups) {
  out.begin_array("linears");
  for (const LinearGroup& group : groups) {
    out.begin_object();
    out.member("layout", group.layout);
    out.member("modules", group.modules);
    out.member("count", group.count);
    out.member("bits", std::uint64_t{group.bits});
    out.member("in_features", group.in_features);
    out.member("out_features", group.out_features);
    out.member("group_size", group.group_size);
    out.member("untransposed", group.untransposed);
    out.member("symmetric", group.symmetric);
    out.member("scale_dtype", group.scale_dtype);
    out.member("packed_bytes", group.packed_bytes);
    out.member("float_bytes", group.float_bytes);
    out.member("reason", group.reason);
    out.member("contradictions", group.contradictions);
    out.begin_object("suspicious_scales");
    out.member("infinite", group.flaws.infinite);
    out.member("nan", group.flaws.nan);
    out.member("zero", group.flaws.zero);
    if (group.flaws.any()) out.member("first", group.flaws.first);
    out.end_object();
    out.begin_object("suspicious_zeros");
    out.member("modules", group.wrapped_zeros);
    if (group.wrapped_zeros != 0) out.member("first", group.first_wrapped);
    out.end_object();
    out.end_object();
  }
  out.end_array();
}

void add_tensors(JsonOut& out, const std::vector<InspectedTensor>& tensors) {
  out.begin_array("tensors");
  for (const InspectedTensor& tensor : tensors) {
    out.begin_object();
    out.member("name", tensor.name);
    if (tensor.layer) out.member("layer", *tensor.layer);
    out.member("layout", tensor.layout);
    if (tensor.bits != 0) {
      out.member("bits", std::uint64_t{tensor.bits});
      out.member("group_size", tensor.group_size);
    }
    out.begin_array("shape");
    for (const std::uint64_t extent : tensor.shape) out.item(extent);
    out.end_array();
    out.member("bytes", tensor.bytes);
    if (tensor.bits != 0) out.member("float_bytes", tensor.float_bytes);
    out.end_object();
  }
  out.end_array();
}

}  // namespace

std::string plan_json(const PlanSummary& plan) {
  JsonOut out;
  out.begin_object();
  add_plan(out, plan);
  out.end_object();
  return std::move(out).take();
}

std::string report_json(const ConvertReport& report) {
  JsonOut out;
  out.begin_object();
  add_figures(out, report);
  out.begin_object("plan");
  add_plan(out, report.plan);
  out.end_object();
  out.end_object();
  return std::move(out).take();
}

std::string done_line(const ConvertReport& report) {
  JsonOut out(JsonOut::Form::line);
  out.begin_object();
  out.member("event", "done");
  out.member("out", report.plan.out);
  out.member("linears", report.plan.linears);
  out.member("tensors", report.plan.tensors);
  add_figures(out, report);
  out.member("warnings", report.plan.warnings);
  out.member("not_carried", report.plan.not_carried);
  out.end_object();
  return std::move(out).take();
}

void add_inspection(JsonOut& out, const Inspection& inspection) {
  out.member("model", inspection.model);
  out.member("config_source", inspection.config_source);
  out.member("method", inspection.method);
  out.member("version", inspection.version);
  add_shards(out, inspection.shards);
  add_groups(out, inspection.groups);
  out.begin_array("other_tensors");
  for (const DtypeCount& count : inspection.other_tensors) {
    out.begin_object();
    out.member("dtype", count.dtype);
    out.member("tensors", count.tensors);
    out.member("bytes", count.bytes);
    out.end_object();
  }
  out.end_array();
  out.member("problems", inspection.problems);
  out.member("warnings", inspection.warnings);
  if (inspection.plan) {
    out.begin_object("plan");
    add_plan(out, *inspection.plan);
    out.end_object();
  }
}

std::string inspection_json(const Inspection& inspection) {
  JsonOut out;
  out.begin_object();
  add_inspection(out, inspection);
  add_tensors(out, inspection.tensors);
  out.end_object();
  return std::move(out).take();
}

}  // namespace thaw::app
